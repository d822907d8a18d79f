/** A worker for pool.test.ts: speaks the pool's language, answers who it is. Behaves as the path or `s3.region` says. */
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMetrics } from '../metrics.ts'
import type { FromWorker, ToWorker } from '../pool-messages.ts'
import { serveConnections } from '../serve-connections.ts'

const tell = (message: FromWorker) => process.send?.(message)

process.once('message', (received) => {
  const message = received as ToWorker // the pool at the other end
  if (message.kind !== 'start') return
  const { config, index } = message
  if (config.s3.region === 'broken') {
    const failed: FromWorker = { kind: 'failed', message: 'This region is broken; choose another.' }
    process.send?.(failed, () => process.exit(1))
    return
  }
  const metrics = createMetrics({ worker: index })
  let draining = false
  const server = createServer(async (request, response) => {
    metrics.requestBegan()
    if (request.url === '/crash') process.kill(process.pid, 'SIGKILL')
    if (request.url === '/slow') await sleep(500)
    if (request.url?.startsWith('/roots?') === true) {
      tell({ kind: 'roots', troubles: JSON.parse(decodeURIComponent(request.url.slice('/roots?'.length))) })
    }
    for await (const _ of request);
    if (draining) response.shouldKeepAlive = false
    response.end(JSON.stringify({ pid: process.pid, index, region: config.s3.region }))
    metrics.requestEnded({ operation: 'Tiny', status: 200, seconds: 0.001, bytesIn: 0, bytesOut: 0 })
  })
  server.keepAliveTimeout = 60_000
  const connections = serveConnections(server)
  process.on('message', async (next, handle) => {
    const order = next as ToWorker // as above
    if (order.kind === 'connection') {
      tell({ kind: 'taken', id: order.id })
      connections.add(handle as Socket) // always sent with one
    }
    if (order.kind === 'metrics') tell({ kind: 'metrics', id: order.id, metrics: await metrics.collect() })
    if (order.kind === 'drain' || order.kind === 'stop') {
      draining = true
      await connections.end(order.kind, config.pool.drainSeconds * 1000)
      process.exit(0)
    }
  })
  process.once('disconnect', () => process.exit(0))
  tell({ kind: 'ready' })
})
