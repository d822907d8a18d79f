import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
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
    const mine = await lock.stat()
    await lock.close()
    // Not that of somebody who took ours for left behind.
    if ((await inodeAt(path)) === mine.ino) await rm(path, { force: true })
  }
}

async function take(path: string, givenUpAfterMs: number): Promise<FileHandle> {
  let seen: number | undefined
  let sinceMs = 0
  for (;;) {
    try {
      return await open(path, 'wx', 0o600)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
    }
    const there = await inodeAt(path)
    if (there !== seen) [seen, sinceMs] = [there, performance.now()]
    // By our own clock: the machine that left it may have another one.
    if (seen !== undefined && performance.now() - sinceMs > givenUpAfterMs) await putAside(path)
    await sleep(TRY_AGAIN_AFTER_MS)
  }
}

/** By rename: of two who find it left behind, one moves it, and the other finds nothing or tries again. */
async function putAside(path: string): Promise<void> {
  const aside = `${path}.${process.pid}`
  try {
    await rename(path, aside)
    await rm(aside, { force: true })
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

async function inodeAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
