import { defineOperation } from '../operation.ts'
import { ownerAcl } from './owner-acl.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html */
export const getBucketAcl = defineOperation({
  name: 'GetBucketAcl',
  match: { method: 'GET', on: 'bucket', query: ['acl'] },
  action: 's3:GetBucketAcl',
  async run({ bucket, namespace }) {
    const { owner } = await namespace.buckets.read(bucket)
    return ownerAcl(owner)
  },
})
