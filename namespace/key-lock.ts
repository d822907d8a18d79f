import { createHash } from 'node:crypto'
import { NamespaceError } from './errors.ts'
import type { Descriptor, FileCalls } from './files.ts'

/**
 * One writer per key, between workers and machines.
 *
 * Every publish or unlink of a key holds the key's lock from its check to its rename: plain writers shared, conditional and
 * clash writers exclusive. The shared one is needed: without it a conditional writer that has read ETag e1 renames over a plain
 * writer's acknowledged e2.
 *
 * Within a process a FIFO of readers and writers comes first, so that a process never competes with itself; the group at its head then
 * holds one open-file-description lock, on the byte of the lock file that the key hashes to. Refused, it tries again after 1 ms,
 * doubled up to 16 ms, ± 50 %: never a blocking call, which would hold a thread and cannot be cancelled.
 */
export type LockMode = 'shared' | 'exclusive'

export type KeyLocks = {
  /** Runs `work` under the lock of `name`. Throws SlowDown when the lock is not had within the time-out. */
  hold<Result>(name: string, mode: LockMode, work: () => Promise<Result>): Promise<Result>
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

/** 63 bits: lock offsets are signed. Two keys of one hash only wait for each other. */
export function lockOffset(name: string): bigint {
  return createHash('sha1').update(name).digest().readBigUInt64BE(0) >> 1n
}

export function keyLocks(options: Options): KeyLocks {
  const queues = new Map<bigint, Queue>()
  let descriptor: Promise<Descriptor> | undefined

  const lockFile = (): Promise<Descriptor> => {
    descriptor ??= options.open().catch((error: unknown) => {
      descriptor = undefined
      throw error
    })
    return descriptor
  }

  const enter = (queue: Queue, mode: LockMode): Promise<void> => {
    const { active } = queue
    if (active !== undefined && joins(queue, active, mode)) {
      active.count += 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      queue.waiting.push({ mode, deadline: Date.now() + options.timeoutMs, enter: resolve, fail: reject })
      if (active === undefined) void advance(queue)
    })
  }

  /** Takes the next group off the queue and the lock file's byte for it. */
  const advance = async (queue: Queue): Promise<void> => {
    const first = queue.waiting[0]
    if (first === undefined) {
      queue.active = undefined
      queues.delete(queue.offset)
      return
    }
    const active = { mode: first.mode, since: Date.now(), count: 0 }
    queue.active = active
    try {
      await acquire(options.calls, await lockFile(), queue.offset, first.mode, first.deadline)
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
    // An unlock that fails leaves the byte to this process, whose next holder simply takes it again; what `work` did stands.
    await options.calls.lock(await lockFile(), queue.offset, 'none').catch(() => undefined)
    void advance(queue)
  }

  return {
    async hold(name, mode, work) {
      const offset = lockOffset(name)
      const queue = queues.get(offset) ?? { offset, waiting: [], active: undefined }
      queues.set(offset, queue)
      await enter(queue, mode)
      try {
        return await work()
      } finally {
        await leave(queue)
      }
    },
    async close() {
      if (descriptor !== undefined) await options.calls.close(await descriptor)
    },
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

async function acquire(
  calls: FileCalls,
  descriptor: Descriptor,
  offset: bigint,
  mode: LockMode,
  deadline: number,
): Promise<void> {
  for (let waitMs = 1; !(await calls.lock(descriptor, offset, mode)); waitMs = Math.min(16, waitMs * 2)) {
    if (Date.now() > deadline)
      throw new NamespaceError('SlowDown', { message: 'The key is being written by somebody else.' })
    const jitteredMs = waitMs * (0.5 + Math.random())
    await new Promise((resolve) => setTimeout(resolve, jitteredMs))
  }
}
