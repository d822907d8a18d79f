/**
 * One worker: opens the namespace and the directory, builds the app, serves the connections that the pool hands over, and leaves
 * when the pool says so or has gone. Started by pool.ts only.
 */
import { statfs } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import closeWithGrace from 'close-with-grace'
import {
  announceKeyReader,
  openDirectory,
  openMasterKey,
  openSessions,
  type Problem,
  recordKeyUse,
  sealedTokens,
} from '#auth'
import { openNamespace, type RootTrouble } from '#namespace'
import { createApp } from './app.ts'
import { openAuditFile } from './audit-file.ts'
import { boundedDirectory } from './bounded-directory.ts'
import type { Config } from './config.ts'
import { directoryEvents } from './directory-events.ts'
import { durationMs } from './duration.ts'
import { identityProvider } from './identity-provider.ts'
import { kernelEnforcement } from './kernel-enforcement.ts'
import { createLog } from './log.ts'
import { mayBeLinked } from './may-be-linked.ts'
import { createMetrics } from './metrics.ts'
import { operations } from './operations/index.ts'
import type { FromWorker, ToWorker } from './pool-messages.ts'
import { recordKeysOf } from './record-keys.ts'
import { serveConnections } from './serve-connections.ts'

const SWEEP_EVERY_MS = 3_600_000
const FIRST_SWEEP_AFTER_MS = 60_000
/** Of a day of lifecycle rules, where that is less than an hour. */
const LIFECYCLE_RUNS_PER_DAY = 4

process.once('message', (message) => {
  const first = message as ToWorker // the pool at the other end
  if (first.kind === 'start') {
    run(first.config, first.index).catch((error: unknown) => {
      // One sentence for a person; the pool tells it, and whether it is the end or a retry.
      const message = error instanceof Error ? error.message : String(error)
      process.send?.({ kind: 'failed', message } satisfies FromWorker, () => process.exit(1))
    })
  }
})

async function run(config: Config, index: number): Promise<void> {
  const { log, reopen } = createLog(config, { worker: index, pid: process.pid })
  const keyProblem = (problem: Problem) => log.warn(problem, 'the access keys have a problem')
  const masterKey = await openMasterKey(config.identity.masterKeyFile, { problems: keyProblem })
  const namespace = await openNamespace({
    root: config.namespace.root,
    roots: config.namespace.roots,
    publishRoot: config.namespace.publishRoot,
    durability: config.namespace.durability,
    directoriesMax: config.namespace.directoriesMax,
    threads: await fileSystemThreads(config),
    ...recordKeysOf(masterKey),
    announces: index === 0,
    callTimeoutMs: config.namespace.callTimeoutSeconds * 1000,
    longCallTimeoutMs: config.limits.answerTimeoutSeconds * 1000,
    rootsChanged: tellRoots,
    problems: (event) => log.warn(event, 'the tree has a problem'),
    unlisted: () => metrics.leftOutOfListing(),
    kernel: kernelEnforcement(config.identity, () => directory),
    mayBeLinked: mayBeLinked(config),
  })
  const { root, roots, publishRoot } = config.namespace
  function tellRoots(troubles: readonly RootTrouble[]): void {
    tell({ kind: 'roots', troubles })
    if (troubles.length === 0) log.info('every root answers again')
    else log.error({ roots: troubles }, 'a root does not answer')
  }
  const keysDirectory = join(config.namespace.root, '.causeway', 'keys')
  const keyReader = await announceKeyReader({ directory: keysDirectory, masterKey, problems: keyProblem })
  const keyUse = recordKeyUse({ directory: keysDirectory, problems: keyProblem })
  const answers = (path: string): boolean => !namespace.troubles().some((trouble) => trouble.path === path)
  const metrics = createMetrics({
    worker: index,
    namespaceLoad: () => namespace.load(),
    rootsAnswer: () => Object.fromEntries([root, ...roots].map((path) => [path, answers(path)])),
  })
  const { auditFile } = config.log
  const audit =
    auditFile === undefined
      ? undefined
      : openAuditFile({
          path: auditFile,
          roots: [root, ...roots, ...(publishRoot === undefined ? [] : [publishRoot])],
          trouble: (about) => log.error(about, 'the audit file does not take what was done'),
          lost: metrics.auditLineLost,
        })
  const directory = await openDirectory({
    provider: identityProvider(config),
    keysDirectory,
    policiesDirectory: join(config.namespace.root, '.causeway', 'policies'),
    masterKey,
    problems: (problem) => log.warn(problem, 'the user directory has a problem'),
    events: directoryEvents(log, metrics),
  })
  let draining = false
  const app = createApp({
    config,
    namespace,
    directory: boundedDirectory(directory, {
      timeoutMs: config.namespace.callTimeoutSeconds * 1000,
      isAway: () => namespace.troubles().some(({ isMain, trouble }) => isMain && trouble === 'does not answer'),
    }),
    tokens: sealedTokens(masterKey, 'continuation-tokens'),
    sessions: openSessions(masterKey),
    operations,
    log,
    metrics,
    audit,
    behindNginx: true,
    isDraining: () => draining,
    keyUsed: keyUse.note,
  })
  await app.ready()
  const connections = serveConnections(app.server)

  const sweeping = index === 0 ? repeat('sweeping', sweepInTurn, SWEEP_EVERY_MS) : undefined
  const dayMs = durationMs(config.s3.lifecycleDay)
  const lifecycleEveryMs = Math.min(SWEEP_EVERY_MS, Math.ceil(dayMs / LIFECYCLE_RUNS_PER_DAY))
  const expiring = index === 0 ? repeat('the lifecycle', expireInTurn, lifecycleEveryMs) : undefined
  /** Of several gateways of the tree one does it. A little sooner than an hour ago counts: timers are not exact. */
  async function sweepInTurn(): Promise<void> {
    const swept = await namespace.upkeep(SWEEP_EVERY_MS - FIRST_SWEEP_AFTER_MS)
    if (swept !== undefined) log.info(swept, 'swept')
  }
  async function expireInTurn(): Promise<void> {
    const everyMs = Math.max(0, lifecycleEveryMs - Math.min(FIRST_SWEEP_AFTER_MS, lifecycleEveryMs / 2))
    const expired = await namespace.lifecycle({ everyMs: Math.floor(everyMs), dayMs })
    if (expired !== undefined && expired.objects + expired.versions + expired.uploads > 0)
      log.info(expired, 'expired by lifecycle rules')
  }
  /** Never beside itself: a run that takes longer than its turn skips the next one. */
  function repeat(what: string, work: () => Promise<void>, everyMs: number) {
    let running = false
    const once = async () => {
      if (running) return
      running = true
      await work().catch((error: unknown) => log.error({ err: error }, `${what} failed`))
      running = false
    }
    const first = setTimeout(once, Math.min(FIRST_SWEEP_AFTER_MS, everyMs)).unref()
    const later = setInterval(once, everyMs).unref()
    return { stop: () => [clearTimeout(first), clearInterval(later)] }
  }

  let left: Promise<void> | undefined
  /** `drain`: clients are still coming, so none may be cut off; `stop`: nobody is in front any more. */
  async function leave(how: 'drain' | 'stop'): Promise<void> {
    draining = true
    sweeping?.stop()
    expiring?.stop()
    await connections.end(how, config.pool.drainSeconds * 1000)
    await app.close()
    await keyUse.close()
    await keyReader.close()
    masterKey.close()
    await directory.close()
    await namespace.close()
    audit?.close()
    log.info('the worker has ended')
  }
  async function exit(how: 'drain' | 'stop'): Promise<void> {
    left ??= leave(how)
    await left
    process.exit(0)
  }

  process.on('message', async (received, handle) => {
    const message = received as ToWorker // the pool at the other end
    if (message.kind === 'connection') {
      tell({ kind: 'taken', id: message.id })
      if (handle !== undefined) connections.add(handle as Socket) // only sockets are ever sent with this message
    }
    if (message.kind === 'metrics') tell({ kind: 'metrics', id: message.id, metrics: await metrics.collect() })
    if (message.kind === 'reopen-logs') {
      reopen()
      audit?.reopen()
    }
    if (message.kind === 'drain' || message.kind === 'stop') await exit(message.kind)
  })
  // The pool has died, nginx may live: finish and go, another pool wants the sockets.
  process.once('disconnect', () => exit('stop'))
  // Ctrl-C and log rotation reach the whole process group, but it is the pool that decides.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {})
  const grace = {
    delay: config.pool.drainSeconds * 1000,
    logger: false,
    skip: ['SIGINT', 'SIGHUP', 'SIGUSR2'],
  } as const
  closeWithGrace({ ...grace, skip: [...grace.skip] }, async ({ err }) => {
    if (err !== undefined) log.error({ err }, 'the worker ends because of a mistake of its own')
    left ??= leave('stop')
    await left
  })

  tell({ kind: 'ready' })
  log.info('the worker is ready')
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}

/** File systems where a thread waits for the network rather than for a core, by the magic of statfs(2). */
const NETWORK_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2
  0x0bd00bd0, // Lustre
  0x00c36400, // Ceph
  0x65735546, // FUSE
])

async function fileSystemThreads({ namespace }: Config): Promise<number> {
  if (namespace.threads !== 'auto') return namespace.threads
  const { type } = await statfs(namespace.root)
  return NETWORK_FILE_SYSTEMS.has(type) ? 32 : availableParallelism()
}
