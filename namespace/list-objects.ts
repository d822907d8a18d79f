import type { SkipReason } from './directory-view.ts'
import { isErrno } from './file-errors.ts'
import { directoryRecord, findObject } from './find-object.ts'
import { recordAttribute, transit } from './layout.ts'
import { directoryStat, objectStat } from './object-stat.ts'
import { type Place, requireBucket, within } from './place.ts'
import type { ListEntry, ListPage, ListQuery, ObjectStat } from './verbs.ts'
import { type WalkEntry, walk } from './walk.ts'
import type { WalkQuery } from './walk-frame.ts'

type FileEntry = Extract<WalkEntry, { kind: 'file' }>

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 *
 * The walk gives names in order; stat and record of a page's files are then fetched in batches, one per directory. What vanishes in
 * between is left out, and the page filled up with what comes next.
 */
export async function listObjects(place: Place, query: ListQuery): Promise<ListPage> {
  if (query.max === 0) return { entries: [], truncated: false, next: undefined }
  const entries: ListEntry[] = []
  const walked = walkPlace(place, query)
  try {
    // One more than fits tells whether the page is cut.
    while (entries.length <= query.max) {
      const batch = await take(walked, query.max + 1 - entries.length)
      if (batch.length === 0) break
      entries.push(...(await describe(place, batch)))
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) await requireBucket(place)
    throw error
  } finally {
    await walked.return(undefined)
  }
  const page = entries.slice(0, query.max)
  const truncated = entries.length > query.max
  const last = page.at(-1)
  return { entries: page, truncated, next: truncated && last !== undefined ? nameOfEntry(last) : undefined }
}

const nameOfEntry = (entry: ListEntry): string => ('prefix' in entry ? entry.prefix : entry.object.key)

export function walkPlace(place: Place, query: WalkQuery): ReturnType<typeof walk> {
  const source = {
    files: place.calls,
    cache: place.root.scans,
    root: place.directory,
    isDirectoryObject: async (path: string) => {
      const want = { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false }
      const found = await place.calls.find(path, want)
      return directoryRecord(place, found?.attribute) !== undefined
    },
    // Buckets never overlap: mapBucket refuses it.
    boundary: () => false,
    skipped: (_directory: string, _name: Buffer | undefined, reason: SkipReason) => {
      if (reason === 'unreadable') place.options.unlisted()
    },
  }
  return walk(source, query)
}

async function take(walked: ReturnType<typeof walk>, count: number): Promise<WalkEntry[]> {
  const batch: WalkEntry[] = []
  while (batch.length < count) {
    const { value, done } = await walked.next()
    if (done === true || value === undefined) break
    batch.push(value)
  }
  return batch
}

async function describe(place: Place, batch: readonly WalkEntry[]): Promise<ListEntry[]> {
  const stats = await statFiles(place, batch)
  const described = await Promise.all(
    batch.map(async (entry): Promise<ListEntry | undefined> => {
      if (entry.kind === 'prefix') return { prefix: entry.prefix }
      const object = await tolerant(place, async () => {
        const stat = entry.kind === 'file' ? stats.get(entry) : await statDirectory(place, entry.key, entry.directory)
        // A key that moved between plain and alias since the walk is looked up once more: it was there all the time (P-120).
        return stat ?? (await findObject(place, entry.key))?.stat
      })
      return object && { object }
    }),
  )
  return described.filter((entry) => entry !== undefined)
}

/** One object that may not be read is left out; it never fails a listing. */
export async function tolerant<Found>(
  place: Place,
  look: () => Promise<Found | undefined>,
): Promise<Found | undefined> {
  try {
    return await look()
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'ESTALE')) throw error
    if (error.code !== 'ESTALE') place.options.unlisted()
    return undefined
  }
}

async function statDirectory(place: Place, key: string, path: string): Promise<ObjectStat | undefined> {
  const want = { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false }
  const found = await place.calls.find(path, want)
  return directoryStat(place.bucket.name, key, directoryRecord(place, found?.attribute))
}

async function statFiles(place: Place, batch: readonly WalkEntry[]): Promise<ReadonlyMap<WalkEntry, ObjectStat>> {
  const byDirectory = new Map<string, FileEntry[]>()
  for (const entry of batch) {
    if (entry.kind !== 'file') continue
    const files = byDirectory.get(entry.directory)
    if (files === undefined) byDirectory.set(entry.directory, [entry])
    else files.push(entry)
  }
  const withSidecars = await hasSidecars(place)
  const stats = new Map<WalkEntry, ObjectStat>()
  const groups = [...byDirectory].map(([directory, files]) => statGroup(place, directory, files, withSidecars, stats))
  await Promise.all(groups)
  return stats
}

async function statGroup(
  place: Place,
  directory: string,
  files: readonly FileEntry[],
  withSidecars: boolean,
  stats: Map<WalkEntry, ObjectStat>,
): Promise<void> {
  const names = files.map((file) => file.name)
  const rows = await place.calls.statMany(directory, names, recordAttribute).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE', 'ELOOP')) return []
    throw error
  })
  for (const [index, file] of files.entries()) {
    const row = rows[index]
    if (row === undefined || row.stat.type !== 'file') continue
    const record =
      row.attribute === undefined && withSidecars ? await place.records.read(row) : place.records.decode(row.attribute)
    stats.set(file, objectStat(place.bucket.name, file.key, row.stat, record))
  }
}

/** A bucket of foreign files alone would otherwise ask for a side-car that is not there, for each of them. */
async function hasSidecars(place: Place): Promise<boolean> {
  try {
    return (await place.root.scans.scan(place.service, within(place, transit.records))).count > 0
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}
