import { ownerOnly } from '../acl.ts'
import { findBucketDocument } from '../bucket-documents.ts'
import { ownershipOf } from '../effective-ownership.ts'
import { objectOwner } from '../object-owner.ts'
import { defineOperation } from '../operation.ts'
import { aclReply } from './acl-reply.ts'
import { requestedVersion } from './version-id.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
 * BucketOwnerEnforced: the owner of the bucket owns every object in it, whoever wrote it.
 */
export const getObjectAcl = defineOperation({
  name: 'GetObjectAcl',
  match: { method: 'GET', on: 'object', query: ['acl'] },
  action: 's3:GetObjectAcl',
  async run({ bucket, key, query, namespace, directory }) {
    const { owner: bucketOwner } = await namespace.buckets.read(bucket)
    const stat = await namespace.objects.stat({ bucket, key, versionId: requestedVersion(query) })
    const ownership = ownershipOf(await findBucketDocument(namespace, bucket, 'ownership'))
    const headers = { 'x-amz-version-id': stat.versionId }
    if (ownership === 'BucketOwnerEnforced') return aclReply(bucketOwner, ownerOnly(bucketOwner), headers)
    const owner = await objectOwner(stat, bucketOwner, directory)
    return aclReply(owner, stat.acl ?? ownerOnly(owner), headers)
  },
})
