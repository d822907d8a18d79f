import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html: also where there are none. */
export const deleteBucketCors = defineOperation({
  name: 'DeleteBucketCors',
  match: { method: 'DELETE', on: 'bucket', query: ['cors'] },
  action: 's3:PutBucketCORS',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'cors')
    return { status: 204 }
  },
})
