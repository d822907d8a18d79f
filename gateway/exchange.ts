/** What is known of a request so far: filled in step by step along the road of app.ts, read by what is told of it. */
import type { IncomingMessage } from 'node:http'
import type { Identity } from '#auth'
import type { Decided } from './audit-lines.ts'
import { type Front, readFront } from './front.ts'
import type { Operation } from './operation.ts'
import type { S3Request } from './s3-request.ts'

export type Exchange = {
  readonly front: Front
  readonly startedMs: number
  readonly bytesReadBefore: number
  request?: S3Request
  operation?: Operation
  identity?: Identity | undefined
  authMs?: number
  runMs?: number
  /** Every decision so far; undefined where nobody keeps them. */
  readonly decided: Decided[] | undefined
  /** The log has said why. */
  denied?: boolean
  /** What made it fail. */
  error?: unknown
}

/** What became of it. */
export type Outcome = {
  readonly status: number
  readonly bytesOut: number
  readonly code?: string
  /** The client has gone, or was cut off in the middle of the answer. */
  readonly broken?: boolean
}

export function beginExchange(
  raw: IncomingMessage,
  { behindNginx, keepsDecisions }: { readonly behindNginx: boolean; readonly keepsDecisions: boolean },
): Exchange {
  const bytesReadBefore = raw.socket?.bytesRead ?? 0
  const decided = keepsDecisions ? [] : undefined
  return { front: readFront(raw, behindNginx), startedMs: performance.now(), bytesReadBefore, decided }
}

export const elapsedMs = ({ startedMs }: Exchange) => performance.now() - startedMs
