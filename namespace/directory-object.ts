import type { FileCalls } from './files.ts'
import { directoryRecord } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { join, recordAttribute, temporaryName } from './layout.ts'
import { directoryStat } from './object-stat.ts'
import { type Place, within } from './place.ts'
import { isMade, madeMark, type StoredRecord } from './record.ts'
import { removeTemporaries } from './upload-temporaries.ts'
import type { ObjectStat } from './verbs.ts'

/**
 * A key ending in '/' without bytes is the directory itself carrying a record, so that file users see an empty directory they can
 * remove. Both under the key's exclusive lock.
 */

/** undefined: the record has no room on the directory (or the mount no attributes); then the key is the file `dir/.%e`. */
export async function writeDirectoryObject(
  place: Place,
  key: string,
  record: StoredRecord,
): Promise<ObjectStat | undefined> {
  const { root, records } = place
  return withDirectory(place, key, async (calls, descriptor) => {
    const before = await calls.readAttribute(descriptor, recordAttribute)
    await settleUpload(place, key, before)
    const made = isMade(before)
    const complete = made ? { ...record, made: true } : record
    const value = records.encode(complete)
    if (value.length > root.capabilities.attributeBytesMax) return undefined
    await calls.writeAttribute(descriptor, recordAttribute, value)
    await flushRecord(place, key, descriptor)
    return directoryStat(place.bucket.name, key, { record: complete, trusted: true })
  })
}

/** The directory stays, and is no key any more. false: it was none. */
export async function removeDirectoryObject(place: Place, key: string): Promise<boolean> {
  const { directory } = keyPath(key)
  if (directory === undefined) return false
  const want = { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false }
  const found = await place.calls.find(within(place, directory), want)
  const attribute = found?.stat.type === 'directory' ? found.attribute : undefined
  if (attribute === undefined || !attribute.includes('"mac"')) return false
  await settleUpload(place, key, attribute)
  return withDirectory(place, key, async (calls, descriptor) => {
    if (isMade(attribute)) await calls.writeAttribute(descriptor, recordAttribute, madeMark)
    else await calls.removeAttribute(descriptor, recordAttribute)
    await flushRecord(place, key, descriptor)
    return true
  })
}

/**
 * For fsync of a directory an NFS client asks the server for nothing, and Linux's server answers for an attribute before it is on its disk: a
 * DELETE of `a/` that had been acknowledged was undone by a loss of power. A name that is made there is flushed, with all that came before it.
 */
async function flushRecord(place: Place, key: string, descriptor: number): Promise<void> {
  const { calls, options, root } = place
  if (!options.flush) return
  await calls.flush(descriptor)
  // Not a file system of this machine.
  if (!root.locksExpire) return
  const name = temporaryName(options.now(), options.nonce())
  const path = within(place, join(keyPath(key).directory ?? '', name))
  await calls.close(await calls.create(path, 0o600, true))
  await calls.unlink(path)
}

/** What takes the place of an object that a Complete published, and may have been killed over: see removeTemporaries. */
async function settleUpload(place: Place, key: string, attribute: Buffer | undefined): Promise<void> {
  const read = directoryRecord(place, attribute)
  if (read?.trusted === true && read.record.uploadId !== undefined)
    await removeTemporaries(place, key, read.record.uploadId)
}

async function withDirectory<Result>(
  place: Place,
  key: string,
  work: (calls: FileCalls, descriptor: number) => Promise<Result>,
): Promise<Result> {
  const { calls } = place
  const descriptor = await calls.open(within(place, keyPath(key).directory ?? ''), 'directory')
  try {
    return await work(calls, descriptor)
  } finally {
    await calls.close(descriptor)
  }
}
