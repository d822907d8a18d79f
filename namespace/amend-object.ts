import { amendable } from './amendable.ts'
import { writeDirectoryObject } from './directory-object.ts'
import { NamespaceError } from './errors.ts'
import { fence } from './fence.ts'
import { isErrno } from './file-errors.ts'
import { type Descriptor, FileError, type Found } from './files.ts'
import { closeFound, findObject, type Located } from './find-object.ts'
import { flushAttribute } from './flush-attribute.ts'
import { frozenRecord } from './frozen-record.ts'
import { identityOf } from './history.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { nameOf, parentOf, recordAttribute } from './layout.ts'
import { requireNotLinkedElsewhere } from './linked-file.ts'
import { objectStat } from './object-stat.ts'
import { readObject } from './open-object.ts'
import { type Place, seenByService } from './place.ts'
import { publishLocked, requireDone } from './publish.ts'
import type { StoredRecord } from './record.ts'
import { noRoomForAttribute } from './record-store.ts'
import { withTemporary } from './temporary.ts'
import type { Amendable, ObjectStat } from './verbs.ts'
import { cloneVersion, findClone, isProtected } from './version-clone.ts'
import { parseVersionName, type VersionEntry } from './version-name.ts'
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
    const target = await locate(place, key, versionId)
    try {
      await requireNotLinkedElsewhere(place, key, target)
      if (target.kind === 'directory') return await amendDirectory(place, key, target, change, held)
      return { ...(await amendFile(place, key, target, change, held)), versionId: versionId ?? target.stat.versionId }
    } finally {
      await closeFound(place.calls, target.found)
    }
  })
}

/** `entry`: of an older version. */
type Target = Located & { readonly entry: VersionEntry | undefined }

const opened = { bodyBytesMax: -1, keepOpen: true }

async function locate(place: Place, key: string, versionId: string | undefined): Promise<Target> {
  const current = await findObject(place, key, opened).catch((error: unknown) => {
    // Whoever may not read the current version may amend one of before it all the same.
    if (versionId === undefined || !isErrno(error, 'EACCES')) throw error
    return undefined
  })
  if (current !== undefined && (versionId === undefined || identityOf(current).versionId === versionId))
    return { ...current, entry: undefined }
  if (current !== undefined) await closeFound(place.calls, current.found)
  const older = await readObject(place, key, versionId, opened)
  return { ...older, entry: parseVersionName(nameOf(older.path)) }
}

async function amendFile(place: Place, key: string, target: Target, change: Change, held: Held): Promise<ObjectStat> {
  const descriptor = descriptorOf(target)
  const isVersioned = (await place.versioning()) !== undefined
  const clone = isVersioned && target.entry === undefined ? await findClone(place, key, target, opened) : undefined
  try {
    await requireMayWriteFile(place, target, descriptor)
    const to = change((clone ?? target).stat)
    const record = amended(frozenRecord(target), to)
    await requireUnamended(place, target, descriptor, held)
    // One that was published by a writer who was killed there may have none yet.
    const hasClone = clone !== undefined || (target.entry !== undefined && isProtected(target.stat))
    const needsClone = isVersioned && isProtected(to) && !hasClone
    // What protects comes first, and lies where no user can write (version-clone.ts).
    if (clone !== undefined) await writeRecord(seenByService(place), clone, amended(frozenRecord(clone), to))
    else if (needsClone) await cloneVersion(place, key, target.entry ?? identityOf(target), { descriptor, record })
    // The clone of an older version is what it is from now on.
    if (target.entry === undefined) await writeRecord(place, target, record)
    else if (!needsClone) await writeRecord(seenByService(place), target, record)
    // A file user who rewrote it meanwhile: the record names the size and time that were looked at, so it says nothing of the new bytes.
    const after = await place.calls.stat(descriptor)
    return objectStat(place.bucket.name, key, after, { record, trusted: true })
  } finally {
    if (clone !== undefined) await closeFound(place.service, clone.found)
  }
}

/**
 * Where the file system decides who may do what: to amend is to write to the file, also where the record has no room on it and goes into a side-car of the
 * service's. What protects a version is the service's file. Throws FileError EACCES.
 */
async function requireMayWriteFile(
  { posix, calls }: Place,
  { path, found }: Located,
  descriptor: Descriptor,
): Promise<void> {
  if (posix === undefined || found.stat.uid === process.geteuid?.()) return
  if (!(await calls.may(descriptor, 'write'))) throw new FileError('EACCES', 'faccessat2', path)
}

function descriptorOf({ found }: Located): Descriptor {
  if (found.descriptor === undefined) throw new Error('asked to stay open, and without a body')
  return found.descriptor
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
async function writeRecord(place: Place, located: Located, record: StoredRecord): Promise<void> {
  const descriptor = descriptorOf(located)
  await putRecord(place, located.found, descriptor, record)
  await flushAttribute(place, parentOf(located.path), descriptor)
}

async function putRecord(place: Place, found: Found, descriptor: Descriptor, record: StoredRecord): Promise<void> {
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
