/**
 * When a key was used last: the mtime of `<access key id>.used` beside its record, by the clock of the worker that served the request.
 *
 * A worker writes it when the time it knows of is older than `everyMs`, and when it leaves. So what is shown is never too late and less than
 * `everyMs` too early, also when the worker is killed, and however many workers and machines there are: an mtime cannot be half written,
 * nobody sets it back, and the record of the key is not touched.
 */

import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { ReportProblem } from '../directory/directory.ts'
import { exists, isErrno } from './durable-file.ts'
import { isSessionKeyId } from './sessions.ts'

export const KEY_USE_EVERY_MS = 600_000

export type KeyUse = {
  /** After a request whose signature was right. Never throws, never waits. */
  note(accessKeyId: string): void
  /** When what was noted so far has been written, where it was due. */
  settled(): Promise<void>
  /** Writes what was not due yet; waits for a tree that does not answer no longer than a moment. */
  close(): Promise<void>
}

export type KeyUseOptions = {
  /** Absolute; where the records of the keys lie. */
  readonly directory: string
  readonly everyMs?: number | undefined
  readonly leaveWithinMs?: number | undefined
  readonly now?: (() => Date) | undefined
  readonly problems?: ReportProblem | undefined
  /** For tests. Answers the moment that is recorded afterwards; undefined where there is no such key. */
  readonly write?: ((directory: string, accessKeyId: string, use: Use) => Promise<Date | undefined>) | undefined
}

/** `dueMs`: what is recorded and not older than that need not be written anew. */
type Use = { readonly at: Date; readonly dueMs: number }

/** Of one worker; a key that falls out is looked up again. */
const KEYS_MAX = 10_000
const LEAVE_WITHIN_MS = 2000

export function recordKeyUse(options: KeyUseOptions): KeyUse {
  const { directory, everyMs = KEY_USE_EVERY_MS, leaveWithinMs = LEAVE_WITHIN_MS, problems } = options
  const { now = () => new Date(), write = writeUse } = options
  const recorded = new LRUCache<string, number>({ max: KEYS_MAX })
  /** Used since it was written last. */
  const pending = new LRUCache<string, Date>({ max: KEYS_MAX })
  // One after the other: a tree that does not answer keeps one thread, not all.
  let writing: Promise<void> = Promise.resolve()
  let told = false

  function enqueue(accessKeyId: string, use: Use): void {
    writing = writing.then(async () => {
      try {
        const at = await write(directory, accessKeyId, use)
        if (at instanceof Date) recorded.set(accessKeyId, at.getTime())
      } catch (cause) {
        if (!told) problems?.({ what: 'the last use of access keys cannot be recorded', path: directory, cause })
        told = true
      }
    })
  }

  return {
    note(accessKeyId) {
      // Temporary keys have no record, and there may be many.
      if (isSessionKeyId(accessKeyId)) return
      const at = now()
      const dueMs = at.getTime() - everyMs
      const last = recorded.get(accessKeyId)
      if (last !== undefined && last > dueMs) {
        pending.set(accessKeyId, at)
        return
      }
      // At once, so that those which come while it is written do not write as well.
      recorded.set(accessKeyId, at.getTime())
      pending.delete(accessKeyId)
      enqueue(accessKeyId, { at, dueMs })
    },
    settled: () => writing,
    async close() {
      for (const [accessKeyId, at] of pending.entries()) enqueue(accessKeyId, { at, dueMs: at.getTime() - 1 })
      pending.clear()
      await Promise.race([writing, sleep(leaveWithinMs, undefined, { ref: false })])
    },
  }
}

/** undefined: no use is recorded. Up to KEY_USE_EVERY_MS before the last one. */
export async function findLastUse(directory: string, accessKeyId: string): Promise<Date | undefined> {
  try {
    return (await stat(usePathOf(directory, accessKeyId))).mtime
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

export const usePathOf = (directory: string, accessKeyId: string) => join(directory, `${accessKeyId}.used`)

const PLAIN_NAME = /^[A-Za-z0-9_-]+$/

async function writeUse(directory: string, accessKeyId: string, { at, dueMs }: Use): Promise<Date | undefined> {
  // A key may have been removed since.
  if (!PLAIN_NAME.test(accessKeyId) || !(await exists(join(directory, `${accessKeyId}.json`)))) return undefined
  const before = await findLastUse(directory, accessKeyId)
  if (before !== undefined && before.getTime() > dueMs) return before
  const file = await open(usePathOf(directory, accessKeyId), 'a', 0o600)
  try {
    await file.utimes(at, at)
  } finally {
    await file.close()
  }
  return at
}
