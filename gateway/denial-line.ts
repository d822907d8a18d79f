/** A denial → its line in the log at debug: what `causeway explain` says of the same question. Pure. */
import type { Identity } from '#auth'
import type { Resource } from './access.ts'
import type { AuditedRequest } from './audit-lines.ts'
import type { Config } from './config.ts'
import { actionOn } from './decide-access.ts'
import { loggedKey } from './log.ts'
import type { ModeRefusal } from './mode-lines.ts'

export type Denial = {
  readonly requestId: string
  /** As it is called where no version is named. undefined, as is `resource`, where the request was not understood that far. */
  readonly action: string | undefined
  readonly resource: Resource | undefined
  /** undefined: anonymous. */
  readonly identity: Identity | undefined
  readonly reason: string
}

const CODE = 'AccessDenied'

/** `keys`: how object keys may stand in logs. `files`: what of the file system refuses. */
export function denialLine(denial: Denial, keys: Config['log']['keys'], files?: ModeRefusal) {
  const { requestId, identity, action, resource, reason } = denial
  const path = keys === 'plain' ? files?.path : undefined
  const { accessKeyId: accessKey, userName: user, sid, groups, posix } = identity ?? {}
  return {
    requestId,
    accessKey,
    ...{ user, sid, groups, posix },
    action: action && resource && actionOn(action, resource),
    ...resource,
    key: loggedKey(resource?.key ?? '', keys),
    reason,
    files: files && { path, mode: files.mode, text: files.text },
  }
}

/** A request that is answered AccessDenied without a decision, or in spite of it: by the file system, an object lock, an expired signature. */
export function denialWithoutDecision({
  front,
  identity,
  operation,
  request,
  error,
}: Omit<AuditedRequest, 'decided'>): Denial {
  const resource = request && {
    bucket: request.bucket,
    key: request.key,
    versionId: request.query.get('versionId'),
  }
  return { requestId: front.requestId, identity, action: operation?.action, resource, reason: reasonOf(error) }
}

/** The sentence that the client has, or the call that failed: without its path, which has the object key in it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return CODE
  const { message, cause } = error
  const isCall = message === CODE && cause instanceof Error && 'code' in cause && 'syscall' in cause
  return isCall ? `the file system refuses this account (${cause.code} from ${cause.syscall})` : message
}
