import { isPublicAcl } from '#auth'
import { grantsOf } from '../acl.ts'
import { findBucketDocument, writeBucketDocument } from '../bucket-documents.ts'
import { ownershipOf } from '../effective-ownership.ts'
import { aclsAreOff, refuseWherePublicAclsAreBlocked } from '../object-access.ts'
import { defineOperation } from '../operation.ts'
import { AccessControlPolicy } from '../shapes.ts'
import { askedAcl } from './asked-acl.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html */
export const putBucketAcl = defineOperation({
  name: 'PutBucketAcl',
  match: { method: 'PUT', on: 'bucket', query: ['acl'] },
  action: 's3:PutBucketAcl',
  body: { root: 'AccessControlPolicy', shape: AccessControlPolicy, optional: true },
  async run(call) {
    const { bucket, namespace } = call
    const { owner } = await namespace.buckets.read(bucket)
    const ownership = ownershipOf(await findBucketDocument(namespace, bucket, 'ownership'))
    if (ownership === 'BucketOwnerEnforced') throw aclsAreOff()
    const grants = grantsOf(await askedAcl(call, owner), { owner })
    if (isPublicAcl(grants)) await refuseWherePublicAclsAreBlocked(call)
    await writeBucketDocument(namespace, bucket, 'acl', { grants })
    return { status: 200 }
  },
})
