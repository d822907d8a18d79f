import { pruneDirectories } from './directories.ts'
import { removeDirectoryObject } from './directory-object.ts'
import { fence, isSame, removeSame } from './fence.ts'
import { isErrno } from './file-errors.ts'
import type { Stat } from './files.ts'
import { findObject, type Located } from './find-object.ts'
import { invalidVersionId } from './find-version.ts'
import { flushRemoval } from './flush-removal.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { parentOf, recordAttribute } from './layout.ts'
import { type Place, requireBucket, seenByService, within } from './place.ts'
import { hideObject, type RemoveOptions, removeVersion } from './remove-version.ts'
import { withTemporary } from './temporary.ts'
import { removeTemporaries } from './upload-temporaries.ts'
import type { Precondition, Removed } from './verbs.ts'
import { nullVersion } from './version-name.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html */
export async function removeObject(
  place: Place,
  key: string,
  versionId: string | undefined,
  options: RemoveOptions,
): Promise<Removed> {
  const { precondition } = options
  const { path, alias, directory } = keyPath(key)
  const mode = precondition === undefined && directory === undefined ? 'shared' : 'exclusive'
  const removed =
    (await place.locks.hold(key, mode, async () => {
      if ((await place.versioning()) !== undefined) return undefined
      if (versionId !== undefined && versionId !== nullVersion) throw invalidVersionId(versionId)
      const changed = await removeUnversioned(place, key, precondition)
      return { changed, versionId, deleteMarker: false }
    })) ?? (await removeVersioned(place, key, versionId, options))
  if (!removed.changed) {
    await requireBucket(place)
    return removed
  }
  // The alias of a long name lies in a chain of its own.
  for (const parent of new Set([parentOf(alias), parentOf(path)])) await pruneDirectories(place, key, parent)
  return removed
}

async function removeVersioned(
  place: Place,
  key: string,
  versionId: string | undefined,
  options: RemoveOptions,
): Promise<Removed> {
  const remove = async (held: Held): Promise<Removed | undefined> => {
    const status = await place.versioning()
    // Deleted with its bucket.
    if (status === undefined) throw writtenBySomebodyElse()
    return versionId === undefined
      ? hideObject(place, key, status, options.precondition, held)
      : removeVersion(place, key, versionId, options, held)
  }
  const removed = await place.locks.hold(key, 'exclusive', remove)
  if (removed !== undefined) return removed
  // What is there cannot be pruned.
  const { again } = await withTemporary(place, key, keyPath(key).path, async () => {
    const again = await place.locks.hold(key, 'exclusive', remove)
    if (again === undefined) throw writtenBySomebodyElse()
    return { again, consumed: false }
  })
  return again
}

async function removeUnversioned(place: Place, key: string, precondition: Precondition | undefined): Promise<boolean> {
  await fence(place, key)
  if (precondition === undefined) return removeLocked(place, key)
  const judged = place.root.locksExpire ? await statFiles(place, key) : undefined
  const current = await findObject(seenByService(place), key)
  precondition(current?.stat)
  // Between the two looks somebody wrote: what was judged is not what would be removed.
  if (judged !== undefined && current !== undefined && current.kind !== 'directory') requireSame(judged, current)
  return removeLocked(place, key, judged)
}

/** The alias first: were the plain file removed first, a crash would let an older alias show up as the object. */
async function removeLocked(place: Place, key: string, judged?: Judged): Promise<boolean> {
  const { path, alias } = keyPath(key)
  const aside = await removeFile(place, key, alias, judged)
  const record = await removeDirectoryObject(place, key)
  const plain = await removeFile(place, key, path, judged)
  return aside || record || plain
}

/** What lay at the paths of a key when it was judged, by path: nothing else is removed where locks can be lost. */
type Judged = ReadonlyMap<string, Stat>

async function statFiles(place: Place, key: string): Promise<Judged> {
  const { path, alias } = keyPath(key)
  const found = new Map<string, Stat>()
  for (const full of [within(place, alias), within(place, path)]) {
    const stat = await place.calls.statPath(full)
    if (stat !== undefined) found.set(full, stat)
  }
  return found
}

function requireSame(judged: Judged, { path, found }: Located): void {
  const stat = judged.get(path)
  if (stat === undefined || !isSame(stat, found.stat)) throw writtenBySomebodyElse()
}

/** Only regular files are objects: a link, fifo or directory of that name is left alone. */
async function removeFile(place: Place, key: string, path: string, judged: Judged | undefined): Promise<boolean> {
  const full = within(place, path)
  const stat = judged === undefined ? await place.calls.statPath(full) : judged.get(full)
  if (stat?.type !== 'file') return false
  if (stat.links > 1) await settleUpload(place, key, full)
  let removed = true
  if (judged === undefined) removed = await place.calls.unlink(full)
  else await removeSame(place, key, full, stat)
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
