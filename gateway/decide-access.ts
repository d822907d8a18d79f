/** One question about one resource: looks at what the answer depends on, and asks #auth. */
import { type ConditionContext, type Decision, decide, type Identity } from '#auth'
import { isFileUser, type Namespace, NamespaceError, type ObjectStat } from '#namespace'
import type { Resource } from './access.ts'
import type { BucketAccess } from './bucket-access.ts'
import { withObjectTags } from './condition-context.ts'

export type Asked = {
  readonly identity: Identity | undefined
  readonly namespace: Namespace
  readonly access: BucketAccess
  /** As it is called where no version is named. */
  readonly action: string
  readonly resource: Resource
  /** Of a multipart upload. */
  readonly uploadId?: string | undefined
  readonly context: ConditionContext
}

/** What an action is called where a version is named. */
const OF_A_VERSION: Readonly<Record<string, string>> = {
  's3:DeleteObject': 's3:DeleteObjectVersion',
  's3:DeleteObjectTagging': 's3:DeleteObjectVersionTagging',
  's3:GetObject': 's3:GetObjectVersion',
  's3:GetObjectAcl': 's3:GetObjectVersionAcl',
  's3:GetObjectAttributes': 's3:GetObjectVersionAttributes',
  's3:GetObjectTagging': 's3:GetObjectVersionTagging',
  's3:GetObjectTorrent': 's3:GetObjectVersionTorrent',
  's3:PutObjectAcl': 's3:PutObjectVersionAcl',
  's3:PutObjectTagging': 's3:PutObjectVersionTagging',
}

/** They ask about an object that is there, or tell that it is not. */
const ABOUT_AN_OBJECT: ReadonlySet<string> = new Set([
  's3:DeleteObjectTagging',
  's3:GetObject',
  's3:GetObjectAcl',
  's3:GetObjectAttributes',
  's3:GetObjectLegalHold',
  's3:GetObjectRetention',
  's3:GetObjectTagging',
  's3:GetObjectTorrent',
  's3:PutObjectAcl',
  's3:PutObjectLegalHold',
  's3:PutObjectRetention',
  's3:PutObjectTagging',
])

/** Who began an upload may go on with it, and end it. */
const OF_AN_UPLOAD: ReadonlySet<string> = new Set(['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'])

/** What the namespace says of an object that is not there for this caller; the operation says which. */
const NOT_THERE: ReadonlySet<string> = new Set(['InvalidArgument', 'MethodNotAllowed', 'NoSuchKey', 'NoSuchVersion'])

export async function decideAccess(asked: Asked): Promise<Decision> {
  const { identity, access, action, resource } = asked
  const { bucket, ownership, asksForTags } = access
  const isOwner = identity?.canonicalId === bucket.owner.canonicalId
  const isAbout = ABOUT_AN_OBJECT.has(action)
  // Where only the bucket's owner counts, and it is they who ask, the object need not be looked at.
  const looks = resource.key !== '' && (asksForTags || (isAbout && (!isOwner || ownership !== 'BucketOwnerEnforced')))
  const stat = looks ? await findStat(asked) : undefined
  const decision = decide({
    identity,
    action: resource.versionId === undefined ? action : (OF_A_VERSION[action] ?? action),
    resource: { bucket: bucket.name, key: resource.key || undefined },
    bucketOwnerId: bucket.owner.canonicalId,
    policy: access.policy,
    bucketAcl: access.acl,
    object: stat && { ownerId: ownerOf(stat, access), acl: stat.acl },
    ownership,
    publicAccess: access.publicAccess,
    conditions: asksForTags ? withObjectTags(asked.context, stat?.tags) : asked.context,
  })
  if (!decision.allow && OF_AN_UPLOAD.has(action) && (await isInitiator(asked)))
    return { allow: true, reason: 'the caller began the upload' }
  // Who may not list must not learn which keys there are (P-203).
  if (decision.allow && isAbout && looks && stat === undefined && !isOwner)
    return decideAccess({ ...asked, action: 's3:ListBucket', resource: { bucket: bucket.name, key: '' } })
  return decision
}

/** Whoever wrote it as a file has no account here: their objects are the bucket owner's. */
const ownerOf = (stat: ObjectStat, { bucket, ownership }: BucketAccess): string =>
  ownership === 'BucketOwnerEnforced' || isFileUser(stat.owner) ? bucket.owner.canonicalId : stat.owner.canonicalId

async function findStat({ namespace, resource }: Asked): Promise<ObjectStat | undefined> {
  try {
    return await namespace.objects.stat(resource)
  } catch (error) {
    if (error instanceof NamespaceError && NOT_THERE.has(error.code)) return undefined
    throw error
  }
}

async function isInitiator({ identity, namespace, resource, uploadId }: Asked): Promise<boolean> {
  if (identity === undefined || uploadId === undefined) return false
  try {
    const { owner } = await namespace.uploads.stat({ bucket: resource.bucket, key: resource.key, uploadId })
    return owner.canonicalId === identity.canonicalId
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'NoSuchUpload') return false
    throw error
  }
}
