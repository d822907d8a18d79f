/**
 * One process of the pool, seen from the pool: starts it, waits until it is ready, hands connections over, notices its end.
 *
 * A connection handed over is kept until the worker says that it has taken it. A worker that is killed with connections still in
 * its channel has read nothing from them, so `gone` gives them back and another worker serves them as if nothing had happened.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import type { MetricObject } from 'prom-client'
import type { RootTrouble } from '#namespace'
import type { Config } from './config.ts'
import type { FromWorker, ToWorker } from './pool-messages.ts'

export type WorkerProcess = {
  readonly pid: number | undefined
  /** Rejects with a sentence for a person when the process ends first. */
  readonly ready: Promise<void>
  /** Resolves when the process has gone and all it said has been heard. */
  readonly gone: Promise<Gone>
  take(socket: Socket): void
  /** Roots that do not answer this worker, as it said last. */
  troubles(): readonly RootTrouble[]
  /** What the worker counts; undefined when it does not answer within a second. */
  metrics(): Promise<readonly MetricObject[] | undefined>
  reopenLogs(): void
  /** `drain` or `stop` (pool-messages.ts), SIGKILL after `graceMs`. Resolves as `gone` does. */
  end(how: 'drain' | 'stop', graceMs: number): Promise<void>
}

export type Gone = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Connections that it never took. */
  readonly untaken: readonly Socket[]
}

export function startWorkerProcess(options: {
  /** Path of the module to run. */
  readonly program: string
  readonly config: Config
  readonly index: number
}): WorkerProcess {
  const child = fork(options.program, [`--worker=${options.index}`], { execArgv: ['--enable-source-maps'] })
  const untaken = new Map<number, Socket>()
  const asked = new Map<number, (metrics: readonly MetricObject[]) => void>()
  const ready = Promise.withResolvers<void>()
  let troubles: readonly RootTrouble[] = []
  let lastId = 0

  child.on('message', (received) => {
    const message = received as FromWorker // our own program at the other end
    if (message.kind === 'ready') ready.resolve()
    if (message.kind === 'failed') ready.reject(new Error(message.message))
    if (message.kind === 'metrics') asked.get(message.id)?.(message.metrics)
    if (message.kind === 'roots') troubles = message.troubles
    if (message.kind === 'taken') {
      // Closes our copy of the descriptor only; the connection goes on in the worker.
      untaken.get(message.id)?.destroy()
      untaken.delete(message.id)
    }
  })
  const gone = ended(child).then(({ code, signal }) => {
    ready.reject(new Error(`Worker ${options.index} ended before it was ready (${signal ?? `exit code ${code}`}).`))
    return { code, signal, untaken: [...untaken.values()] }
  })
  ready.promise.catch(() => {}) // the pool awaits it where it matters
  send(child, { kind: 'start', config: options.config, index: options.index })

  return {
    pid: child.pid,
    ready: ready.promise,
    gone,
    take(socket) {
      const id = ++lastId
      untaken.set(id, socket)
      // A failed send leaves it in `untaken`: the channel is closed, so `gone` follows.
      child.send({ kind: 'connection', id } satisfies ToWorker, socket, { keepOpen: true }, () => {})
    },
    troubles: () => troubles,
    async metrics() {
      const id = ++lastId
      const answer = Promise.withResolvers<readonly MetricObject[] | undefined>()
      const timer = setTimeout(() => answer.resolve(undefined), 1000)
      asked.set(id, answer.resolve)
      send(child, { kind: 'metrics', id })
      const metrics = await answer.promise
      clearTimeout(timer)
      asked.delete(id)
      return metrics
    },
    reopenLogs: () => send(child, { kind: 'reopen-logs' }),
    async end(how, graceMs) {
      send(child, { kind: how })
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      await gone
      clearTimeout(timer)
    },
  }
}

/**
 * `close`, not `exit`: it comes when the channel has been read to its end too, so a `taken` that the process said last has been heard.
 * (Not `disconnect`: Node never tells of it while handles wait to be sent.)
 */
function ended(child: ChildProcess): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
    // It could not even be started.
    child.once('error', () => resolve({ code: null, signal: null }))
  })
}

function send(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message, () => {}) // an error means that it has just gone, which `gone` tells
}
