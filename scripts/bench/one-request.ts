import { Agent, request } from 'undici'
import type { LoadRequest } from './load-job.ts'
import type { Scheme, Server } from './server.ts'
import type { Wanted } from './signed-request.ts'

export type Client = {
  /** The answer's text. Throws where it is not 2xx. */
  send(wanted: Wanted, body?: Uint8Array): Promise<string>
  close(): Promise<void>
}

/** For what a benchmark does once: make the bucket, put its objects, complete an upload. */
export function clientOf(server: Server, scheme: Scheme): Client {
  const ca = server.authority === undefined ? {} : { connect: { ca: server.authority } }
  const agent = new Agent({ ...ca, bodyTimeout: 0, headersTimeout: 0 })
  const origin = server.origin(scheme)
  return {
    async send(wanted, body) {
      const { method, target, headers }: LoadRequest = server.request(wanted, scheme)
      const answer = await request(origin + target, { method, headers, body: body ?? null, dispatcher: agent })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`${method} ${target}: ${answer.statusCode} ${text}`)
      return text
    },
    close: () => agent.close(),
  }
}
