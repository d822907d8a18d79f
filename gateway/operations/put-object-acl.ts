import { isPublicAcl } from '#auth'
import { grantsOf } from '../acl.ts'
import { findBucketDocument } from '../bucket-documents.ts'
import { ownershipOf } from '../effective-ownership.ts'
import { publicAccessOf } from '../effective-public-access.ts'
import { GatewayError } from '../gateway-error.ts'
import { aclsAreOff } from '../object-access.ts'
import { objectOwner } from '../object-owner.ts'
import { defineOperation } from '../operation.ts'
import { AccessControlPolicy } from '../shapes.ts'
import { askedAcl } from './asked-acl.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html: of one version; no other is made (P-174). */
export const putObjectAcl = defineOperation({
  name: 'PutObjectAcl',
  match: { method: 'PUT', on: 'object', query: ['acl'] },
  action: 's3:PutObjectAcl',
  body: { root: 'AccessControlPolicy', shape: AccessControlPolicy, optional: true },
  async run(call) {
    const { bucket, key, query, namespace } = call
    const target = { bucket, key, versionId: requestedVersion(query) }
    const { owner: bucketOwner } = await namespace.buckets.read(bucket)
    const ownership = ownershipOf(await findBucketDocument(namespace, bucket, 'ownership'))
    if (ownership === 'BucketOwnerEnforced') throw aclsAreOff()
    const asked = await askedAcl(call, bucketOwner)
    const access = publicAccessOf(await findBucketDocument(namespace, bucket, 'public-access'), call.s3)
    const before = await namespace.objects.stat(target)
    const owner = await objectOwner(before, bucketOwner, call.directory)
    const { versionId } = await namespace.objects.amend(target, (now) => {
      if (now.owner.canonicalId !== before.owner.canonicalId) throw new GatewayError('OperationAborted')
      const acl = grantsOf(asked, { owner, bucketOwner })
      if (access.blockPublicAcls && isPublicAcl(acl)) throw new GatewayError('AccessDenied')
      return { ...now, acl }
    })
    return { status: 200, headers: { 'x-amz-version-id': versionId } }
  },
})
