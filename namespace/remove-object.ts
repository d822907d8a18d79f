import { pruneDirectories } from './directories.ts'
import { removeDirectoryObject } from './directory-object.ts'
import { isErrno } from './file-errors.ts'
import { findObject } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { parentOf, recordAttribute } from './layout.ts'
import { type Place, requireBucket, within } from './place.ts'
import { removeTemporaries } from './upload-temporaries.ts'
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
  const aside = await removeFile(place, key, alias)
  const record = await removeDirectoryObject(place, key)
  const plain = await removeFile(place, key, path)
  return aside || record || plain
}

/** Only regular files are objects: a link, fifo or directory of that name is left alone. */
async function removeFile(place: Place, key: string, path: string): Promise<boolean> {
  const full = within(place, path)
  const stat = await place.calls.statPath(full)
  if (stat?.type !== 'file') return false
  if (stat.links > 1) await settleUpload(place, key, full)
  const removed = await place.calls.unlink(full)
  if (removed && place.options.flush) await flushRemoval(place, parentOf(full))
  return removed
}

/** The second name may be an upload's temporary: its Complete was cut off between `link` and `unlink`. See removeTemporaries. */
async function settleUpload(place: Place, key: string, full: string): Promise<void> {
  const want = { attribute: recordAttribute, bodyBytesMax: -1, keepOpen: false }
  const found = await place.service.find(full, want).catch((error: unknown) => {
    // To be removed, a file need not be readable.
    if (isErrno(error, 'EACCES')) return undefined
    throw error
  })
  const read = found && (await place.records.read(found))
  if (read?.trusted === true && read.record.uploadId !== undefined)
    await removeTemporaries(place, key, read.record.uploadId)
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
