/**
 * One worker process per core, each on its own unix socket. Knows no S3.
 *
 * The pool listens and hands every accepted connection to the worker of that socket. nginx keeps a few long-lived connections per
 * worker, so this costs nothing per request, and the sockets outlive every worker: while one is dead or being replaced its
 * connections wait in the pool or go to a neighbour, and nobody is ever refused.
 */
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { startAdmin } from './admin.ts'
import { type Config, ConfigError } from './config.ts'
import { createLog } from './log.ts'
import { mergeMetrics } from './metrics.ts'
import { readinessOf } from './readiness.ts'
import { startWorkerProcess, type WorkerProcess } from './worker-process.ts'

export type Pool = {
  /** Unix sockets, one per worker, for nginx. */
  readonly sockets: readonly string[]
  /** http://host:port of /healthz, /readyz, /metrics; also in admin.url of the state directory. */
  readonly adminUrl: string
  /** Process ids of the workers that serve now. */
  workerPids(): readonly number[]
  /**
   * Replaces the workers one by one, without refusing a connection. Rejects, with the old workers serving on, when a new one cannot
   * start. How many workers and where they listen stay as they are until a restart.
   */
  reload(config?: Config): Promise<void>
  reopenLogs(): void
  /** Lets the workers finish, for at most pool.drain_seconds. */
  close(): Promise<void>
}

export type PoolOptions = {
  /** The module that each worker runs. Default: main.ts. */
  readonly program?: string
  readonly log?: Logger
}

type Slot = {
  readonly index: number
  worker: WorkerProcess | undefined
  ready: boolean
  /** Connections that came while no worker was there. */
  waiting: Socket[]
  failures: number
}

const BACKOFF_MAX_MS = 10_000
const STABLE_AFTER_MS = 30_000

/** Resolves when every worker is ready. Throws ConfigError when the state directory is in use or a worker says what is wrong. */
export async function startPool(config: Config, options: PoolOptions = {}): Promise<Pool> {
  const log = options.log ?? createLog(config, { part: 'pool' }).log
  const program = options.program ?? fileURLToPath(new URL('./main.ts', import.meta.url))
  const sockets = await prepareSockets(config)
  const slots: Slot[] = sockets.map((_, index) => ({
    index,
    worker: undefined,
    ready: false,
    waiting: [],
    failures: 0,
  }))
  let current = config
  let closing = false

  function start(slot: Slot, using: Config): WorkerProcess {
    const worker = startWorkerProcess({ program, config: using, index: slot.index })
    worker.gone.then(({ untaken }) => {
      // First out of the way, then its connections to others, or they would come back to it.
      if (slot.worker === worker) slot.ready = false
      for (const connection of untaken) dispatch(slot, connection)
    })
    return worker
  }

  /** To the worker of this place, else to any that is ready, else wait. */
  function dispatch(slot: Slot, connection: Socket): void {
    const target = slot.ready ? slot : slots.find((other) => other.ready)
    if (target?.worker === undefined) slot.waiting.push(connection)
    else target.worker.take(connection)
  }

  function install(slot: Slot, worker: WorkerProcess): void {
    slot.worker = worker
    slot.ready = true
    const waiting = slots.flatMap((other) => other.waiting.splice(0))
    for (const connection of waiting) worker.take(connection)
    watch(slot, worker)
  }

  function watch(slot: Slot, worker: WorkerProcess): void {
    const installed = Date.now()
    worker.gone.then(async ({ code, signal }) => {
      if (slot.worker !== worker || closing) return
      slot.ready = false
      slot.worker = undefined
      if (Date.now() - installed > STABLE_AFTER_MS) slot.failures = 0
      log.error({ worker: slot.index, pid: worker.pid, code, signal }, 'a worker has died; starting another')
      await replaceDead(slot)
    })
  }

  /** At once the first time, then after 0.1, 0.2, 0.4 … 10 seconds. */
  async function replaceDead(slot: Slot): Promise<void> {
    while (!closing && slot.worker === undefined) {
      if (slot.failures > 0) await sleep(Math.min(BACKOFF_MAX_MS, 50 * 2 ** slot.failures))
      slot.failures++
      if (closing || slot.worker !== undefined) return
      const worker = start(slot, current)
      slot.worker = worker
      try {
        await worker.ready
        if (slot.worker !== worker) return
        install(slot, worker)
      } catch (error) {
        if (slot.worker === worker) slot.worker = undefined
        log.error({ worker: slot.index, err: error }, 'a worker could not start')
      }
    }
  }

  // One reload after the other: two at once would each end the other's workers.
  let reloading: Promise<unknown> = Promise.resolve()
  async function replaceAll(next: Config): Promise<void> {
    for (const slot of slots) {
      if (closing) return
      const worker = start(slot, next)
      await worker.ready
      if (closing) return worker.end('stop', 1000)
      const old = slot.worker
      install(slot, worker)
      slot.failures = 0
      current = next
      // Its connections end one by one as their next answer says `Connection: close`; meanwhile the next slot is replaced.
      if (old !== undefined) letGo(old, next.pool.drainSeconds * 1000)
    }
    log.info({ workers: slots.length }, 'all workers have been replaced')
  }
  const draining = new Set<Promise<void>>()
  function letGo(old: WorkerProcess, graceMs: number): void {
    const done = old.end('drain', graceMs).finally(() => draining.delete(done))
    draining.add(done)
  }

  const admin = await startAdmin({
    listen: config.admin.listen,
    readiness: () =>
      readinessOf(slots.filter((slot) => slot.ready && !closing).map((slot) => slot.worker?.troubles() ?? [])),
    metrics: async () => mergeMetrics(await Promise.all(slots.map((slot) => slot.worker?.metrics()))),
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError([
      `admin.listen is "${config.admin.listen}", where nothing can listen (${reason}); choose another.`,
    ])
  })
  const initial = slots.map((slot) => start(slot, config))
  try {
    await Promise.all(initial.map((worker) => worker.ready))
  } catch (error) {
    await Promise.all([admin.close(), ...initial.map((worker) => worker.end('stop', 1000))])
    throw new ConfigError([error instanceof Error ? error.message : String(error)])
  }
  for (const [index, slot] of slots.entries()) {
    const worker = initial[index]
    if (worker !== undefined) install(slot, worker)
  }
  const servers = await Promise.all(
    slots.map((slot) => listen(sockets[slot.index] ?? '', (connection) => dispatch(slot, connection))),
  )
  writeFileSync(join(config.state.directory, 'admin.url'), `${admin.url}\n`)
  log.info({ workers: slots.length, admin: admin.url }, 'the pool is ready')

  let closed: Promise<void> | undefined
  async function close(): Promise<void> {
    closing = true
    const graceMs = current.pool.drainSeconds * 1000
    for (const server of servers) server.close()
    for (const slot of slots) for (const connection of slot.waiting.splice(0)) connection.destroy()
    await Promise.all([...slots.map((slot) => slot.worker?.end('stop', graceMs)), ...draining])
    await admin.close()
    rmSync(join(config.state.directory, 'admin.url'), { force: true })
    log.info('the pool has ended')
  }

  const pool: Pool = {
    sockets,
    adminUrl: admin.url,
    workerPids: () => slots.flatMap((slot) => (slot.ready && slot.worker?.pid !== undefined ? [slot.worker.pid] : [])),
    reload(next = current) {
      const done = reloading.then(() => replaceAll(next))
      reloading = done.catch(() => {})
      return done
    },
    reopenLogs() {
      for (const slot of slots) slot.worker?.reopenLogs()
    },
    close() {
      closed ??= close()
      return closed
    },
  }
  return pool
}

/** The directory is for the owner and the group that nginx runs in; nobody else may speak to a worker past nginx. */
async function prepareSockets(config: Config): Promise<string[]> {
  const directory = join(config.state.directory, 'sockets')
  mkdirSync(directory, { recursive: true, mode: 0o750 })
  chmodSync(directory, 0o750)
  const count = config.pool.workers === 'auto' ? availableParallelism() : config.pool.workers
  const sockets = Array.from({ length: count }, (_, index) => join(directory, `worker-${index}.sock`))
  for (const socket of sockets) {
    if (await answers(socket)) {
      throw new ConfigError([
        `state.directory ${config.state.directory} is in use by a gateway that runs; stop it, or choose another directory.`,
      ])
    }
    // Left behind by a pool that was killed.
    rmSync(socket, { force: true })
  }
  return sockets
}

async function answers(socket: string): Promise<boolean> {
  const probe = connect(socket)
  try {
    await once(probe, 'connect')
    return true
  } catch {
    return false
  } finally {
    probe.destroy()
  }
}

/** `pauseOnConnect`: not a byte is read here, the worker gets the connection as it came. */
async function listen(path: string, accepted: (connection: Socket) => void): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }, (connection) => {
    connection.on('error', () => {}) // it has gone before anybody took it
    accepted(connection)
  })
  server.listen({ path, backlog: 4096 })
  await once(server, 'listening')
  chmodSync(path, 0o660)
  return server
}
