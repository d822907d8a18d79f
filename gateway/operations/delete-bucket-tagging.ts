import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html: also where there are none. */
export const deleteBucketTagging = defineOperation({
  name: 'DeleteBucketTagging',
  match: { method: 'DELETE', on: 'bucket', query: ['tagging'] },
  action: 's3:PutBucketTagging',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'tagging')
    return { status: 204 }
  },
})
