/** A request that has ended → its lines in the audit file. Pure; called only where there is such a file. */
import { AuthError, type Decision, type Identity } from '#auth'
import { NamespaceError } from '#namespace'
import type { Resource } from './access.ts'
import { actionOn } from './decide-access.ts'
import type { Front } from './front.ts'
import type { Operation } from './operation.ts'
import type { S3Request } from './s3-request.ts'

/** A question that the request has asked, and what became of it. */
export type Decided = {
  /** As it is called where no version is named. */
  readonly action: string
  readonly resource: Resource
  readonly decision: Decision
  /** S3's code, where one of many keys failed in spite of the decision. */
  code?: string
}

/** What is known of a request when it has ended. */
export type AuditedRequest = {
  readonly front: Pick<Front, 'requestId' | 'client' | 'precheck'>
  /** undefined, and the next too: it was not understood. */
  readonly request?: S3Request
  readonly operation?: Operation
  readonly identity?: Identity | undefined
  readonly decided: readonly Decided[] | undefined
  readonly error?: unknown
}

export type AuditedOutcome = {
  readonly ended: Date
  readonly status: number
  readonly code?: string | undefined
  readonly broken?: boolean | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly ms: number
}

/** allow, deny: what was decided, `reason` is the line that did. refuse: it ended before, or in spite of it; `reason` is S3's code, or the namespace's sentence. */
type Verdict = {
  readonly action: string | undefined
  readonly resource: string | undefined
  readonly versionId: string | undefined
  readonly verdict: 'allow' | 'deny' | 'refuse'
  readonly reason: string
  readonly code?: string | undefined
}

/** Names and their order are for those who read the file (README.md); undefined ones are left out. */
export type AuditLine = Verdict & {
  readonly time: string
  readonly requestId: string
  readonly user: string | undefined
  readonly sid: string | undefined
  readonly canonicalId: string | undefined
  readonly accessKeyId: string | undefined
  readonly client: string
  readonly operation: string
}

/** First the request, then each key of a DeleteObjects. */
export function auditLines(audited: AuditedRequest, outcome: AuditedOutcome): readonly AuditLine[] {
  const { front, operation, identity, decided = [], error } = audited
  const { ended, status, code, broken, bytesIn, bytesOut, ms } = outcome
  // What nginx lets through comes again with its body, and is told then.
  if (front.precheck !== undefined && status !== 403) return []
  const who = {
    time: new Date(ended.getTime() - ms).toISOString(),
    requestId: front.requestId,
    user: identity?.userName,
    sid: identity?.sid,
    canonicalId: identity?.canonicalId,
    accessKeyId: identity?.accessKeyId ?? claimedAccessKeyId(error),
    client: front.client,
    operation: operation?.name ?? 'unknown',
  }
  const keys = decided.filter((each) => isOfKey(each, operation))
  const [main, ...also] = decided
    .filter((each) => !keys.includes(each))
    .sort((one, other) => Number(one.decision.allow) - Number(other.decision.allow))
  const line = {
    ...who,
    ...(verdictOf(main, outcome) ?? { ...questionOf(main ?? asWhole(audited)), ...withoutDecision(keys, code, error) }),
    ...(also.length > 0 && { also: also.map(lineOf) }),
    status,
    code,
    broken: broken || undefined,
    bytesIn,
    bytesOut,
    ms: Math.round(ms * 10) / 10,
  }
  return [line, ...keys.map((key) => ({ ...who, ...lineOf(key) }))]
}

/** Keys that stand in the body have a line each. */
function isOfKey({ action, resource }: Decided, operation: Operation | undefined): boolean {
  return operation?.asksPerKey === true && action === operation.action && resource.key !== ''
}

/** Of the denial, or else of what was asked first; undefined where it is not what the request ended with. */
function verdictOf(main: Decided | undefined, { status, code }: AuditedOutcome): Verdict | undefined {
  if (main === undefined) return undefined
  const isRefused = main.decision.allow && code !== undefined && status === 403
  return isRefused ? undefined : lineOf(main)
}

function withoutDecision(
  keys: readonly Decided[],
  code: string | undefined,
  error: unknown,
): Pick<Verdict, 'verdict' | 'reason'> {
  // Of what the file system refused, the sentence.
  if (code !== undefined) return { verdict: 'refuse', reason: error instanceof NamespaceError ? error.message : code }
  if (keys.length === 0) return { verdict: 'allow', reason: 'anybody may' }
  const denied = keys.filter(({ decision }) => !decision.allow).length
  const reason = `${keys.length - denied} of ${keys.length} keys are allowed`
  return { verdict: denied === 0 ? 'allow' : 'deny', reason }
}

type Question = Partial<Pick<Decided, 'action' | 'resource'>>

function asWhole({ request, operation }: AuditedRequest): Question {
  return {
    ...(operation?.action !== undefined && { action: operation.action }),
    ...(request && { resource: { ...request, versionId: request.query.get('versionId') } }),
  }
}

function questionOf({ action, resource }: Question): Pick<Verdict, 'action' | 'resource' | 'versionId'> {
  const named = { ...resource, versionId: resource?.versionId }
  return {
    action: action === undefined ? undefined : actionOn(action, named),
    resource: resource && arnOf(resource),
    versionId: named.versionId,
  }
}

function lineOf(decided: Decided): Verdict {
  const { allow, reason } = decided.decision
  return { ...questionOf(decided), verdict: allow ? 'allow' : 'deny', reason, code: decided.code }
}

/** All buckets, where it is about none. */
function arnOf({ bucket, key }: Resource): string {
  return `arn:aws:s3:::${bucket === '' ? '*' : bucket}${key === '' ? '' : `/${key}`}`
}

/** Of an access key that there is. Any other may be a secret that somebody has put into the wrong field. */
function claimedAccessKeyId(error: unknown): string | undefined {
  if (!(error instanceof AuthError) || error.code !== 'SignatureDoesNotMatch') return undefined
  const id = error.detail.AWSAccessKeyId
  return id === undefined ? undefined : String(id)
}
