import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html: also where there are none. */
export const deleteBucketOwnershipControls = defineOperation({
  name: 'DeleteBucketOwnershipControls',
  match: { method: 'DELETE', on: 'bucket', query: ['ownershipControls'] },
  action: 's3:PutBucketOwnershipControls',
  async run({ bucket, namespace }) {
    await namespace.documents.remove(bucket, 'ownership')
    return { status: 204 }
  },
})
