/**
 * pino, and what may stand in a log. One info line per request when it ends; error = somebody must act; warn = retried or degraded;
 * debug = reasons. Authorization headers, tokens and signatures are never logged: nothing logs headers, and `loggedTarget` cuts queries.
 */
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { destination, type Logger, pino, stdSerializers } from 'pino'
import type { Config } from './config.ts'
import { PASSWORD_PARAMETER } from './password-parameter.ts'

export type Log = {
  readonly log: Logger
  /** After a log file was moved away. Nothing to do for standard output. */
  reopen(): void
}

/** `about` stands in every line, e.g. `{ worker: 0 }`. */
export function createLog(config: Config, about: Readonly<Record<string, unknown>>): Log {
  const { file, level } = config.log
  if (file !== undefined) mkdirSync(dirname(file), { recursive: true })
  // Synchronous: a worker that crashes has written its last line. One line of 300 bytes costs some microseconds.
  const stream = destination({ dest: file ?? 1, sync: true, append: true })
  const log = pino(
    {
      level,
      base: about,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
      redact: { paths: [...REDACTED, ...REDACTED.map((name) => `headers.${name}`)], censor: '-' },
    },
    stream,
  )
  return {
    log,
    reopen() {
      if (file !== undefined) stream.reopen()
    },
  }
}

/** Whoever logs headers in spite of the rule above does not give these away. */
const REDACTED = [
  'authorization',
  'cookie',
  '["x-amz-security-token"]',
  '["x-amz-server-side-encryption-customer-key"]',
  '["x-amz-copy-source-server-side-encryption-customer-key"]',
]

/** A key as `log.keys` wants it. */
export function loggedKey(key: string, style: Config['log']['keys']): string | undefined {
  if (key === '' || style === 'omit') return undefined
  return style === 'hash' ? createHash('sha256').update(key).digest('hex').slice(0, 16) : key
}

const SECRET_PARAMETER = /([?&](?:x-amz-signature|x-amz-security-token|signature)=)[^&]*/gi

const WITH_PASSWORD = new RegExp(`^([^?]*[?]).*${PASSWORD_PARAMETER}.*$`, 'is')

/** A request target without what would let a reader of the log repeat the request. */
export function loggedTarget(rawUrl: string): string {
  return rawUrl.replace(WITH_PASSWORD, '$1-').replace(SECRET_PARAMETER, '$1-')
}
