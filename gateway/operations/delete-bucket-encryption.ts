import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html: back to what holds anyway. */
export const deleteBucketEncryption = defineOperation({
  name: 'DeleteBucketEncryption',
  match: { method: 'DELETE', on: 'bucket', query: ['encryption'] },
  action: 's3:PutEncryptionConfiguration',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'encryption')
    return { status: 204 }
  },
})
