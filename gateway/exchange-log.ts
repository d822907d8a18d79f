/** What is told of an exchange: its metrics, its lines in the log and in the audit file. */
import type { IncomingMessage } from 'node:http'
import type { Logger } from 'pino'
import type { AuditFile } from './audit-file.ts'
import { auditLines } from './audit-lines.ts'
import type { TellDecision } from './authorize.ts'
import type { Config } from './config.ts'
import { type Denial, denialLine, denialWithoutDecision } from './denial-line.ts'
import { beginExchange, type Exchange, elapsedMs, type Outcome } from './exchange.ts'
import { loggedKey, loggedTarget } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { RefusalByFiles } from './refusal-by-files.ts'

export type ExchangeLogOptions = {
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'requestBegan' | 'requestEnded'>
  /** undefined: nothing is gathered for one. */
  readonly audit: Pick<AuditFile, 'write'> | undefined
  readonly keys: Config['log']['keys']
  readonly behindNginx: boolean
  readonly now: () => Date
  /** undefined: the file system refuses no user. */
  readonly refusalByFiles: RefusalByFiles | undefined
}

export type ExchangeLog = {
  began(raw: IncomingMessage): Exchange
  /** Keeps what is decided for the audit, and tells denials at debug. */
  decisionsOf(exchange: Exchange): TellDecision
  /** Once for each exchange that began. */
  ended(raw: IncomingMessage, exchange: Exchange, outcome: Outcome): void
}

export function exchangeLog(options: ExchangeLogOptions): ExchangeLog {
  const { log, metrics, audit, keys, behindNginx, now, refusalByFiles } = options
  const tellDenial = (denial: Denial): void => {
    if (log.isLevelEnabled('debug')) log.debug(denialLine(denial, keys), 'denied')
  }
  /** After the answer, since it looks at files. */
  const tellRefusal = async (denial: Denial): Promise<void> => {
    if (refusalByFiles === undefined || !log.isLevelEnabled('debug')) return tellDenial(denial)
    log.debug(denialLine(denial, keys, await refusalByFiles(denial)), 'denied')
  }
  return {
    began(raw) {
      metrics.requestBegan()
      return beginExchange(raw, { behindNginx, keepsDecisions: audit !== undefined })
    },
    decisionsOf: (exchange) => (action, resource, decision) => {
      exchange.decided?.push({ action, resource, decision })
      if (decision.allow) return
      exchange.denied = true
      const { front, identity } = exchange
      tellDenial({ requestId: front.requestId, identity, action, resource, reason: decision.reason })
    },
    ended(raw, exchange, outcome) {
      const ms = elapsedMs(exchange)
      const bytesIn = bodyBytesRead(raw, exchange)
      const operation = nameOf(exchange)
      const { status, bytesOut } = outcome
      metrics.requestEnded({ operation, status, seconds: ms / 1000, bytesIn, bytesOut })
      if (audit !== undefined) {
        for (const line of auditLines(exchange, { ...outcome, ended: now(), bytesIn, ms })) audit.write(line)
      }
      if (outcome.code === 'AccessDenied' && exchange.denied !== true) void tellRefusal(denialWithoutDecision(exchange))
      log.info(requestLine(raw, exchange, { ...outcome, operation, bytesIn, ms }, keys))
    },
  }
}

type Told = Outcome & { readonly operation: string; readonly bytesIn: number; readonly ms: number }

function requestLine(raw: IncomingMessage, exchange: Exchange, told: Told, keys: Config['log']['keys']): object {
  const { front, request, identity, authMs, runMs } = exchange
  return {
    requestId: front.requestId,
    operation: told.operation,
    bucket: request?.bucket || undefined,
    key: loggedKey(request?.key ?? '', keys),
    // Where no operation was found, the line says at least what was asked.
    target: exchange.operation === undefined ? `${raw.method} ${loggedTarget(raw.url ?? '')}` : undefined,
    status: told.status,
    code: told.code,
    user: identity?.userName,
    accessKey: identity?.accessKeyId,
    client: front.client,
    bytesIn: told.bytesIn,
    bytesOut: told.bytesOut,
    ms: round(told.ms),
    authMs: round(authMs),
    runMs: round(runMs),
    broken: told.broken || undefined,
  }
}

function nameOf({ front, operation }: Exchange): string {
  return front.precheck === undefined ? (operation?.name ?? 'unknown') : 'precheck'
}

/** The length that was announced where the body has come whole, else what came through the connection meanwhile. */
function bodyBytesRead(raw: IncomingMessage, { bytesReadBefore }: Exchange): number {
  const announced = Number(raw.headers['content-length'] ?? 0)
  if (raw.complete && Number.isSafeInteger(announced) && announced > 0) return announced
  return (raw.socket?.bytesRead ?? 0) - bytesReadBefore
}

const round = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * 10) / 10)
