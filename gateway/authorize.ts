/**
 * May this identity do that? Says what a request asks for, has each decided, keeps the reason for the log.
 * Order (P-203): a bucket that is not there is 404 for everybody, before anything is said about rights.
 */
import { AuthError, type ConditionContext, type Decision, type Directory, decide, type Identity } from '#auth'
import type { Namespace } from '#namespace'
import type { Access, Resource } from './access.ts'
import { type BucketAccess, readBucketAccess } from './bucket-access.ts'
import { bypassesGovernance } from './bypasses-governance.ts'
import { type Circumstances, conditionContext } from './condition-context.ts'
import type { S3Config } from './config.ts'
import { type Asked, decideAccess } from './decide-access.ts'
import type { Operation } from './operation.ts'
import { copySource } from './operations/copy-source.ts'
import { checkExpectedBucketOwner } from './operations/expected-bucket-owner.ts'
import type { S3Request } from './s3-request.ts'

export type AuthorizeInput = {
  readonly operation: Operation
  readonly request: S3Request
  readonly identity: Identity | undefined
  readonly namespace: Namespace
  readonly directory: Pick<Directory, 'findByUid'>
  readonly circumstances: Circumstances
  readonly s3: Pick<S3Config, 'accountPublicAccessBlock'>
  /** Told of every decision, with its reason, which is never for the client. */
  readonly decided: TellDecision
}

/** `action` as it is called where no version is named. */
export type TellDecision = (action: string, resource: Resource, decision: Decision) => void

/** What is asked of a bucket that does not exist yet. */
const BEFORE_THE_BUCKET: ReadonlySet<string> = new Set(['s3:CreateBucket'])

/** Throws NoSuchBucket, AccessDenied. Answers the way to ask for more. */
export async function authorize(input: AuthorizeInput): Promise<Access> {
  const { operation, request, identity } = input
  const { action, asksPerKey = false } = operation
  const access = accessOf(input)
  if (action === undefined) return access
  if (request.bucket === '' || BEFORE_THE_BUCKET.has(action)) {
    const resource = { bucket: request.bucket, key: '' }
    const conditions = hasPolicies(identity) ? conditionContext(request, input.circumstances) : undefined
    const asked = { identity, action, resource: { bucket: request.bucket || undefined }, conditions }
    enforce(input, action, resource, decide(asked))
    return access
  }
  const resource = { bucket: request.bucket, key: request.key, versionId: request.query.get('versionId') }
  const { bucket, hasObjectLock } = await access.of(request.bucket)
  checkExpectedBucketOwner(request.headers, bucket.owner)
  if (hasObjectLock && bypassesGovernance(request.headers))
    await access.require('s3:BypassGovernanceRetention', resource)
  if (!asksPerKey) await access.require(action, resource)
  for (const asked of askedByHeaders(input)) await access.require(asked, resource, { ofNewObject: true })
  // A copy reads as well. Asked here and not by the operation, so that no operation can forget it.
  if (operation.match.headers?.includes('x-amz-copy-source')) await requireSource(input, access)
  return access
}

function askedByHeaders({ operation, request }: AuthorizeInput): ReadonlySet<string> {
  const sent = Object.entries(operation.actionsByHeader ?? {}).filter(
    ([name]) => request.headers.get(name) !== undefined,
  )
  return new Set(sent.map(([, action]) => action))
}

async function requireSource({ request }: AuthorizeInput, access: AccessToBuckets): Promise<void> {
  const source = copySource(request.headers)
  const { bucket } = await access.of(source.bucket)
  checkExpectedBucketOwner(request.headers, bucket.owner, 'x-amz-source-expected-bucket-owner')
  await access.require('s3:GetObject', source)
}

type AccessToBuckets = Access & {
  readonly of: (bucket: string) => Promise<BucketAccess>
  require(action: string, resource: Resource, more?: Pick<Asked, 'ofNewObject'>): Promise<void>
}

/** What is known of a bucket holds for the whole request. */
function accessOf(input: AuthorizeInput): AccessToBuckets {
  const { request, identity, namespace, directory, circumstances, s3 } = input
  const known = new Map<string, Promise<BucketAccess>>()
  let context: ConditionContext | undefined
  const of = (bucket: string): Promise<BucketAccess> => {
    const access = known.get(bucket) ?? readBucketAccess(namespace, bucket, s3)
    known.set(bucket, access)
    return access
  }
  return {
    of,
    async require(action: string, resource: Resource, more?: Pick<Asked, 'ofNewObject'>) {
      const access = await of(resource.bucket)
      // Only policies have conditions.
      if (access.policy !== undefined || hasPolicies(identity)) context ??= conditionContext(request, circumstances)
      const uploadId = request.query.get('uploadId')
      const asked = { identity, namespace, directory, access, action, resource, uploadId, ...more }
      enforce(input, action, resource, await decideAccess({ ...asked, context: context ?? new Map() }))
    },
  }
}

function hasPolicies(identity: Identity | undefined): boolean {
  return identity?.sessionPolicy !== undefined || identity?.groupPolicies !== undefined
}

function enforce({ decided }: AuthorizeInput, action: string, resource: Resource, decision: Decision): void {
  decided(action, resource, decision)
  if (!decision.allow) throw new AuthError('AccessDenied')
}
