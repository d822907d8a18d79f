import {
  archive,
  copyVersion,
  nextIdentity,
  pruneVersions,
  removeNulls,
  type Settled,
  settle,
  unlinkEntry,
  writeMarker,
} from './archive-version.ts'
import { makeDirectories } from './directories.ts'
import { removeDirectoryObject } from './directory-object.ts'
import { armedPaths, fence, isSame, removeSame, withArmed } from './fence.ts'
import { isErrno } from './file-errors.ts'
import { findObject, type Located } from './find-object.ts'
import { entryPath, findEntry, invalidVersionId, type LocatedVersion } from './find-version.ts'
import { type History, identityOf } from './history.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { join, parentOf, temporaryName } from './layout.ts'
import { refuseLocked } from './object-lock.ts'
import { type Place, within } from './place.ts'
import { ownerOf } from './publish.ts'
import { removeTemporaries } from './upload-temporaries.ts'
import type { ObjectStat, Precondition, Removed, VersioningDocument } from './verbs.ts'
import { findClone, isProtected } from './version-clone.ts'
import { isVersionId, nullVersion, type VersionEntry } from './version-name.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

export type RemoveOptions = {
  readonly precondition?: Precondition | undefined
  readonly bypassGovernance?: boolean | undefined
  /** Throws to refuse, under the lock: what was looked up before may stand elsewhere by now. Not called where there is no such version. */
  readonly judge?: ((standing: Standing) => void) | undefined
}

/** A version among all versions and markers of its key, and how many of them are newer and older. */
export type Standing = {
  readonly stat: ObjectStat
  readonly isMarker: boolean
  readonly newerCount: number
  readonly olderCount: number
}

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
 *
 * A DELETE without a version makes a marker. Where there is a current version, that one is archived first, and the commit is the unlink of its
 * file; until then the marker, newer than what it would hide, counts for nothing. Where there is none, the marker's own name is the commit.
 * Under the key's exclusive lock.
 */
export async function hideObject(
  place: Place,
  key: string,
  status: VersioningDocument['status'],
  precondition: Precondition | undefined,
): Promise<Removed> {
  await fence(place, key)
  const { current, history } = await settle(place, key)
  precondition?.(current?.stat, current === undefined && history.older[0]?.isMarker === true)
  const isKept = current !== undefined && (status === 'Enabled' || identityOf(current).versionId !== nullVersion)
  const orderMin = isKept ? await archive(place, key, current, history) : history.orderMin
  const marker = nextIdentity(place, status, orderMin)
  await writeMarker(place, key, marker, ownerOf(place))
  if (current !== undefined) await removeCurrent(place, key, current)
  if (marker.versionId === nullVersion) await removeNulls(place, key, history)
  return { changed: true, versionId: marker.versionId, deleteMarker: true }
}

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html of one version, for good. Under the key's exclusive lock. undefined: the
 * directory of the key has to be made first, without that lock (marking a directory takes that of its own key).
 */
export async function removeVersion(
  place: Place,
  key: string,
  versionId: string,
  options: RemoveOptions,
  held: Held,
): Promise<Removed | undefined> {
  if (!isVersionId(versionId)) throw invalidVersionId(versionId)
  await fence(place, key)
  const settled = await settle(place, key)
  const { current, history } = settled
  const isCurrent = current !== undefined && identityOf(current).versionId === versionId
  const entry = isCurrent ? undefined : history.older.find((each) => each.versionId === versionId)
  const version = isCurrent ? current : entry && (await findEntry(place, key, entry))
  options.precondition?.(entry?.isMarker === true ? undefined : version?.stat)
  if (version === undefined) return { changed: false, versionId, deleteMarker: false }
  options.judge?.(standingOf(settled, version, entry))
  const bypass = { bypassGovernance: options.bypassGovernance === true, nowMs: place.options.now() }
  refuseLocked(version.stat, bypass)
  // What protects it does not lie where users can write.
  const clone = isCurrent ? await findClone(place, key, current, { bodyBytesMax: 0, keepOpen: false }) : undefined
  if (clone !== undefined) refuseLocked(clone.stat, bypass)
  if (entry === undefined) await removeLatest(place, key, version, settled, held)
  else if (!(await removeEntry(place, key, entry, version, settled))) return undefined
  await pruneVersions(place, key)
  return { changed: true, versionId, deleteMarker: entry?.isMarker === true }
}

function standingOf({ current, history }: Settled, { stat }: Located, entry: VersionEntry | undefined): Standing {
  const { older, hidden } = history
  const behind = entry === undefined ? -1 : older.indexOf(entry)
  const newerCount = entry === undefined ? 0 : behind + (current === undefined ? 0 : 1)
  const olderCount = older.length + hidden.length - behind - 1
  return { stat, isMarker: entry?.isMarker === true, newerCount, olderCount }
}

/** The next older version takes its place, or nothing does where a marker comes next: then the key stays deleted. */
async function removeLatest(
  place: Place,
  key: string,
  current: Located,
  { history }: Settled,
  held: Held,
): Promise<void> {
  await settleUpload(place, key, current)
  // Its own second name, which would otherwise come back as an older version.
  for (const { name } of history.own) await unlinkEntry(place, key, name)
  if (history.own.length > 0 && place.options.flush) await flushEntries(place, key)
  const next = nextReal(history)
  if (next === undefined) return removeCurrent(place, key, current)
  const version = await findEntry(place, key, next)
  if (version === undefined) throw writtenBySomebodyElse()
  await removeStale(place, key, current)
  await promote(place, key, version, current, held)
}

const nextReal = ({ older }: History): VersionEntry | undefined => (older[0]?.isMarker === false ? older[0] : undefined)

/** Commit: an older version is renamed over the current one. It keeps its name among the versions, as one that was archived does. */
async function promote(
  place: Place,
  key: string,
  version: LocatedVersion,
  current: Located,
  held: Held,
): Promise<void> {
  const { path } = keyPath(key)
  // A directory's record has no file to be renamed over.
  const target = current.kind === 'directory' ? within(place, path) : current.path
  const temporary = join(parentOf(target), temporaryName(place.options.now(), place.options.nonce()))
  // Of a protected version a copy: whoever may write the plain file must not write the version.
  if (isProtected(version.stat)) await copyVersion(place, version, temporary, { mode: 0o666, replace: true })
  else await place.service.link(version.path, temporary)
  try {
    if (place.root.locksExpire) {
      const armed = armedPaths(place, key, temporary)
      const judge = (): Promise<void> => requireSame(place, key, current)
      await withArmed(place, { temporary, armed, held }, judge, () => place.service.rename(armed.path, target))
    } else await place.service.rename(temporary, target)
  } catch (error) {
    await place.service.unlink(temporary).catch(() => false)
    throw error
  }
  if (place.options.flush) await place.service.flushDirectory(parentOf(target))
  if (current.kind === 'directory') await removeDirectoryObject(place, key)
}

async function requireSame(place: Place, key: string, current: Located): Promise<void> {
  const now = await findObject(place, key)
  if (now?.kind !== current.kind || (now.kind !== 'directory' && !isSame(now.found.stat, current.found.stat)))
    throw writtenBySomebodyElse()
}

/**
 * An older version, or a marker. Where it is the marker that hides the key, the next older version is the key's again, and the commit is the
 * link that gives it the plain path: from there on the marker, newer than it, counts for nothing. false: as removeVersion's undefined.
 */
async function removeEntry(
  place: Place,
  key: string,
  entry: VersionEntry,
  version: Located,
  { current, history }: Settled,
): Promise<boolean> {
  const isHiding = current === undefined && entry.isMarker && history.older[0] === entry
  const next = isHiding && history.older[1]?.isMarker === false ? history.older[1] : undefined
  const older = next && (await findEntry(place, key, next))
  if (next !== undefined && older === undefined) throw writtenBySomebodyElse()
  if (older !== undefined && !(await expose(place, key, older))) return false
  if (version.found.stat.links > 1) await settleUpload(place, key, version)
  if (!(await unlinkEntry(place, key, entry.name))) throw writtenBySomebodyElse()
  if (place.options.flush) await flushEntries(place, key)
  return true
}

/** false: the directory of the key is not there. */
async function expose(place: Place, key: string, version: LocatedVersion): Promise<boolean> {
  const { path, alias } = keyPath(key)
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const isTaken = (await place.calls.statPath(within(place, path)))?.type === 'directory'
    if (isTaken && parentOf(alias) !== parentOf(path)) await makeDirectories(place, key, parentOf(alias))
    const target = within(place, isTaken ? alias : path)
    try {
      if (isProtected(version.stat)) await copyVersion(place, version, target, { mode: 0o666, replace: false })
      else await place.service.link(version.path, target)
      if (place.options.flush) await place.service.flushDirectory(parentOf(target))
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
      if (!isErrno(error, 'EEXIST')) throw error
    }
  }
  throw writtenBySomebodyElse()
}

/** Commit of a DELETE: the key's file goes, or the record of its directory. */
async function removeCurrent(place: Place, key: string, current: Located): Promise<void> {
  await removeStale(place, key, current)
  if (current.kind === 'directory') {
    await removeDirectoryObject(place, key)
    return
  }
  await settleUpload(place, key, current)
  if (place.root.locksExpire) await removeSame(place, key, current.path, current.found.stat)
  else if (!(await place.calls.unlink(current.path))) throw writtenBySomebodyElse()
  if (place.options.flush) await place.calls.flushDirectory(parentOf(current.path))
}

/** What a crash has left behind the current version, and would be the key's once that one has gone. */
async function removeStale(place: Place, key: string, current: Located): Promise<void> {
  const alias = within(place, keyPath(key).alias)
  if (current.kind === 'plain' && (await place.calls.statPath(alias))?.type === 'file') await place.calls.unlink(alias)
  if (current.kind !== 'directory') await removeDirectoryObject(place, key)
}

/** See removeTemporaries: its Complete may have been cut off between `link` and `unlink`. */
async function settleUpload(place: Place, key: string, { record: read }: Located): Promise<void> {
  if (read?.trusted === true && read.record.uploadId !== undefined)
    await removeTemporaries(place, key, read.record.uploadId)
}

async function flushEntries(place: Place, key: string): Promise<void> {
  await place.service.flushDirectory(parentOf(entryPath(place, key, 'x'))).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
}
