import { pruneDirectories } from './directories.ts'
import { removeDirectoryObject } from './directory-object.ts'
import { isErrno } from './file-errors.ts'
import { findObject } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { parentOf } from './layout.ts'
import { type Place, requireBucket, within } from './place.ts'
import type { Precondition } from './verbs.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html; false: there was nothing. */
export async function removeObject(
  place: Place,
  key: string,
  precondition: Precondition | undefined,
): Promise<boolean> {
  const { path, alias, directory } = keyPath(key)
  const mode = precondition === undefined && directory === undefined ? 'shared' : 'exclusive'
  const removed = await place.locks.hold(key, mode, async () => {
    precondition?.((await findObject(place, key))?.stat)
    return removeLocked(place, key)
  })
  if (!removed) {
    await requireBucket(place)
    return false
  }
  // The alias of a long name lies in a chain of its own.
  for (const parent of new Set([parentOf(alias), parentOf(path)])) await pruneDirectories(place, key, parent)
  return true
}

/** The alias first: were the plain file removed first, a crash would let an older alias show up as the object. */
async function removeLocked(place: Place, key: string): Promise<boolean> {
  const { path, alias } = keyPath(key)
  const aside = await removeFile(place, alias)
  const record = await removeDirectoryObject(place, key)
  const plain = await removeFile(place, path)
  return aside || record || plain
}

/** Only regular files are objects: a link, fifo or directory of that name is left alone. */
async function removeFile(place: Place, path: string): Promise<boolean> {
  const full = within(place, path)
  if ((await place.calls.statPath(full))?.type !== 'file') return false
  const removed = await place.calls.unlink(full)
  if (removed && place.options.flush) await flushRemoval(place, parentOf(full))
  return removed
}

/**
 * Of two DELETEs in a directory the other one may have pruned it by now: the removal of the directory, which its parent keeps, is then that
 * of the file.
 */
async function flushRemoval(place: Place, directory: string): Promise<void> {
  for (let path = directory; ; path = parentOf(path)) {
    try {
      return await place.calls.flushDirectory(path)
    } catch (error) {
      if (path === '' || !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
}
