import {
  archive,
  flushVersions,
  nextIdentity,
  pruneVersions,
  removeNulls,
  renameMarker,
  requireStanding,
  type Settled,
  settle,
  unlinkEntry,
  writeMarker,
} from './archive-version.ts'
import { removeDirectoryObject } from './directory-object.ts'
import { fence, removeSame } from './fence.ts'
import { findObject, type Located } from './find-object.ts'
import { entryPath, findEntry, invalidVersionId } from './find-version.ts'
import { flushRemoval } from './flush-removal.ts'
import { type History, type Identity, identityOf, listEntries } from './history.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { parentOf } from './layout.ts'
import { cleanUp } from './no-answer.ts'
import { refuseLocked } from './object-lock.ts'
import { type Place, seenByService, within } from './place.ts'
import { ownerOf } from './publish.ts'
import { requireMayWrite } from './require-may-write.ts'
import { restoreBehind, restoreOver } from './restore-version.ts'
import { removeTemporaries } from './upload-temporaries.ts'
import type { ObjectStat, Precondition, Removed, VersioningDocument } from './verbs.ts'
import { findClone } from './version-clone.ts'
import { isVersionId, nullVersion, type VersionEntry, versionName } from './version-name.ts'
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
 * file; until then the marker is pending and counts for nothing. Where there is none, the marker's first name is the commit. In the end it gets the name
 * under which it counts whatever comes. Under the key's exclusive lock.
 */
export async function hideObject(
  place: Place,
  key: string,
  status: VersioningDocument['status'],
  precondition: Precondition | undefined,
  held: Held,
): Promise<Removed> {
  await requireMayWrite(place, key)
  await fence(place, key)
  const { current, history } = await settle(place, key)
  precondition?.(current?.stat, current === undefined && history.older[0]?.isMarker === true)
  const isKept = current !== undefined && (status === 'Enabled' || identityOf(current).versionId !== nullVersion)
  const orderMin = isKept ? await archive(place, key, current, history) : history.orderMin
  const marker = nextIdentity(place, status, orderMin)
  await writeMarker(place, key, marker, ownerOf(place))
  if (place.root.locksExpire) await requireOwnTurn(place, key, current, marker, held)
  if (current !== undefined) await removeCurrent(place, key, current)
  await confirm(place, key, marker)
  if (marker.versionId === nullVersion) await removeNulls(place, key, history)
  return { changed: true, versionId: marker.versionId, deleteMarker: true }
}

/** The marker is there, as yet of no weight: whoever has lost the lock takes it back. Throws SlowDown. */
async function requireOwnTurn(
  place: Place,
  key: string,
  current: Located | undefined,
  marker: Identity,
  held: Held,
): Promise<void> {
  const name = versionName(marker, '-pending')
  try {
    if (!(await held.again())) throw writtenBySomebodyElse()
    await requireStanding(place, key, current, { order: marker.order, name })
  } catch (error) {
    await cleanUp(() => unlinkEntry(place, key, name))
    throw error
  }
}

/** A pending marker becomes final; where the next writer has come first, it has done that. */
async function confirm(place: Place, key: string, marker: Identity): Promise<void> {
  const isRenamed = await renameMarker(place, key, marker, '-marker')
  const name = versionName(marker, '-marker')
  if (!isRenamed && (await place.service.statPath(entryPath(place, key, name))) === undefined)
    throw writtenBySomebodyElse()
  if (place.options.flush) await flushVersions(place, key)
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
  await requireMayWrite(place, key)
  await fence(place, key)
  const settled = await settle(place, key)
  const { current, history } = settled
  const isCurrent = current !== undefined && identityOf(current).versionId === versionId
  const entry = isCurrent
    ? undefined
    : [...history.above, ...history.older].find((each) => each.versionId === versionId)
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
  else if (!(await removeEntry(place, key, entry, version, settled, held))) return undefined
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
  await unlinkAll(place, key, history.own)
  const next = nextReal(history)
  if (next === undefined) await removeCurrent(place, key, current)
  else {
    const version = await findEntry(place, key, next)
    if (version === undefined) throw writtenBySomebodyElse()
    await removeStale(place, key, current)
    await restoreOver(place, key, version, current, held)
  }
  if (!place.root.locksExpire) return
  // Where the lock was lost, others may have archived it since it was looked for there.
  const { versionId } = identityOf(current)
  const entries = versionId === nullVersion ? [] : await listEntries(place, key)
  await unlinkAll(
    place,
    key,
    entries.filter((entry) => entry.versionId === versionId),
  )
}

async function unlinkAll(place: Place, key: string, entries: readonly VersionEntry[]): Promise<void> {
  for (const { name } of entries) await unlinkEntry(place, key, name)
  if (entries.length > 0 && place.options.flush) await flushVersions(place, key)
}

const nextReal = ({ older, above }: History): VersionEntry | undefined =>
  above.length === 0 && older[0]?.isMarker === false ? older[0] : undefined

/**
 * An older version, or a marker. Where it is the marker that hides the key, the next older version is the key's again, and the commit is the
 * link that gives it the plain path: from there on the marker, pending since before, counts for nothing. false: as removeVersion's undefined.
 */
async function removeEntry(
  place: Place,
  key: string,
  entry: VersionEntry,
  version: Located,
  { current, history }: Settled,
  held: Held,
): Promise<boolean> {
  const isHiding = current === undefined && entry.isMarker && history.older[0] === entry
  const next = isHiding && history.older[1]?.isMarker === false ? history.older[1] : undefined
  const older = next && (await findEntry(place, key, next))
  if (next !== undefined && older === undefined) throw writtenBySomebodyElse()
  if (older !== undefined && !(await restoreBehind(place, key, entry, older, held))) return false
  if (version.found.stat.links > 1) await settleUpload(place, key, version)
  const name = older === undefined ? entry.name : versionName(entry, '-pending')
  if (!(await unlinkEntry(place, key, name))) throw writtenBySomebodyElse()
  if (place.options.flush) await flushVersions(place, key)
  if (place.root.locksExpire && !entry.isMarker) await requireNotCurrent(place, key, entry)
  return true
}

/** Where the lock was lost, it may have become the current version meanwhile: then only a second name of it has gone. */
async function requireNotCurrent(place: Place, key: string, { versionId }: VersionEntry): Promise<void> {
  const current = await findObject(seenByService(place), key)
  if (current !== undefined && identityOf(current).versionId === versionId) throw writtenBySomebodyElse()
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
  if (place.options.flush) await flushRemoval(place, parentOf(current.path))
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
