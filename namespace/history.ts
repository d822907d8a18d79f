import { isErrno } from './file-errors.ts'
import type { Located } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { join, transit } from './layout.ts'
import { isForeignETag } from './object-stat.ts'
import { type Place, within } from './place.ts'
import { nullVersion, orderOfId, orderOfTime, parseVersionName, type VersionEntry } from './version-name.ts'

/** A current version's place among the others. `isCertain`: its record says so; a file user's file has none. */
export type Identity = { readonly versionId: string; readonly order: number; readonly isCertain: boolean }

/**
 * What the names in a key's directory of versions mean beside its current version. Whatever a crash has left, this is what readers see; a
 * versioned writer removes `void` first.
 */
export type History = {
  /** Versions and markers behind the current one (or the newest ones, where there is none), newest first. */
  readonly older: readonly VersionEntry[]
  /** By name the current version itself: linked there before it is replaced, or when it became current again. */
  readonly own: readonly VersionEntry[]
  /**
   * Null versions that a file user's file hides while it is the current one. They come back when it is archived or goes, so nobody removes them.
   */
  readonly hidden: readonly VersionEntry[]
  /**
   * Markers newer than the current version. A reader sees them when its two looks lay on either side of a DELETE, and takes the current version for
   * what was the latest; otherwise a file user has put back a file of before. They count again once that one is archived or has gone.
   */
  readonly above: readonly VersionEntry[]
  /** A marker whose object is still there; a null version that another one has replaced. */
  readonly void: readonly VersionEntry[]
  /** Greater than that of anything there. */
  readonly orderMin: number
}

/** `entries` newest first. */
export function historyOf(current: Identity | undefined, entries: readonly VersionEntry[]): History {
  const own: VersionEntry[] = []
  const older: VersionEntry[] = []
  const hidden: VersionEntry[] = []
  const above: VersionEntry[] = []
  const gone: VersionEntry[] = []
  let hasNull = current?.versionId === nullVersion
  for (const entry of entries) {
    const isNull = entry.versionId === nullVersion
    if (current !== undefined && entry.isPending) gone.push(entry)
    else if (current?.isCertain === true && entry.isMarker && entry.order > current.order) above.push(entry)
    else if (current !== undefined && !entry.isMarker && isOwn(current, entry)) own.push(entry)
    else if (isNull && hasNull && isReplaced(current, entry)) gone.push(entry)
    else if (isNull && hasNull) hidden.push(entry)
    else older.push(entry)
    hasNull ||= isNull && older.at(-1) === entry
  }
  const orders = [current?.order ?? -1, entries[0]?.order ?? -1]
  return { older, own, hidden, above, void: gone, orderMin: Math.max(...orders) + 1 }
}

/**
 * Were the current version and these entries looked at on either side of somebody's write? Also so where file users have been at work: a current file
 * was removed, or one of before put back.
 */
export const isTorn = (current: Identity | undefined, { older, above }: History): boolean =>
  current === undefined
    ? older[0]?.isMarker === false
    : current.isCertain && (above.length > 0 || (older[0]?.order ?? -1) > current.order)

const isOwn = (current: Identity, entry: VersionEntry): boolean =>
  entry.versionId === current.versionId && entry.order === current.order

/** A null version of S3 replaces the older ones; a file that somebody has dropped there only stands before them. */
const isReplaced = (current: Identity | undefined, entry: VersionEntry): boolean =>
  current?.versionId !== nullVersion || (current.isCertain && entry.order < current.order)

export function identityOf({ record: read, stat }: Pick<Located, 'record' | 'stat'>): Identity {
  const record = read?.trusted === true ? read.record : undefined
  if (record === undefined)
    return { versionId: nullVersion, order: orderOfTime(stat.lastModified.getTime()), isCertain: false }
  const versionId = record.versionId ?? nullVersion
  // A file user's that was tagged is none the less a file user's: nobody has said where it comes among the versions.
  const isCertain = record.versionId !== undefined || !isForeignETag(record.eTag)
  const timeMs = record.lastModifiedMs ?? Number(BigInt(record.mtimeNs) / 1_000_000n)
  return { versionId, order: orderOfId(versionId) ?? record.order ?? orderOfTime(timeMs), isCertain }
}

/** A key's directory of versions, relative to the bucket: "a/b" → '.s3/versions/a/b'; in it lie also those of "a/b/c". */
export const versionsDirectory = (key: string): string => join(transit.versions, keyPath(key).path)

/** Newest first. */
export async function listEntries(place: Place, key: string): Promise<readonly VersionEntry[]> {
  try {
    const scan = await place.root.scans.scan(place.service, within(place, versionsDirectory(key)))
    const names = Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8'))
    return names
      .flatMap((name) => parseVersionName(name) ?? [])
      .sort((a, b) => b.order - a.order || (a.name < b.name ? 1 : -1))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}
