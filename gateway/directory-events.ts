import type { Logger } from 'pino'
import type { ActiveDirectoryEvent } from '#auth'
import type { Metrics } from './metrics.ts'

type Kind = ActiveDirectoryEvent['kind']
type Told = {
  readonly [K in Kind]?: (event: Extract<ActiveDirectoryEvent, { readonly kind: K }>, log: Logger) => void
}

/** What a person should read; at level debug also what else is numbers. */
const TOLD: Told = {
  'controller failed': ({ url, cause }, log) => log.warn({ url, err: cause }, 'a domain controller does not answer'),
  'controller answers again': ({ url }, log) => log.info({ url }, 'a domain controller answers again'),
  unreachable: ({ cause }, log) =>
    log.error(
      { err: cause },
      'no domain controller answers: known users go on for identity.stale_grace, others do not',
    ),
  reachable: ({ silentMs }, log) => log.info({ silentMs }, 'the domain answers again'),
  revoked: ({ userName, objectGuid, why }, log) => log.info({ userName, objectGuid, why }, 'a user has lost access'),
  failed: ({ cause }, log) => log.error({ err: cause }, 'the domain does not tell what is needed'),
  asked: ({ question, seconds, answered }, log) => {
    // Once a second on each worker; that there was no answer is told above.
    if (question !== 'position')
      log.debug({ question, ms: Math.round(seconds * 10_000) / 10, answered }, 'the domain was asked')
  },
  hit: (_, log) => log.debug('a user was known, the domain was not asked'),
  'stale answer': ({ objectGuid }, log) => log.debug({ objectGuid }, 'a user goes on as last known'),
}

/** Each request of a user whom the bind account may not read fails, and says the same. */
const FAILED_EVERY_MS = 60_000

/** Into the log and the metrics. */
export function directoryEvents(log: Logger, metrics: Pick<Metrics, 'directoryEvent'>) {
  let failedMs = Number.NEGATIVE_INFINITY
  return (event: ActiveDirectoryEvent): void => {
    metrics.directoryEvent(event)
    if (event.kind === 'failed') {
      if (performance.now() - failedMs < FAILED_EVERY_MS) return
      failedMs = performance.now()
    }
    const tell = TOLD[event.kind] as ((event: ActiveDirectoryEvent, log: Logger) => void) | undefined // by its own kind
    tell?.(event, log)
  }
}
