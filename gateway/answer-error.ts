import type { IncomingMessage } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Logger } from 'pino'
import { errorReply } from './error-response.ts'
import type { Exchange, Outcome } from './exchange.ts'
import { refuseBody } from './precheck-answer.ts'
import type { Reply } from './reply.ts'
import { hostId } from './request-id.ts'
import type { S3Request } from './s3-request.ts'

export type AnswerErrorOptions = {
  readonly log: Logger
  /** Told before headers go out: may the connection live on? */
  readonly mayKeepAlive: (raw: IncomingMessage) => boolean
  readonly crossOriginHeaders: (request: S3Request | undefined) => Promise<Reply['headers']>
}

/** The one way out for errors: S3 XML, or nothing where the answer has begun. */
export async function answerError(
  raw: IncomingMessage,
  reply: FastifyReply,
  exchange: Exchange,
  options: AnswerErrorOptions,
): Promise<Outcome> {
  const { front, request, operation, error } = exchange
  const { requestId } = front
  const { method = '', url = '' } = raw
  const resource = request?.rawPath ?? url.split('?', 1)[0] ?? ''
  const answer = errorReply(error, { requestId, hostId, resource, method, service: operation?.service })
  const { status, headers, body, code } = answer
  if (answer.unexpected)
    options.log.error({ requestId, operation: operation?.name, err: error }, 'a request failed unexpectedly')
  if (reply.raw.headersSent || raw.socket?.destroyed) {
    reply.raw.destroy()
    return { status, bytesOut: 0, code, broken: true }
  }
  if (front.precheck !== undefined) return refuseBody(reply, answer)
  const crossOrigin = await options.crossOriginHeaders(request)
  if (!options.mayKeepAlive(raw)) reply.raw.shouldKeepAlive = false
  // As bytes: with a string Node would write the headers as UTF-8 too, and they are Latin-1.
  reply
    .code(status)
    .headers({ ...headers, ...crossOrigin })
    .send(body === undefined ? undefined : Buffer.from(body))
  return { status, bytesOut: Buffer.byteLength(body ?? ''), code }
}
