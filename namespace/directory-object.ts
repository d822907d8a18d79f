import type { FileCalls } from './files.ts'
import { directoryRecord } from './find-object.ts'
import { flushAttribute } from './flush-attribute.ts'
import { keyPath } from './key-path.ts'
import { recordAttribute } from './layout.ts'
import { directoryStat } from './object-stat.ts'
import { type Place, within } from './place.ts'
import { isMade, madeMark, type StoredRecord } from './record.ts'
import { removeTemporaries } from './upload-temporaries.ts'
import type { ObjectStat } from './verbs.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/**
 * A key ending in '/' without bytes is the directory itself carrying a record, so that file users see an empty directory they can
 * remove. Both under the key's exclusive lock.
 */

/**
 * undefined: the record has no room on the directory (or the mount no attributes); then the key is the file `dir/.%e`. With `replaces` only where this
 * very value is still there, SlowDown else: a file user may have made another directory of the name.
 */
export async function writeDirectoryObject(
  place: Place,
  key: string,
  record: StoredRecord,
  replaces?: Buffer,
): Promise<ObjectStat | undefined> {
  const { root, records } = place
  return withDirectory(place, key, async (calls, descriptor) => {
    const before = await calls.readAttribute(descriptor, recordAttribute)
    if (replaces !== undefined && before?.equals(replaces) !== true) throw writtenBySomebodyElse()
    await settleUpload(place, key, before)
    const made = isMade(before)
    const complete = made ? { ...record, made: true } : record
    const value = records.encode(complete)
    if (value.length > root.capabilities.attributeBytesMax) return undefined
    await calls.writeAttribute(descriptor, recordAttribute, value)
    await flushAttribute(place, directoryOf(place, key), descriptor)
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
    await flushAttribute(place, directoryOf(place, key), descriptor)
    return true
  })
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
  const descriptor = await calls.open(directoryOf(place, key), 'directory')
  try {
    return await work(calls, descriptor)
  } finally {
    await calls.close(descriptor)
  }
}

const directoryOf = (place: Place, key: string): string => within(place, keyPath(key).directory ?? '')
