import type { Descriptor, FileCalls } from './files.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

export type WantedByte = {
  readonly offset: bigint
  readonly mode: 'shared' | 'exclusive'
  /** Milliseconds since 1970. */
  readonly deadline: number
}

/**
 * Locks on the bytes of a lock file, each call bounded in time. Even a lock call that is not to wait can hang in the kernel, while an NFS
 * server is away or in its grace period: then the request is told at its deadline, and the thread comes back when it can.
 */
export type ByteLocks = {
  /** One try; true when it is held now. Throws SlowDown at the deadline. */
  take(descriptor: Descriptor, wanted: WantedByte): Promise<boolean>
  /** Never throws: a byte that cannot be let go stays with this process, whose next holder simply takes it again. */
  drop(descriptor: Descriptor, offset: bigint): Promise<void>
}

/** How long a request that has done its work waits for its lock to be let go. */
const dropMs = 1000

export function byteLocks(calls: Pick<FileCalls, 'lock'>): ByteLocks {
  /** Calls that did not come back in time. Until they do nobody of this process asks for the byte: theirs would change the new holder's. */
  const hanging = new Map<bigint, Promise<void>>()

  async function bounded(offset: bigint, deadline: number, call: () => Promise<boolean>, undo: () => Promise<unknown>) {
    const before = hanging.get(offset)
    if (before !== undefined && (await isLate(before, deadline))) throw writtenBySomebodyElse()
    const tried = call()
    if (!(await isLate(tried, deadline))) return tried
    const over = tried
      .then((held) => (held ? undo() : undefined))
      .catch(() => undefined)
      .then(() => void hanging.delete(offset))
    hanging.set(offset, over)
    throw writtenBySomebodyElse()
  }

  return {
    take: (descriptor, { offset, mode, deadline }) =>
      bounded(
        offset,
        deadline,
        () => calls.lock(descriptor, offset, mode),
        () => calls.lock(descriptor, offset, 'none'),
      ),
    async drop(descriptor, offset) {
      const dropped = () => calls.lock(descriptor, offset, 'none')
      await bounded(offset, Date.now() + dropMs, dropped, async () => undefined).catch(() => undefined)
    },
  }
}

/** Settled, either way, is not late. */
async function isLate(promise: Promise<unknown>, deadline: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<true>((resolve) => {
    timer = setTimeout(() => resolve(true), Math.max(0, deadline - Date.now()) + 1)
  })
  const settled = promise.then(
    () => false,
    () => false,
  )
  const answer = await Promise.race([settled, late])
  clearTimeout(timer)
  return answer
}
