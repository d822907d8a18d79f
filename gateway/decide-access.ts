/** One question about one resource: looks at what the answer depends on, and asks #auth. */
import {
  type ConditionContext,
  type Decision,
  type Directory,
  decide,
  type Identity,
  isOwner,
  type Question,
} from '#auth'
import { isLinkedFile, type Namespace, NamespaceError, type ObjectStat } from '#namespace'
import type { Resource } from './access.ts'
import type { BucketAccess } from './bucket-access.ts'
import { withObjectTags } from './condition-context.ts'
import { objectOwner } from './object-owner.ts'

export type Asked = {
  readonly identity: Identity | undefined
  readonly namespace: Namespace
  /** For whose the files of file users are. */
  readonly directory: Pick<Directory, 'findByUid'>
  readonly access: BucketAccess
  /** As it is called where no version is named. */
  readonly action: string
  readonly resource: Resource
  /** About the object that is to be written: whether one is there does not matter. */
  readonly ofNewObject?: boolean
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

export function actionOn(action: string, { versionId }: Pick<Resource, 'versionId'>): string {
  return versionId === undefined ? action : (OF_A_VERSION[action] ?? action)
}

/** They ask about an object that is there, or tell that it is not. */
export const ABOUT_AN_OBJECT: ReadonlySet<string> = new Set([
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

const OF_AN_UPLOAD: ReadonlySet<string> = new Set(['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'])

/** What the namespace says of an object that is not there. */
const NOT_THERE: ReadonlySet<string> = new Set(['InvalidArgument', 'MethodNotAllowed', 'NoSuchKey', 'NoSuchVersion'])

/**
 * Throws NoSuchKey, NoSuchVersion … for an object that is not there, to whoever may know (P-203), ServiceUnavailable where whose it is depends on a
 * directory that does not answer, and AccessDenied with its sentence for a linked file, to whoever could read it otherwise.
 */
export async function decideAccess(asked: Asked): Promise<Decision> {
  const { identity, access, action, resource, ofNewObject = false } = asked
  const { bucket, ownership } = access
  const asksForTags = policiesFor(asked).some((policy) => policy?.asksForTags)
  const ownsBucket = isOwner(identity, bucket.owner.canonicalId)
  const isAbout = !ofNewObject && ABOUT_AN_OBJECT.has(action)
  // Where only the bucket's owner counts, and it is they who ask, the object need not be looked at.
  const looks =
    resource.key !== '' && (asksForTags || (isAbout && (!ownsBucket || ownership !== 'BucketOwnerEnforced')))
  const looked = looks ? await look(asked) : undefined
  const stat = looked instanceof NamespaceError ? undefined : looked
  const decision = decide({
    identity,
    action: actionOn(action, resource),
    resource: { bucket: bucket.name, key: resource.key || undefined },
    bucketOwnerId: bucket.owner.canonicalId,
    policy: access.policy,
    bucketAcl: access.acl,
    object: stat === undefined ? await initiatorOf(asked) : { ownerId: await ownerIdOf(stat, asked), acl: stat.acl },
    ownership,
    publicAccess: access.publicAccess,
    conditions: asksForTags ? withObjectTags(asked.context, stat?.tags) : asked.context,
  })
  if (!isAbout || !(looked instanceof NamespaceError)) return decision
  if (isLinkedFile(looked)) return decision.allow ? Promise.reject(looked) : decision
  // Whoever may list is told that it is not there, and nobody else learns which keys there are. For who may know it ends here: an object that comes in
  // this very moment may be one that they may not read.
  const mayKnow = ownsBucket && decision.allow ? decision : await decideAccess(listingOf(asked))
  if (mayKnow.allow) throw looked
  return mayKnow
}

function policiesFor({ access, identity }: Asked) {
  const ofGroups = identity?.groupPolicies?.map(({ policy }) => policy) ?? []
  return [access.policy, identity?.sessionPolicy, ...ofGroups]
}

/** May they list the bucket, as far as to this key? */
function listingOf(asked: Asked): Asked {
  const context = new Map([...asked.context, ['s3:prefix', [asked.resource.key]] as const])
  return { ...asked, context, action: 's3:ListBucket', resource: { bucket: asked.resource.bucket, key: '' } }
}

async function ownerIdOf(stat: ObjectStat, { access: { bucket, ownership }, directory }: Asked): Promise<string> {
  const isBucketOwners = ownership === 'BucketOwnerEnforced'
  return (isBucketOwners ? bucket.owner : await objectOwner(stat, bucket.owner, directory)).canonicalId
}

async function look({ namespace, resource }: Asked): Promise<ObjectStat | NamespaceError> {
  try {
    return await namespace.objects.stat(resource)
  } catch (error) {
    // A linked file has no tags that anybody believes, and may be overwritten and deleted as what is not there may be written.
    if (error instanceof NamespaceError && (NOT_THERE.has(error.code) || isLinkedFile(error))) return error
    throw error
  }
}

/** Who began an upload may go on with it, and end it. undefined: it is not about an upload, or there is none. */
async function initiatorOf({ action, namespace, resource, uploadId }: Asked): Promise<Question['object']> {
  if (uploadId === undefined || !OF_AN_UPLOAD.has(action)) return undefined
  try {
    const { initiator } = await namespace.uploads.stat({ bucket: resource.bucket, key: resource.key, uploadId })
    return { ownerId: initiator.canonicalId }
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'NoSuchUpload') return undefined
    throw error
  }
}
