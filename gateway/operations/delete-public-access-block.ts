import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html: also where there is none (P-191). */
export const deletePublicAccessBlock = defineOperation({
  name: 'DeletePublicAccessBlock',
  match: { method: 'DELETE', on: 'bucket', query: ['publicAccessBlock'] },
  action: 's3:PutBucketPublicAccessBlock',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'public-access')
    return { status: 204 }
  },
})
