import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type ByteLocks, byteLocks, type WantedByte } from './byte-locks.ts'
import type { Descriptor, FileCalls } from './files.ts'
import { whenBack } from './no-answer.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/**
 * One writer per key, between workers and machines.
 *
 * Every publish or unlink of a key holds the key's lock from its check to its rename: plain writers shared, conditional and
 * clash writers exclusive. The shared one is needed: without it a conditional writer that has read ETag e1 renames over a plain
 * writer's acknowledged e2.
 *
 * Within a process a FIFO of readers and writers comes first, so that a process never competes with itself; the group at its head then
 * holds one open-file-description lock, on the byte of the lock file that the key hashes to. Refused, it tries again after 1 ms,
 * doubled up to 16 ms, ± 50 %, at the head of a line (see acquire): never a blocking call, which would hold a thread and cannot be cancelled.
 */
export type LockMode = WantedByte['mode']

/** What a holder can still do about its lock. */
export type Held = {
  /** Asks for the lock again: false when it was lost and somebody else has it. One that was lost and is free is had again. */
  again(): Promise<boolean>
}

export type KeyLocks = {
  /** Runs `work` under the lock of `name`. Throws SlowDown when the lock is not had within the time-out. */
  hold<Result>(name: string, mode: LockMode, work: (held: Held) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

type Options = {
  readonly calls: FileCalls
  readonly open: () => Promise<Descriptor>
  readonly timeoutMs: number
}

type Waiter = {
  readonly mode: LockMode
  readonly deadline: number
  readonly enter: () => void
  readonly fail: (error: unknown) => void
}

type Queue = {
  readonly offset: bigint
  readonly waiting: Waiter[]
  /** The group that holds the lock, or is about to. */
  active: { readonly mode: LockMode; readonly since: number; count: number } | undefined
}

/** A group of shared holders takes no newcomers after this long, so that an exclusive waiter elsewhere gets its turn. */
const groupMs = 20

const idleMs = 1000

/** Whoever comes back to a key within this long is taken for part of a stream. */
const againMs = 100

/** 63 bits: lock offsets are signed. Two keys of one hash only wait for each other. */
export function lockOffset(name: string): bigint {
  return createHash('sha1').update(name).digest().readBigUInt64BE(0) >> 1n
}

export function keyLocks(options: Options): KeyLocks {
  const bytes = byteLocks(options.calls)
  const queues = new Map<bigint, Queue>()
  let descriptor: Promise<Descriptor> | undefined
  let idle: NodeJS.Timeout | undefined
  /** When this worker last let go of a key. */
  const held = new LRUCache<bigint, number>({ max: 1000 })

  const lockFile = (): Promise<Descriptor> => {
    descriptor ??= options.open().catch((error: unknown) => {
      descriptor = undefined
      throw error
    })
    return descriptor
  }

  /** A worker meets thousands of buckets in its life; the lock files of those that nobody writes to, or that are gone, are not kept open. */
  const closeWhenIdle = (): void => {
    clearTimeout(idle)
    idle = setTimeout(() => {
      if (queues.size === 0) void close().catch(() => undefined)
    }, idleMs).unref()
  }

  const close = async (): Promise<void> => {
    clearTimeout(idle)
    const closing = descriptor
    descriptor = undefined
    if (closing !== undefined) await options.calls.close(await closing)
  }

  const enter = (queue: Queue, mode: LockMode): Promise<void> => {
    const { active } = queue
    if (active !== undefined && joins(queue, active, mode)) {
      active.count += 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        mode,
        deadline: Date.now() + options.timeoutMs,
        enter: () => settle(resolve),
        fail: (error) => settle(() => reject(error)),
      }
      // Behind a holder of this process too. The one for whom the file's lock is being asked has its deadline there.
      const timer = setTimeout(() => {
        const at = queue.waiting.indexOf(waiter)
        if (at === -1 || (at === 0 && queue.active?.count === 0)) return
        queue.waiting.splice(at, 1)
        waiter.fail(writtenBySomebodyElse())
      }, options.timeoutMs)
      const settle = (then: () => void): void => {
        clearTimeout(timer)
        then()
      }
      queue.waiting.push(waiter)
      if (active === undefined) void advance(queue)
    })
  }

  /** Takes the next group off the queue and the lock file's byte for it. */
  const advance = async (queue: Queue): Promise<void> => {
    const first = queue.waiting[0]
    if (first === undefined) {
      queue.active = undefined
      queues.delete(queue.offset)
      if (queues.size === 0) closeWhenIdle()
      return
    }
    const active = { mode: first.mode, since: Date.now(), count: 0 }
    queue.active = active
    try {
      const { offset } = queue
      const isAgain = Date.now() - (held.get(offset) ?? 0) < againMs
      await acquire(bytes, await lockFile(), { offset, mode: first.mode, deadline: first.deadline }, isAgain)
    } catch (error) {
      const now = Date.now()
      first.fail(error)
      const left = queue.waiting.filter((waiter) => waiter !== first)
      for (const waiter of left) if (waiter.deadline <= now) waiter.fail(error)
      queue.waiting.splice(0, queue.waiting.length, ...left.filter((waiter) => waiter.deadline > now))
      return advance(queue)
    }
    for (const waiter of takeGroup(queue, first.mode)) {
      active.count += 1
      waiter.enter()
    }
  }

  const leave = async (queue: Queue): Promise<void> => {
    if (queue.active === undefined) return
    queue.active.count -= 1
    if (queue.active.count > 0) return
    queue.active = { mode: 'exclusive', since: 0, count: 0 }
    held.set(queue.offset, Date.now())
    // An unlock that fails leaves the byte to this process, whose next holder simply takes it again; what `work` did stands.
    // Closed meanwhile, it has been let go with its descriptor.
    await descriptor?.then(
      (file) => bytes.drop(file, queue.offset),
      () => undefined,
    )
    void advance(queue)
  }

  return {
    async hold(name, mode, work) {
      const offset = lockOffset(name)
      const queue = queues.get(offset) ?? { offset, waiting: [], active: undefined }
      queues.set(offset, queue)
      await enter(queue, mode)
      let back: (() => Promise<void>) | undefined
      try {
        return await work({
          again: async () => bytes.take(await lockFile(), { offset, mode, deadline: Date.now() + options.timeoutMs }),
        })
      } catch (error) {
        back = whenBack(error)
        throw error
      } finally {
        // A rename that was given up while the server was away happens when it is back. Were the lock free by then, it would put old bytes
        // over what another writer has looked at, or written, meanwhile. The request is answered; the key waits.
        if (back === undefined) await leave(queue)
        else void back().then(() => leave(queue))
      }
    },
    close,
  }
}

/** A shared newcomer joins shared holders, unless somebody waits (FIFO) or the group is old. */
const joins = (queue: Queue, active: NonNullable<Queue['active']>, mode: LockMode): boolean =>
  mode === 'shared' &&
  active.mode === 'shared' &&
  active.count > 0 &&
  queue.waiting.length === 0 &&
  Date.now() - active.since < groupMs

function takeGroup(queue: Queue, mode: LockMode): Waiter[] {
  if (mode === 'exclusive') return queue.waiting.splice(0, 1)
  const end = queue.waiting.findIndex((waiter) => waiter.mode === 'exclusive')
  return queue.waiting.splice(0, end === -1 ? queue.waiting.length : end)
}

/**
 * Whoever is refused, or has held this very key a moment ago, stands in line: at a second byte, exclusively, until the key's own is had.
 *
 * Why: a worker whose clients write one key without a pause lets go of the byte and has it again within microseconds; shared holders of two
 * such workers overlap for ever. A conditional writer elsewhere, who looks every few milliseconds, got SlowDown after ten seconds. Now it
 * waits at the head of the line, where the others have to pass. A key that nobody fights for costs one lock as before.
 */
async function acquire(bytes: ByteLocks, descriptor: Descriptor, wanted: WantedByte, isAgain: boolean): Promise<void> {
  const { offset, deadline } = wanted
  if (!isAgain && (await bytes.take(descriptor, wanted))) return
  const line = lineOffset(offset)
  await poll(bytes, descriptor, { offset: line, mode: 'exclusive', deadline })
  try {
    await poll(bytes, descriptor, wanted)
  } finally {
    await bytes.drop(descriptor, line)
  }
}

/** No key is likely to hash to it: it would only wait sometimes. */
const lineOffset = (offset: bigint): bigint => offset ^ 1n

async function poll(bytes: ByteLocks, descriptor: Descriptor, wanted: WantedByte): Promise<void> {
  for (let waitMs = 1; !(await bytes.take(descriptor, wanted)); waitMs = Math.min(16, waitMs * 2)) {
    if (Date.now() > wanted.deadline) throw writtenBySomebodyElse()
    const jitteredMs = waitMs * (0.5 + Math.random())
    await new Promise((resolve) => setTimeout(resolve, jitteredMs))
  }
}
