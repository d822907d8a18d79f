import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import { closeFound, findObject, type Located } from './find-object.ts'
import { type History, historyOf, identityOf, isTorn, listEntries, versionsDirectory } from './history.ts'
import { join, recordAttribute } from './layout.ts'
import { askModeBits } from './mode-bits.ts'
import { objectStat } from './object-stat.ts'
import { requireOwnTransit } from './own-transit.ts'
import { type Place, seenByService, within } from './place.ts'
import type { ObjectStat } from './verbs.ts'
import { findClone } from './version-clone.ts'
import { isVersionId, nullVersion, type VersionEntry, versionName } from './version-name.ts'

/** A version as it lies in the tree: the current one at its plain path, an older one or a delete marker in `.s3/versions`. */
export type LocatedVersion = Located & {
  /** 'null' or an id, also in `stat`. */
  readonly versionId: string
  readonly isCurrent: boolean
  readonly isMarker: boolean
  /** Newest of its key: the current version, or a marker where there is none. */
  readonly isLatest: boolean
}

type Want = { readonly bodyBytesMax: number; readonly keepOpen: boolean }
const nothing: Want = { bodyBytesMax: 0, keepOpen: false }

/**
 * The version of that id; undefined: there is none. In a bucket that never was versioned 'null' is the object itself (P-167). Throws
 * InvalidArgument for what is no id.
 */
export async function findVersion(
  place: Place,
  key: string,
  versionId: string,
  want: Want = nothing,
): Promise<LocatedVersion | undefined> {
  if (!isVersionId(versionId) || (versionId !== nullVersion && (await place.versioning()) === undefined))
    throw invalidVersionId(versionId)
  // A version on its way between the plain path and `.s3/versions` has both names for a moment, or is looked for once more.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const found = await lookFor(place, key, versionId, want)
    if (found !== undefined) return found
  }
  return undefined
}

export const invalidVersionId = (versionId: string, argument = 'versionId'): NamespaceError =>
  new NamespaceError('InvalidArgument', {
    message: 'Invalid version id specified',
    ArgumentName: argument,
    ArgumentValue: versionId,
  })

async function lookFor(place: Place, key: string, versionId: string, want: Want): Promise<LocatedVersion | undefined> {
  const current = await findCurrent(place, key, versionId, want)
  if (current !== undefined && identityOf(current).versionId === versionId) {
    const isVersioned = (await place.versioning()) !== undefined
    const clone = isVersioned ? await findClone(place, key, asCurrent(current), want) : undefined
    if (clone === undefined) return asCurrent(current)
    await closeFound(place.calls, current.found)
    return clone
  }
  if (current !== undefined) await closeFound(place.calls, current.found)
  const history = await readHistory(place, key, current)
  const entry = [...history.older, ...history.above].find((each) => each.versionId === versionId)
  if (entry === undefined) return undefined
  const found = await findEntry(place, key, entry, want)
  return found && { ...found, isLatest: current === undefined && entry === history.older[0] && entry.isMarker }
}

/** Whoever may not read the current version may read one of before it all the same. */
async function findCurrent(place: Place, key: string, versionId: string, want: Want): Promise<Located | undefined> {
  try {
    return await findObject(place, key, want)
  } catch (error) {
    if (place.posix === undefined || !isErrno(error, 'EACCES')) throw error
    const current = await findObject(seenByService(place), key)
    if (current === undefined || identityOf(current).versionId === versionId) throw error
    return current
  }
}

export function asCurrent(current: Located): LocatedVersion {
  const { versionId } = identityOf(current)
  const stat = { ...current.stat, versionId }
  return { ...current, stat, versionId, isCurrent: true, isMarker: false, isLatest: true }
}

export async function readHistory(place: Place, key: string, current: Located | undefined): Promise<History> {
  const entries = await listEntries(place, key)
  // What others could have put there is not believed.
  if (entries.length > 0 && !place.root.readOnly) await requireOwnTransit(place)
  return historyOf(current && identityOf(current), entries)
}

/** Looks once more where a writer came between the two looks (history.ts, isTorn): who reads takes no lock. */
export const looksMost = 4

/** What a key has: its current version, by `find`, and what lies behind it. */
export async function readVersions(
  place: Place,
  key: string,
  find: () => Promise<Located | undefined>,
): Promise<{ readonly current: Located | undefined; readonly history: History }> {
  for (let look = 1; ; look += 1) {
    const current = await find()
    const history = await readHistory(place, key, current)
    if (look === looksMost || !isTorn(current && identityOf(current), history)) return { current, history }
  }
}

export const entryPath = (place: Place, key: string, name: string): string =>
  within(place, join(versionsDirectory(key), name))

/** As the service, since nobody else gets into `.s3`; whether the caller may read it is isVisible's to say. */
export async function findEntry(
  place: Place,
  key: string,
  entry: VersionEntry,
  want: Want = nothing,
): Promise<LocatedVersion | undefined> {
  const { name, versionId, isMarker, isPending } = entry
  const path = entryPath(place, key, name)
  const found = await place.service.find(path, { attribute: recordAttribute, ...want })
  // It has become final since it was listed.
  if (found === undefined && isPending)
    return findEntry(place, key, { ...entry, name: versionName(entry, '-marker'), isPending: false }, want)
  if (found === undefined) return undefined
  try {
    const record = await place.records.read(found)
    const stat: ObjectStat = { ...objectStat(place.bucket.name, key, found.stat, record), versionId }
    return { stat, path, kind: 'plain', found, record, versionId, isMarker, isCurrent: false, isLatest: false }
  } catch (error) {
    await closeFound(place.service, found)
    throw error
  }
}

/**
 * Whether whoever asks may read it, and so hear of it. A marker has nothing to be read; the current version was found with their right. Of a file of the
 * service's own that stands for a user's the record says it, else the file system.
 */
export async function isVisible(place: Place, version: LocatedVersion): Promise<boolean> {
  const { posix, calls, service } = place
  if (posix === undefined || version.isMarker || version.isCurrent) return true
  const { path, record: read } = version
  const rights = read?.trusted === true ? read.record.posix : undefined
  if (rights !== undefined) return askModeBits(posix, rights, ['read']).missing.length === 0
  const descriptor = await service.open(path, 'read')
  return calls.may(descriptor, 'read').finally(() => service.close(descriptor))
}

/** Throws MethodNotAllowed for a delete marker (P-171). */
export async function requireObject(place: Place, version: LocatedVersion): Promise<LocatedVersion> {
  if (!version.isMarker) return version
  await closeFound(place.service, version.found)
  throw new NamespaceError('MethodNotAllowed', {
    ResourceType: 'DeleteMarker',
    Allow: 'DELETE',
    'x-amz-delete-marker': 'true',
    'x-amz-version-id': version.versionId,
    'Last-Modified': version.stat.lastModified.toUTCString(),
  })
}

/** The newest entry of a key that has no current version: the marker that says that it is deleted, or, where somebody writes it just then, a version. */
export async function findNewestEntry(place: Place, key: string): Promise<VersionEntry | undefined> {
  return (await readHistory(place, key, undefined)).older[0]
}
