import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrno } from './durable-file.ts'

const TRY_AGAIN_AFTER_MS = 20
/** What is done under a lock takes milliseconds; whoever holds it that long has been killed. */
const GIVEN_UP_AFTER_MS = 30_000

/**
 * One at a time, on whichever machine: a file made with O_EXCL beside what is changed, gone afterwards.
 *
 * A record of a key is read, changed and replaced. Without this, `disable` between the reading and the replacing of a `rekey` would be undone,
 * and a key that was removed would come back. Requests only read and never wait here.
 */
export async function exclusively<Result>(
  path: string,
  work: () => Promise<Result>,
  givenUpAfterMs = GIVEN_UP_AFTER_MS,
): Promise<Result> {
  const lock = await take(path, givenUpAfterMs)
  try {
    return await work()
  } finally {
    const mine = markOf(await lock.stat({ bigint: true }))
    await lock.close()
    // Not that of somebody who took ours for left behind.
    if ((await markAt(path)) === mine) await rm(path, { force: true })
  }
}

async function take(path: string, givenUpAfterMs: number): Promise<FileHandle> {
  let seen: string | undefined
  let sinceMs = 0
  for (;;) {
    try {
      return await open(path, 'wx', 0o600)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    const there = await markAt(path)
    if (there !== seen) [seen, sinceMs] = [there, performance.now()]
    // By our own clock: the machine that left it may have another one.
    if (seen !== undefined && performance.now() - sinceMs > givenUpAfterMs) await putAside(path, seen)
    await sleep(TRY_AGAIN_AFTER_MS)
  }
}

/**
 * Two find it left behind; the one moves it away and takes the lock, and then the other moves: that is no longer what it had seen, so it
 * is put back.
 */
async function putAside(path: string, mark: string): Promise<void> {
  const aside = `${path}.${randomBytes(8).toString('hex')}`
  try {
    await rename(path, aside)
    if ((await markAt(aside)) !== mark) await link(aside, path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EEXIST')) throw error
  } finally {
    await rm(aside, { force: true })
  }
}

/** The time as well: inodes are used again. */
const markOf = ({ ino, mtimeNs }: { readonly ino: bigint; readonly mtimeNs: bigint }) => `${ino} ${mtimeNs}`

async function markAt(path: string): Promise<string | undefined> {
  try {
    return markOf(await stat(path, { bigint: true }))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
