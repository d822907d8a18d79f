import { isErrno } from './file-errors.ts'
import type { Stat } from './files.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { armedName, fencedSuffix, join, nameOf, parentOf, putSuffix, recordAttribute, takenSuffix } from './layout.ts'
import { objectStat } from './object-stat.ts'
import { type Place, within } from './place.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/**
 * A lost lock must not publish. On NFS a machine that is cut off or paused for longer than the server's lease loses its locks and is not told:
 * the rename that it sends afterwards succeeds. So a writer that has looked before it writes (a precondition, a copy onto itself) can be stopped
 * by whoever holds the lock after it:
 *
 *     look → rename the temporary into the key's armed directory → ask for the lock again → look again → rename from there to the plain path
 *
 * and every writer of the key, once it has the lock, first takes away what it finds armed. The rename of the paused one then says ENOENT. File
 * by file, not by moving the directory: a rename that the kernel sends again after a cut names the directory by its handle, not by its path.
 *
 * In the key's own directory (`.s3-armed-<hash of the key>/`), so that mounts inside a bucket and quotas hold. Where locks cannot be lost
 * (file systems of this machine) none of this happens.
 */
export async function fence(place: Place, key: string): Promise<void> {
  for (const path of await listArmed(place, key)) {
    // Kept, not removed: it may be the assembly of an upload, which is still pending then.
    if (path.endsWith(putSuffix)) await renamed(place, path, fencedOf(path))
    else if (path.endsWith(takenSuffix)) await settleTaken(place, path, key)
  }
}

/** What lies armed or fenced for the key; nothing where locks cannot be lost. */
export async function listArmed(place: Place, key: string): Promise<readonly string[]> {
  if (!place.root.locksExpire) return []
  const lists = await Promise.all(
    armedDirectories(place, key).map(async (directory) =>
      (await namesIn(place, directory)).map((name) => join(directory, name)),
    ),
  )
  return lists.flat()
}

export type Armed = { readonly path: string; readonly fencedPath: string }

/** Where `temporary` would be armed, this time. */
export function armedPaths(place: Place, key: string, temporary: string): Armed {
  const path = join(
    armedDirectory(key, parentOf(temporary)),
    `${nameOf(temporary)}.${place.options.nonce()}${putSuffix}`,
  )
  return { path, fencedPath: fencedOf(path) }
}

/**
 * Runs `work` with the temporary armed; `judge` looks again, and throws. When anything throws, the temporary is back at its own name. Throws
 * SlowDown when the lock was lost.
 */
export async function withArmed<Result>(
  place: Place,
  { temporary, armed, held }: { readonly temporary: string; readonly armed: Armed; readonly held: Held },
  judge: () => Promise<void>,
  work: () => Promise<Result>,
): Promise<Result> {
  const directory = parentOf(armed.path)
  try {
    await inDirectory(place, directory, () => place.calls.rename(temporary, armed.path))
    if (!(await held.again())) throw writtenBySomebodyElse()
    await judge()
    return await work()
  } catch (error) {
    const isBack = (await renamed(place, armed.path, temporary)) || (await renamed(place, armed.fencedPath, temporary))
    if (isBack && isErrno(error, 'ENOENT')) throw writtenBySomebodyElse(error)
    throw error
  } finally {
    await removeIfEmpty(place, directory)
  }
}

/**
 * Removes the file at `path`, if it still is the one that `expected` was taken of; another one stays, and SlowDown is thrown. A removal cannot be
 * fenced as a publication can: so the file is taken aside, looked at, and put back when it is another one.
 */
export async function removeSame(place: Place, key: string, path: string, expected: Stat): Promise<void> {
  const directory = armedDirectory(key, parentOf(path))
  const taken = join(directory, `${place.options.nonce()}.${generationOf(expected)}${takenSuffix}`)
  await inDirectory(place, directory, () => place.calls.makeDirectory(taken, 0o777))
  const isTaken = await renamed(place, path, join(taken, nameOf(path)))
  const isRemoved = await settleTaken(place, taken, key)
  await removeIfEmpty(place, directory)
  if (!isTaken || !isRemoved) throw writtenBySomebodyElse()
}

/** What identifies the bytes of a file between two looks. */
export const isSame = (one: Stat, other: Stat): boolean => generationOf(one) === generationOf(other)

const generationOf = ({ inode, mtimeNs, sizeBytes }: Stat): string => `${inode}-${mtimeNs}-${sizeBytes}`

/**
 * Ends a removal, one's own or one that was cut off: the name says which file was judged, so what was taken was rightly removed, or goes where it
 * was, unless something newer is there (`key`: also beside a directory of that name). true: it was removed by this very call.
 */
export async function settleTaken(place: Place, taken: string, key?: string): Promise<boolean> {
  let isRemoved = false
  for (const name of await namesIn(place, taken)) {
    const aside = join(taken, name)
    const stat = await place.service.statPath(aside)
    if (stat === undefined) continue
    const isJudged = await wasJudged(place, taken, aside, stat)
    if (!isJudged) await putBack(place, aside, join(parentOf(parentOf(taken)), name), key)
    isRemoved = (await place.calls.unlink(aside)) && isJudged
  }
  await removeIfEmpty(place, taken)
  return isRemoved
}

/**
 * The generation in the name, or the same file rewritten in place since: a file user takes no lock and is replaced unseen. An object of another S3
 * client may have been given the same inode, but has a record that fits.
 */
async function wasJudged(place: Place, taken: string, aside: string, stat: Stat): Promise<boolean> {
  if (taken.endsWith(`.${generationOf(stat)}${takenSuffix}`)) return true
  if (!nameOf(taken).includes(`.${stat.inode}-`)) return false
  const found = await place.service.find(aside, { attribute: recordAttribute, bodyBytesMax: -1, keepOpen: false })
  return (
    found !== undefined && objectStat(place.bucket.name, aside, found.stat, await place.records.read(found)).foreign
  )
}

async function putBack(place: Place, aside: string, path: string, key: string | undefined): Promise<void> {
  if ((await linked(place, aside, path)) || key === undefined) return
  if ((await place.calls.statPath(path))?.type === 'directory')
    await linked(place, aside, within(place, keyPath(key).alias))
}

const fencedOf = (path: string): string => path.slice(0, -putSuffix.length) + fencedSuffix

const armedDirectory = (key: string, parent: string): string => join(parent, armedName(key))

/** Two only where the alias of a long name lies in a chain of its own. */
function armedDirectories(place: Place, key: string): readonly string[] {
  const { path, alias } = keyPath(key)
  return [...new Set([path, alias].map((each) => armedDirectory(key, parentOf(within(place, each)))))]
}

async function namesIn(place: Place, directory: string): Promise<readonly string[]> {
  try {
    // The directory may be another user's, who had the key before.
    const scan = await place.service.scan(directory)
    const names = Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8'))
    // What an NFS client keeps for who has the file open is nobody's to take.
    return names.filter((name) => !name.startsWith('.nfs'))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return []
    throw error
  }
}

/** Runs `work` with the armed directory there: it goes with whoever finds it empty. */
async function inDirectory(place: Place, directory: string, work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await place.calls.makeDirectory(directory, 0o777)
    try {
      await work()
      return
    } catch (error) {
      const isClosed = isErrno(error, 'EACCES') && (await isOthers(place, directory))
      if (!isClosed && !isErrno(error, 'ENOENT')) throw error
      if (attempt === 3) throw writtenBySomebodyElse(error)
      if (isClosed) await clearArmed(place, directory)
    }
  }
}

async function isOthers(place: Place, directory: string): Promise<boolean> {
  if (place.posix === undefined) return false
  const stat = await place.service.statPath(directory)
  return stat !== undefined && stat.uid !== place.posix.uid
}

/**
 * Where the file system decides too, and another user has made the directory: nobody else can write in it, and on NFS it may outlive its use. Under the
 * key's lock, so nothing in it is armed any more (`fence`); what is fenced goes back to its own name, by right of whoever has made it.
 */
async function clearArmed(place: Place, directory: string): Promise<void> {
  for (const name of await namesIn(place, directory)) {
    const own = join(parentOf(directory), name.replace(/\.[^.]+\.fenced$/, ''))
    if (name.endsWith(fencedSuffix) && (await place.service.statPath(own)) === undefined)
      await renamed(place, join(directory, name), own)
  }
  await removeIfEmpty(place, directory)
}

/** false: there was nothing. */
async function renamed(place: Place, source: string, target: string): Promise<boolean> {
  try {
    await place.calls.rename(source, target)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

/** false: something has that name. */
async function linked(place: Place, source: string, target: string): Promise<boolean> {
  try {
    await place.calls.link(source, target)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST', 'ENOENT')) return false
    throw error
  }
}

/** What a writer that was killed leaves, and nothing is armed in. */
export async function removeArmedDirectories(place: Place, key: string): Promise<void> {
  if (!place.root.locksExpire) return
  for (const directory of armedDirectories(place, key)) await removeIfEmpty(place, directory)
}

/** The next writer's too may be in it. */
async function removeIfEmpty(place: Place, directory: string): Promise<void> {
  await place.calls.removeDirectory(directory).catch(() => false)
}
