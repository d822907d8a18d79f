/**
 * May they? Pure: documents and owners come in with the question, the answer carries the line that made it.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html. Every user is an account of their own.
 */

import { type AclNeed, aclNeeds } from './acl/acl-needs.ts'
import { ALL_USERS, AUTHENTICATED_USERS, findGrant, type Grant, isPublicGrant } from './acl/grant.ts'
import type { Identity } from './identity.ts'
import { isOwner, owningGroup } from './owner-ids.ts'
import { type ConditionContext, contextOf } from './policy/context.ts'
import { evaluate } from './policy/evaluate.ts'
import { isPublicPolicy } from './policy/is-public-policy.ts'
import type { Policy, Statement } from './policy/policy.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html */
export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html */
export type PublicAccessBlock = {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

/** Everything that a decision may depend on. Who does not give a document is asking about a bucket that has none. */
export type Question = {
  /** undefined: anonymous. */
  readonly identity: Identity | undefined
  /** e.g. `s3:GetObject`; one of actions.ts. */
  readonly action: string
  /** Without a bucket: the service itself. */
  readonly resource: { readonly bucket?: string | undefined; readonly key?: string | undefined }
  /** Canonical id of the bucket's owner, who may be a group; undefined where there is no such bucket (CreateBucket). */
  readonly bucketOwnerId?: string | undefined
  readonly policy?: Policy | undefined
  /** undefined: its owner may do everything, nobody else anything. */
  readonly bucketAcl?: readonly Grant[] | undefined
  /**
   * The object asked about where it is there and the caller has looked; for the two actions on an upload the upload, whose owner is who
   * began it. An owner of undefined is the bucket's owner, an ACL of undefined gives its owner everything and nobody else anything.
   * Without it, `allow` for reading says no more than that they may know whether the key is there: look before handing anything out.
   */
  readonly object?: { readonly ownerId: string | undefined; readonly acl?: readonly Grant[] | undefined } | undefined
  /** Default: BucketOwnerEnforced, which turns ACLs off. */
  readonly ownership?: ObjectOwnership | undefined
  readonly publicAccess?: PublicAccessBlock | undefined
  readonly conditions?: ConditionContext | undefined
}

export type Decision = {
  readonly allow: boolean
  /** For logs and `causeway explain`, never for the client. */
  readonly reason: string
}

export function decide(question: Question): Decision {
  const refusal = whySessionRefuses(question) ?? whyGroups(question, 'Deny')
  return refusal === undefined ? decideForUser(question) : deny(refusal)
}

/**
 * A session policy gives nothing, it only takes away: from the bucket's owner, too, and from what a bucket policy or an ACL allows.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
 */
function whySessionRefuses(question: Question): string | undefined {
  const { identity, action } = question
  if (identity?.sessionPolicy === undefined) return undefined
  const asked = { ...question, resource: arnOf(question), context: contextFor(question) }
  const statement = evaluate(identity.sessionPolicy, asked)
  if (statement?.effect === 'Allow') return undefined
  return statement === undefined
    ? `the session policy of ${nameOf(identity)} does not allow ${action}`
    : `${statement.name} of the session policy of ${nameOf(identity)} denies`
}

/**
 * The first line of the groups' policies with this effect.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
function whyGroups(question: Question, effect: Statement['effect']): string | undefined {
  const { identity } = question
  if (identity?.groupPolicies === undefined) return undefined
  const asked = { ...question, resource: arnOf(question), context: contextFor(question) }
  for (const { name, group, policy } of identity.groupPolicies) {
    const statement = evaluate(policy, asked)
    if (statement?.effect === effect) {
      return `${statement.name} of the policy ${name} attached to the group ${group} ${effect === 'Deny' ? 'denies' : 'allows'}`
    }
  }
  return undefined
}

function decideForUser(question: Question): Decision {
  const { action, resource, bucketOwnerId } = question
  if (serviceActions.has(action)) return decideService(question)
  if (resource.bucket === undefined) return deny(`${action} is not an action of the service itself`)
  if (bucketOwnerId === undefined) return deny('the bucket has no known owner')
  return decideBucket(question, bucketOwnerId)
}

/** What any authenticated user may ask: it concerns no bucket, or one that is not there yet. */
const serviceActions: ReadonlySet<string> = new Set(['s3:ListAllMyBuckets', 's3:CreateBucket'])

function decideService({ identity, action }: Question): Decision {
  if (identity === undefined) return deny(`anonymous callers may not ${action}`)
  return allow(`any authenticated user may ${action}`)
}

/** A policy cannot lock its bucket's owner out for good (P-188). */
const policyActions: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
])

function decideBucket(question: Question, bucketOwnerId: string): Decision {
  const { identity, action, policy } = question
  const whyOwner = whyOwns(identity, bucketOwnerId, 'bucket')
  if (whyOwner !== undefined && policyActions.has(action)) return allow(`${whyOwner}, whatever its policy says`)
  const statement =
    policy && evaluate(policy, { ...question, resource: arnOf(question), context: contextFor(question) })
  if (statement?.effect === 'Deny') return deny(`${statement.name} of the bucket policy denies`)
  const foreignOwnerId = foreignOwner(question, bucketOwnerId)
  const reason =
    (foreignOwnerId === undefined
      ? whyBucketAllows(question, whyOwner, statement)
      : whyForeignOwnerMay(question, foreignOwnerId)) ?? whyAclAllows(question, bucketOwnerId)
  return reason === undefined ? deny(whyNot(question, foreignOwnerId)) : allow(reason)
}

/** undefined: it is not theirs, neither by themselves nor by a group. */
function whyOwns(identity: Identity | undefined, ownerId: string, what: 'bucket' | 'object'): string | undefined {
  if (identity === undefined || !isOwner(identity, ownerId)) return undefined
  if (identity.canonicalId === ownerId) return `${nameOf(identity)} owns the ${what}`
  return `${nameOf(identity)} is in the group ${owningGroup(identity, ownerId)}, which owns the ${what}`
}

function contextFor({ identity, conditions }: Question) {
  return contextOf(identity, conditions)
}

/** What concerns no bucket is about all of them: AWS's examples allow s3:ListAllMyBuckets on `arn:aws:s3:::*`. */
function arnOf({ resource: { bucket = '*', key } }: Question): string {
  return `arn:aws:s3:::${bucket}${key === undefined ? '' : `/${key}`}`
}

/**
 * Whose object it is, where neither the bucket's owner nor its policy gives it away: its content and its ACL are then for the owner and
 * the ACL to give. Everything else (overwriting, deleting, tags, retention) stays with the bucket.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html: a policy's permissions "don't apply to objects that are
 * owned by other AWS accounts".
 */
function foreignOwner({ action, object, ownership }: Question, bucketOwnerId: string): string | undefined {
  if (!hasAcls(ownership) || aclNeeds.get(action)?.on !== 'object') return undefined
  return object?.ownerId === bucketOwnerId ? undefined : object?.ownerId
}

function whyBucketAllows(
  question: Question,
  whyOwner: string | undefined,
  statement: Statement | undefined,
): string | undefined {
  const { identity, action, object, policy, publicAccess } = question
  if (whyOwner !== undefined) return whyOwner
  if (uploadActions.has(action) && identity !== undefined && object?.ownerId === identity.canonicalId) {
    return `${nameOf(identity)} began the upload`
  }
  if (statement !== undefined && policy !== undefined) {
    const isRestricted = publicAccess?.restrictPublicBuckets && isPublicPolicy(policy)
    if (!isRestricted) return `${statement.name} of the bucket policy allows`
  }
  return whyGroups(question, 'Allow')
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions */
const uploadActions: ReadonlySet<string> = new Set(['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'])

/** An ACL cannot lock the owner out of the ACL (P-184). */
function whyForeignOwnerMay({ identity, action }: Question, ownerId: string): string | undefined {
  return aclNeeds.get(action)?.permission.endsWith('_ACP') ? whyOwns(identity, ownerId, 'object') : undefined
}

function whyAclAllows(question: Question, bucketOwnerId: string): string | undefined {
  const need = aclNeeds.get(question.action)
  if (need === undefined || !hasAcls(question.ownership)) return undefined
  const { object, bucketAcl } = question
  if (need.on === 'bucket') return whyGranted(question, 'bucket', need.permission, bucketAcl, bucketOwnerId)
  if (object !== undefined) {
    return whyGranted(question, 'object', need.permission, object.acl, object.ownerId ?? bucketOwnerId)
  }
  // Nothing to read there, or nobody has looked: who may list the bucket may know that much.
  return need.permission === 'READ' ? whyGranted(question, 'bucket', 'READ', bucketAcl, bucketOwnerId) : undefined
}

function whyGranted(
  { identity, publicAccess }: Question,
  on: AclNeed['on'],
  permission: AclNeed['permission'],
  acl: readonly Grant[] | undefined,
  ownerId: string,
): string | undefined {
  const all = acl ?? [{ grantee: { kind: 'user', canonicalId: ownerId }, permission: 'FULL_CONTROL' }]
  const grants = publicAccess?.ignorePublicAcls ? all.filter((grant) => !isPublicGrant(grant)) : all
  const grant = findGrant(grants, identity, permission)
  return grant && `the ${on}'s ACL grants ${grant.permission} to ${granteeOf(grant, identity)}`
}

function hasAcls(ownership: ObjectOwnership | undefined): boolean {
  return ownership !== undefined && ownership !== 'BucketOwnerEnforced'
}

function whyNot({ identity, action, publicAccess, policy }: Question, foreignOwnerId: string | undefined): string {
  const not = foreignOwnerId === undefined ? 'does not own the bucket' : 'does not own the object'
  const restricted = publicAccess?.restrictPublicBuckets && policy !== undefined && isPublicPolicy(policy)
  const rest = restricted ? '; its policy is public and RestrictPublicBuckets is on' : ''
  return `${nameOf(identity)} ${not} and nothing else allows ${action}${rest}`
}

const groupNames = new Map([
  [ALL_USERS, 'AllUsers'],
  [AUTHENTICATED_USERS, 'AuthenticatedUsers'],
])

function granteeOf({ grantee }: Grant, identity: Identity | undefined): string {
  return grantee.kind === 'user' ? nameOf(identity) : (groupNames.get(grantee.uri) ?? grantee.uri)
}

function nameOf(identity: Identity | undefined): string {
  return identity?.userName ?? 'an anonymous caller'
}

function allow(reason: string): Decision {
  return { allow: true, reason }
}

function deny(reason: string): Decision {
  return { allow: false, reason }
}
