/** May they? Pure: documents and owners come in with the question, the answer carries its reason. */

import type { Identity } from './identity.ts'

/**
 * Everything a decision may depend on. Documents (bucket policy, ACLs, object ownership, public access block) will be further
 * optional fields: a caller that does not give them is asking about a bucket that has none.
 */
export type Question = {
  /** undefined: anonymous. */
  readonly identity: Identity | undefined
  /** e.g. `s3:GetObject`; one of actions.ts. */
  readonly action: string
  /** Without a bucket: the service itself. */
  readonly resource: { readonly bucket?: string | undefined; readonly key?: string | undefined }
  /** Canonical id of the bucket's owner; undefined where there is no such bucket (CreateBucket). */
  readonly bucketOwnerId?: string | undefined
}

export type Decision = {
  readonly allow: boolean
  /** For logs and `causeway explain`, never for the client. */
  readonly reason: string
}

/** What any authenticated user may ask: it concerns no bucket, or one that is not there yet. */
const serviceActions: ReadonlySet<string> = new Set(['s3:ListAllMyBuckets', 's3:CreateBucket'])

export function decide(question: Question): Decision {
  const { identity, action, resource, bucketOwnerId } = question
  if (identity === undefined) return deny('anonymous callers may do nothing')
  if (serviceActions.has(action)) return allow(`any authenticated user may ${action}`)
  if (resource.bucket === undefined) return deny(`${action} is not an action of the service itself`)
  if (bucketOwnerId === undefined) return deny('the bucket has no known owner')
  if (bucketOwnerId === identity.canonicalId) return allow(`${identity.userName} owns the bucket`)
  return deny(`${identity.userName} does not own the bucket and nothing else allows ${action}`)
}

function allow(reason: string): Decision {
  return { allow: true, reason }
}

function deny(reason: string): Decision {
  return { allow: false, reason }
}
