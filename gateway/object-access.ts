/**
 * Whose a new object is, and what its ACL says.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
 */

import { isOwner, isPublicAcl, type ObjectOwnership } from '#auth'
import type { Description, Owner } from '#namespace'
import { type AskedAcl, aclOfHeaders, grantsOf, isOwnerOnly, knowingOwner } from './acl.ts'
import { findBucketDocument } from './bucket-documents.ts'
import { ownershipOf } from './effective-ownership.ts'
import { publicAccessOf } from './effective-public-access.ts'
import { GatewayError } from './gateway-error.ts'
import type { Call } from './operation.ts'

type Asking = Pick<Call, 'bucket' | 'headers' | 'identity' | 'namespace' | 'directory' | 's3'>

/**
 * For everything that makes an object: PutObject, CopyObject, CreateMultipartUpload (P-160), forms. Says only what is not so anyway: that who
 * writes owns the object, and that nobody else may do anything with it. AWS gives what nobody has signed for to an owner of its own, whom
 * nobody can be; here it is the bucket's owner's.
 * Throws AccessControlListNotSupported (P-186), AccessDenied (P-191), and what is wrong with the headers.
 */
export async function newObjectAccess(asking: Asking): Promise<Pick<Description, 'owner' | 'acl'>> {
  const { bucket, headers, identity, namespace, directory } = asking
  const { owner: bucketOwner } = await namespace.buckets.read(bucket)
  const asked = await aclOfHeaders(headers, knowingOwner(directory, bucketOwner))
  const isBucketOwner = identity === undefined || identity.canonicalId === bucketOwner.canonicalId
  if (asked === undefined && isBucketOwner) return {}
  const ownership = ownershipOf(await findBucketDocument(namespace, bucket, 'ownership'))
  if (ownership === 'BucketOwnerEnforced') {
    if (asked !== undefined && !isBucketOwnerFullControl(asked, bucketOwner)) throw aclsAreOff()
    return isBucketOwner ? {} : { owner: bucketOwner }
  }
  // Who is in the group that owns the bucket writes for the group, or what one of them wrote would be closed to the others.
  const writesForOwner = isOwner(identity, bucketOwner.canonicalId) || givesAway(asked, ownership)
  const goesToBucketOwner = !isBucketOwner && writesForOwner
  const owner = isBucketOwner || goesToBucketOwner ? bucketOwner : ownerOf(identity)
  const grants = asked && grantsOf(asked, { owner, bucketOwner })
  if (grants !== undefined && isPublicAcl(grants)) await refuseWherePublicAclsAreBlocked(asking)
  return {
    ...(goesToBucketOwner && { owner }),
    ...(grants !== undefined && !isOwnerOnly(grants, owner) && { acl: grants }),
  }
}

/** BlockPublicAcls: 403 to whoever would make something public, however they may do it otherwise. */
export async function refuseWherePublicAclsAreBlocked({
  bucket,
  namespace,
  s3,
}: Pick<Call, 'bucket' | 'namespace' | 's3'>): Promise<void> {
  const { blockPublicAcls } = publicAccessOf(await findBucketDocument(namespace, bucket, 'public-access'), s3)
  if (blockPublicAcls) throw new GatewayError('AccessDenied')
}

export function aclsAreOff(): GatewayError {
  return new GatewayError('AccessControlListNotSupported')
}

/** The one thing that may be said where ACLs are off, by its canned name or spelled out; `private` may not. */
function isBucketOwnerFullControl(asked: AskedAcl, bucketOwner: Owner): boolean {
  if ('canned' in asked && asked.canned === 'bucket-owner-full-control') return true
  const grants = grantsOf(asked, { owner: bucketOwner, bucketOwner })
  return !('canned' in asked) && isOwnerOnly(grants, bucketOwner)
}

function givesAway(asked: AskedAcl | undefined, ownership: ObjectOwnership): boolean {
  if (ownership !== 'BucketOwnerPreferred' || asked === undefined) return false
  return 'canned' in asked && asked.canned === 'bucket-owner-full-control'
}

function ownerOf({ canonicalId, displayName }: Owner): Owner {
  return { canonicalId, displayName }
}
