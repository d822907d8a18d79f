import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html: also where there are no rules. */
export const deleteBucketLifecycle = defineOperation({
  name: 'DeleteBucketLifecycle',
  match: { method: 'DELETE', on: 'bucket', query: ['lifecycle'] },
  action: 's3:PutLifecycleConfiguration',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'lifecycle')
    return { status: 204 }
  },
})
