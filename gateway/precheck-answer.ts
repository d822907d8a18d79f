/** Answers to nginx, which asks before it lets a body come whether the request would be refused. */
import type { FastifyReply } from 'fastify'
import type { ErrorReply } from './error-response.ts'
import type { Outcome } from './exchange.ts'
import { REFUSAL_HEADER } from './front.ts'

/** The body may come; whatever else is wrong with the request is said when it has come. */
export function allowBody(reply: FastifyReply): Outcome {
  reply.code(204).send()
  return { status: 204, bytesOut: 0 }
}

/** auth_request passes 403 on and takes anything else that is not 2xx for a failure of ours. */
export function refuseBody(reply: FastifyReply, { status, code, body }: ErrorReply): Outcome {
  if (status !== 403) return allowBody(reply)
  const xml = (body ?? '')
    .replaceAll('\n', '')
    .replace(/[^ -~]/gu, (character) => `&#x${character.codePointAt(0)?.toString(16)};`)
  reply.code(403).header(REFUSAL_HEADER, xml).send()
  return { status, bytesOut: 0, code }
}
