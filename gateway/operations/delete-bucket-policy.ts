import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html: also where there is none. */
export const deleteBucketPolicy = defineOperation({
  name: 'DeleteBucketPolicy',
  match: { method: 'DELETE', on: 'bucket', query: ['policy'] },
  action: 's3:DeleteBucketPolicy',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'policy')
    return { status: 204 }
  },
})
