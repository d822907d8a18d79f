import type { FileCalls, Found } from './files.ts'
import { keyPath } from './key-path.ts'
import { recordAttribute } from './layout.ts'
import { directoryStat, objectStat } from './object-stat.ts'
import { type Place, within } from './place.ts'
import type { ReadRecord } from './record.ts'
import type { ObjectStat } from './verbs.ts'

/** A key's current version as it lies in the tree. */
export type Located = {
  readonly stat: ObjectStat
  /** Relative to the root's Files. */
  readonly path: string
  readonly kind: 'plain' | 'aside' | 'directory'
  readonly found: Found
  readonly record: ReadRecord | undefined
}

type Want = { readonly bodyBytesMax: number; readonly keepOpen: boolean }

const nothing: Want = { bodyBytesMax: 0, keepOpen: false }

/**
 * The one look-up: plain → alias → plain again. The alias is where a file steps aside for a directory of its name; it may be on its way
 * back, so the plain path has the last word before "not found" (design section 4, Clash rule). A key ending in '/' lies in
 * `dir/.%e`, or, without bytes, is the directory carrying a record.
 */
export async function findObject(place: Place, key: string, want: Want = nothing): Promise<Located | undefined> {
  const { path, alias, directory } = keyPath(key)
  return (
    (await findFile(place, key, path, 'plain', want)) ??
    (await findFile(place, key, alias, 'aside', want)) ??
    (directory === undefined ? undefined : await findDirectory(place, key, directory)) ??
    (await findFile(place, key, path, 'plain', want))
  )
}

async function findFile(
  place: Place,
  key: string,
  path: string,
  kind: 'plain' | 'aside',
  want: Want,
): Promise<Located | undefined> {
  const full = within(place, path)
  const found = await find(place.calls, full, want)
  if (found === undefined) return undefined
  if (found.stat.type !== 'file') {
    await closeFound(place.calls, found)
    return undefined
  }
  try {
    const record = await place.records.read(found)
    return { stat: objectStat(place.bucket.name, key, found.stat, record), path: full, kind, found, record }
  } catch (error) {
    await closeFound(place.calls, found)
    throw error
  }
}

async function findDirectory(place: Place, key: string, directory: string): Promise<Located | undefined> {
  const path = within(place, directory)
  const found = await find(place.calls, path, nothing)
  if (found === undefined || found.stat.type !== 'directory') return undefined
  const record = directoryRecord(place, found.attribute)
  const stat = directoryStat(place.bucket.name, key, record)
  return stat === undefined ? undefined : { stat, path, kind: 'directory', found, record }
}

/** A bare "made" mark is no record and no damage. */
export const directoryRecord = (place: Place, attribute: Buffer | undefined): ReadRecord | undefined =>
  attribute?.includes('"mac"') === true ? place.records.decode(attribute) : undefined

const find = (calls: FileCalls, path: string, want: Want): Promise<Found | undefined> =>
  calls.find(path, { attribute: recordAttribute, ...want })

export async function closeFound(calls: FileCalls, found: Found): Promise<void> {
  if (found.descriptor !== undefined) await calls.close(found.descriptor)
}
