import { defineOperation } from '../operation.ts'
import { ownerAcl } from './owner-acl.ts'
import { requestedVersion } from './version-id.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
 * BucketOwnerEnforced: the owner of the bucket owns every object in it, whoever wrote it.
 */
export const getObjectAcl = defineOperation({
  name: 'GetObjectAcl',
  match: { method: 'GET', on: 'object', query: ['acl'] },
  action: 's3:GetObjectAcl',
  async run({ bucket, key, query, namespace }) {
    const { owner } = await namespace.buckets.read(bucket)
    await namespace.objects.stat({ bucket, key, versionId: requestedVersion(query) })
    return ownerAcl(owner)
  },
})
