import { ownerOnly } from '../acl.ts'
import { findBucketDocument } from '../bucket-documents.ts'
import { ownershipOf } from '../effective-ownership.ts'
import { defineOperation } from '../operation.ts'
import { aclReply } from './acl-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html: where ACLs are off, one that says what holds. */
export const getBucketAcl = defineOperation({
  name: 'GetBucketAcl',
  match: { method: 'GET', on: 'bucket', query: ['acl'] },
  action: 's3:GetBucketAcl',
  async run({ bucket, namespace }) {
    const { owner } = await namespace.buckets.read(bucket)
    const ownership = ownershipOf(await findBucketDocument(namespace, bucket, 'ownership'))
    if (ownership === 'BucketOwnerEnforced') return aclReply(owner, ownerOnly(owner))
    const acl = await findBucketDocument(namespace, bucket, 'acl')
    return aclReply(owner, acl?.grants ?? ownerOnly(owner))
  },
})
