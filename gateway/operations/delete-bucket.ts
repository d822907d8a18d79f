import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html */
export const deleteBucket = defineOperation({
  name: 'DeleteBucket',
  match: { method: 'DELETE', on: 'bucket' },
  action: 's3:DeleteBucket',
  async run({ bucket, namespace }) {
    await namespace.buckets.remove(bucket)
    return { status: 204 }
  },
})
