import { amendable } from './amendable.ts'
import { writeDirectoryObject } from './directory-object.ts'
import { NamespaceError } from './errors.ts'
import { fence } from './fence.ts'
import { isErrno } from './file-errors.ts'
import type { Descriptor } from './files.ts'
import { closeFound, type Located } from './find-object.ts'
import { flushAttribute } from './flush-attribute.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { parentOf, recordAttribute } from './layout.ts'
import { fits, objectStat } from './object-stat.ts'
import { readObject } from './open-object.ts'
import type { Place } from './place.ts'
import { publishLocked, requireDone } from './publish.ts'
import type { StoredRecord } from './record.ts'
import { noRoomForAttribute } from './record-store.ts'
import { withTemporary } from './temporary.ts'
import type { Amendable, ObjectStat } from './verbs.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

type Change = (stat: ObjectStat) => Amendable

/**
 * What of an object can be changed without another version of it: the record is read and written through one descriptor, that of the version that was
 * looked at, under the key's exclusive lock.
 *
 * A machine that was cut off and has lost its lock cannot be fenced here as a writer is that renames (fence.ts). What protects is the descriptor: whoever
 * has put or deleted the key meanwhile has put or deleted the name, and what is written late goes to the version that was looked at, never to a newer one.
 * Against another amendment of the very same version there is the second look; between that and the write, one of two amendments may be lost.
 */
export function amendObject(
  place: Place,
  key: string,
  versionId: string | undefined,
  change: Change,
): Promise<ObjectStat> {
  return place.locks.hold(key, 'exclusive', async (held) => {
    await fence(place, key)
    const located = await readObject(place, key, versionId, { bodyBytesMax: -1, keepOpen: true })
    try {
      if (located.kind === 'directory') return await amendDirectory(place, key, located, change, held)
      return await amendFile(place, key, located, change, held)
    } finally {
      await closeFound(place.calls, located.found)
    }
  })
}

async function amendFile(place: Place, key: string, located: Located, change: Change, held: Held): Promise<ObjectStat> {
  const { descriptor } = located.found
  if (descriptor === undefined) throw new Error('asked to stay open, and without a body')
  const record = amended(recordOf(located), change(located.stat))
  await requireUnamended(place, located, descriptor, held)
  await writeRecord(place, located, descriptor, record)
  await flushAttribute(place, parentOf(located.path), descriptor)
  // A file user who rewrote it meanwhile: the record names the size and time that were looked at, so it says nothing of the new bytes.
  const after = await place.calls.stat(descriptor)
  const stat = objectStat(place.bucket.name, key, after, { record, trusted: true })
  return { ...stat, versionId: located.stat.versionId }
}

/**
 * The record that describes these bytes. Where there is none (a file user's), what S3 said of it so far is frozen into one: the ETag of a foreign
 * file is made of its ctime, too, which the attribute moves.
 */
function recordOf({ stat, record: read, found }: Located): StoredRecord {
  const believed = read?.trusted === true ? read.record : undefined
  if (believed !== undefined && fits(believed, found.stat)) return believed
  const { checksum: _checksum, parts: _parts, partChecksums: _partChecksums, ...lasting } = believed ?? {}
  return {
    ...lasting,
    v: 1,
    kind: 'object',
    sizeBytes: found.stat.sizeBytes,
    mtimeNs: found.stat.mtimeNs.toString(),
    eTag: stat.eTag,
    owner: stat.owner,
    headers: stat.headers,
    metadata: stat.metadata,
  }
}

function amended({ tags, acl, retention, legalHold, ...kept }: StoredRecord, to: Amendable): StoredRecord {
  return { ...kept, ...amendable(to) }
}

/** Throws SlowDown when the lock was lost, and when somebody had it meanwhile and amended: see above. */
async function requireUnamended(place: Place, { found }: Located, descriptor: Descriptor, held: Held): Promise<void> {
  if (!place.root.locksExpire) return
  if (!(await held.again())) throw writtenBySomebodyElse()
  const before = found.attribute
  const now = await place.calls.readAttribute(descriptor, recordAttribute)
  if (before === undefined ? now !== undefined : now?.equals(before) !== true) throw writtenBySomebodyElse()
}

/** Into the attribute in one call; where it has no room, into the side-car, which counts from the moment that the attribute is gone. */
async function writeRecord(
  place: Place,
  { found }: Located,
  descriptor: Descriptor,
  record: StoredRecord,
): Promise<void> {
  const { calls, records } = place
  // By the time that the record names: a rewrite since has made it void, wherever it lies.
  const attribute = await records.prepare(record, found.stat)
  try {
    if (attribute !== undefined) {
      await calls.writeAttribute(descriptor, recordAttribute, attribute)
      // One of before would count again if a file user removed the attribute.
      if (found.attribute === undefined) await records.removeSidecar(found.stat)
      return
    }
  } catch (error) {
    if (!noRoomForAttribute(error)) throw error
    await records.writeSidecar(record, found.stat)
  }
  if (found.attribute !== undefined) await calls.removeAttribute(descriptor, recordAttribute)
}

/** A key ending in '/' without bytes; it becomes the file `dir/.%e` where the new record has no room on the directory. */
async function amendDirectory(
  place: Place,
  key: string,
  { stat, found, record: read }: Located,
  change: Change,
  held: Held,
): Promise<ObjectStat> {
  if (read === undefined) throw new Error('a directory is a key by its record alone')
  const record = amended(read.record, change(stat))
  if (place.root.locksExpire && !(await held.again())) throw writtenBySomebodyElse()
  const inPlace = await writeDirectoryObject(place, key, record, found.attribute).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new NamespaceError('NoSuchKey', { Key: key })
    throw error
  })
  if (inPlace !== undefined) return inPlace
  const { eTag, headers, metadata, owner, checksum, uploadId } = record
  const content = {
    ...{ eTag, headers, metadata, owner },
    ...(checksum && { checksum }),
    ...(uploadId !== undefined && { uploadId }),
    ...amendable(record),
  }
  const lastModifiedMs = stat.lastModified.getTime()
  const published = await withTemporary(place, key, keyPath(key).path, async (temporary) =>
    requireDone(await publishLocked(place, { key, temporary, content, lastModifiedMs }, 'exclusive', held)),
  )
  return published.stat
}
