import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { LoadJob } from './load-job.ts'
import { runLoad } from './run-load.ts'

async function served<Result>(listener: RequestListener, use: (origin: string) => Promise<Result>): Promise<Result> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo // a TCP server's
    return await use(`http://127.0.0.1:${port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const job = (origin: string): LoadJob => ({
  origin,
  authority: undefined,
  connections: 2,
  requests: ['/a', '/b', '/c'].map((target) => ({ method: 'PUT', target, headers: {} })),
  bodyBytes: 1000,
  seconds: 5,
  most: 7,
})

describe('a load', () => {
  it('sends its requests in turn, on so many connections, and counts what comes back', async () => {
    const seen: string[] = []
    const sockets = new Set<unknown>()
    let bytes = 0
    const { result, before, after } = await served(
      (request, response) => {
        seen.push(request.url ?? '')
        sockets.add(request.socket)
        request.on('data', (piece: Buffer) => (bytes += piece.length))
        request.on('end', () => response.end('12345'))
      },
      (origin) => runLoad(job(origin), () => seen.length),
    )
    expect(result).toMatchObject({ requests: 7, receivedBytes: 35, failures: 0, failure: undefined })
    expect(result.seconds).toBeGreaterThan(0)
    // The first of each connection opens it and is not counted.
    expect([before, after]).toEqual([2, 9])
    expect(seen.toSorted()).toEqual(['/a', '/a', '/a', '/b', '/b', '/b', '/c', '/c', '/c'])
    expect(sockets.size).toBe(2)
    expect(bytes).toBe(9000)
  })

  it('fails with the first answer that is not 2xx', async () => {
    const refused = served(
      (request, response) => {
        request.resume()
        response.writeHead(403).end('<Error/>')
      },
      (origin) => runLoad(job(origin), () => undefined),
    )
    await expect(refused).rejects.toThrow(/PUT \/a: 403 <Error\/>/)
  })
})
