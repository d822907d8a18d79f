/** Health and metrics, on a port of its own that only the machine itself should reach. Runs in the pool, so it answers when no worker does. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { splitAddress } from './config.ts'
import { METRICS_CONTENT_TYPE } from './metrics.ts'
import type { Readiness } from './readiness.ts'

export type Admin = { readonly url: string; close(): Promise<void> }

type Page = { readonly status: number; readonly type: string; readonly text: string }

/** Throws what listen throws: EADDRINUSE, EACCES. */
export async function startAdmin(options: {
  /** "127.0.0.1:0" */
  readonly listen: string
  readonly readiness: () => Readiness
  /** Prometheus' text format. */
  readonly metrics: () => Promise<string>
}): Promise<Admin> {
  const pages: Readonly<Record<string, () => Promise<Page>>> = {
    /** The pool is alive. A mount that hangs is nothing that a restart would mend. */
    '/healthz': async () => plain(200, 'ok'),
    /** Some worker serves, and the namespace root answers it. */
    '/readyz': async () => {
      const { isReady, sentences } = options.readiness()
      return plain(isReady ? 200 : 503, sentences.join('\n'))
    },
    '/metrics': async () => ({ status: 200, type: METRICS_CONTENT_TYPE, text: await options.metrics() }),
  }
  const server = createServer(async (request, response) => {
    const page = Object.hasOwn(pages, request.url ?? '') ? pages[request.url ?? ''] : undefined
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const { status, type, text } = await answer(isRead ? page : undefined)
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
    response.end(request.method === 'HEAD' ? undefined : text)
  })
  const { host, port } = splitAddress(options.listen)
  server.listen({ host, port })
  await once(server, 'listening')
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(page: (() => Promise<Page>) | undefined): Promise<Page> {
  if (page === undefined) return plain(404, 'there are /healthz, /readyz and /metrics')
  try {
    return await page()
  } catch (error) {
    return plain(500, String(error))
  }
}

const plain = (status: number, text: string): Page => ({ status, type: 'text/plain; charset=utf-8', text: `${text}\n` })
