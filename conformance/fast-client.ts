/** Many signed requests with little work of one's own: for the suites that load the gateway. */
import { Pool } from 'undici'
import { type Answer, answerOf } from './connection.ts'
import type { Instance } from './instance.ts'
import { sign } from './sign.ts'

export type FastRequest = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** As on the wire. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

export type FastClient = {
  /** Any status is an answer. Throws when there is none: then nobody knows whether the request was carried out. */
  send(request: FastRequest): Promise<Answer>
  close(): Promise<void>
}

export function fastClient(instance: Instance, connections = 64): FastClient {
  const pool = new Pool(instance.endpoint, {
    connections,
    pipelining: 1,
    connect: { ca: instance.authority },
    headersTimeout: 30_000,
    bodyTimeout: 30_000,
  })
  return {
    async send({ method, target, headers = {}, body }) {
      const signed = sign({
        method,
        target,
        headers: { host: `127.0.0.1:${instance.port}`, ...headers },
        credentials: instance.credentials,
        region: instance.region,
      })
      const answer = await pool.request({
        method,
        path: target,
        headers: signed.headers,
        body: body ?? null,
        // Never tried again by the client itself: a test counts what happened.
        idempotent: false,
      })
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      const list = Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)])
      return answerOf(answer.statusCode, new Map(list), bytes)
    },
    close: () => pool.destroy(),
  }
}
