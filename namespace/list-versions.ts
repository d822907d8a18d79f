import { commonPrefix } from './common-prefix.ts'
import { isErrno } from './file-errors.ts'
import type { FileType, Scan } from './files.ts'
import { findObject } from './find-object.ts'
import { asCurrent, findEntry, invalidVersionId, isVisible, type LocatedVersion, readVersions } from './find-version.ts'
import { identityOf } from './history.ts'
import { transit } from './layout.ts'
import { tolerant, walkPlace } from './list-objects.ts'
import { type Place, requireBucket, within } from './place.ts'
import type { ScanCache } from './scan-cache.ts'
import type { Version, VersionPage, VersionQuery } from './verbs.ts'
import { isVersionId, orderOfId, parseVersionName } from './version-name.ts'
import { type WalkEntry, walk } from './walk.ts'
import type { WalkQuery } from './walk-frame.ts'

type Entry = Version | { readonly prefix: string }

/** Keys whose versions are looked up at the same time. */
const batchKeys = 32

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 *
 * Two walks: that of the objects, and that of `.s3/versions`, whose directories are keys. Where either comes to a key, its versions
 * are the current one and what its directory there holds, newest first.
 */
export async function listVersions(place: Place, query: VersionQuery): Promise<VersionPage> {
  if (query.versionIdMarker !== undefined && !isVersionId(query.versionIdMarker))
    throw invalidVersionId(query.versionIdMarker, 'version-id-marker')
  if (query.max === 0) return { entries: [], truncated: false, next: undefined }
  const entries: Entry[] = await behindMarker(place, query)
  const names = mergedNames(place, query)
  try {
    // One more than fits tells whether the page is cut.
    while (entries.length <= query.max) {
      const batch = await take(names, Math.min(batchKeys, query.max + 1 - entries.length))
      if (batch.length === 0) break
      const lists = await Promise.all(batch.map((name) => entriesOf(place, name, query.max + 1 - entries.length)))
      entries.push(...lists.flat())
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) await requireBucket(place)
    throw error
  } finally {
    await names.return(undefined)
  }
  const page = entries.slice(0, query.max)
  const last = page.at(-1)
  const truncated = entries.length > query.max
  return { entries: page, truncated, next: truncated && last !== undefined ? markersOf(last) : undefined }
}

const markersOf = (last: Entry): NonNullable<VersionPage['next']> =>
  'prefix' in last
    ? { keyMarker: last.prefix, versionIdMarker: undefined }
    : { keyMarker: last.key, versionIdMarker: last.versionId }

async function entriesOf(place: Place, name: Name, max: number): Promise<Entry[]> {
  if (name.kind === 'key') return (await versionRefs(place, name.name)).describe(0, max)
  // A directory of versions that a crash has left empty is no prefix.
  if (name.isCertain || (await holdsVersion(place, name.name))) return [{ prefix: name.name }]
  return []
}

/** Where a page ended inside a key: what comes behind that version. Of one that has gone since, its age still says where that is. */
async function behindMarker(
  place: Place,
  { keyMarker, versionIdMarker, prefix, delimiter, max }: VersionQuery,
): Promise<Entry[]> {
  if (versionIdMarker === undefined || keyMarker === '' || !keyMarker.startsWith(prefix)) return []
  if (commonPrefix(keyMarker, prefix, delimiter) !== undefined) return []
  const versions = await versionRefs(place, keyMarker)
  const at = versions.ids.indexOf(versionIdMarker)
  if (at >= 0) return versions.describe(at + 1, max + 1)
  const order = orderOfId(versionIdMarker)
  const next = order === undefined ? 0 : versions.orders.findIndex((each) => each < order)
  return next < 0 ? [] : versions.describe(next, max + 1)
}

type Versions = {
  readonly ids: readonly string[]
  readonly orders: readonly number[]
  readonly describe: (from: number, max: number) => Promise<Version[]>
}

/** Newest first; only what a page needs is looked up. */
async function versionRefs(place: Place, key: string): Promise<Versions> {
  const { current, history } = await readVersions(place, key, () => tolerant(place, () => findObject(place, key)))
  const { older } = history
  const refs = [...(current === undefined ? [] : [current]), ...older]
  const identities = refs.map((ref) => ('stat' in ref ? identityOf(ref) : ref))
  const described = async (ref: (typeof refs)[number]): Promise<Version | undefined> => {
    const version = 'stat' in ref ? asCurrent(ref) : await findEntry(place, key, ref)
    if (version !== undefined && !(await isVisible(place, version))) return undefined
    const isLatest = 'stat' in ref || (current === undefined && ref === older[0] && ref.isMarker)
    return version && asVersion(key, version, isLatest)
  }
  return {
    ids: identities.map(({ versionId }) => versionId),
    orders: identities.map(({ order }) => order),
    async describe(from, max) {
      const found: Version[] = []
      // What has gone since is no part of a page, and must not make it shorter: a short page says that there is nothing more of this key.
      for (let at = from; at < refs.length && found.length < max; ) {
        const some = refs.slice(at, at + max - found.length)
        at += some.length
        found.push(...(await Promise.all(some.map(described))).filter((version) => version !== undefined))
      }
      return found
    },
  }
}

const asVersion = (key: string, { stat, versionId, isMarker }: LocatedVersion, isLatest: boolean): Version => ({
  key,
  versionId,
  isLatest,
  object: isMarker ? undefined : stat,
  owner: stat.owner,
  lastModified: stat.lastModified,
})

type WalkName = { readonly kind: 'key' | 'prefix'; readonly name: string }
type Name = WalkName & { readonly isCertain: boolean }

/** Names that are taken from the tree before what lies behind them is looked at. */
const chunkNames = 1000

/**
 * Keys and common prefixes of both walks in byte order, each once. A version that is replaced or removed has its second name before it loses its first
 * one: so the tree is walked first, and then, over the same names, the versions. Side by side a walk could find it in neither.
 */
async function* mergedNames(place: Place, query: VersionQuery): AsyncGenerator<Name, void, undefined> {
  const { prefix, delimiter, max } = query
  const inChunk = Math.min(max + 1, chunkNames)
  let after = query.keyMarker
  const objects = walkPlace(place, { prefix, delimiter, after })
  try {
    for (;;) {
      const ahead = await take(objects, inChunk)
      const last = ahead.length < inChunk ? undefined : ahead.map(nameOf).at(-1)
      yield* merged(ahead.map(nameOf), versionNames(place, { prefix, delimiter, after }), last)
      if (last === undefined) return
      after = last.name
    }
  } finally {
    await objects.return(undefined)
  }
}

/** Up to `last`, where there is one. A directory on its way is walked in both trees; that of the objects has proven that there is a key in it. */
async function* merged(
  ahead: readonly WalkName[],
  behind: AsyncGenerator<WalkName, void, undefined>,
  last: WalkName | undefined,
): AsyncGenerator<Name, void, undefined> {
  try {
    let index = 0
    let version = await next(behind)
    for (;;) {
      const object = ahead[index]
      const order = compare(object, version)
      const name = order <= 0 ? object : version
      if (name === undefined || (last !== undefined && compare(name, last) > 0)) return
      yield { ...name, isCertain: order <= 0 }
      if (order <= 0) index += 1
      if (order >= 0) version = await next(behind)
    }
  } finally {
    await behind.return(undefined)
  }
}

async function* versionNames(place: Place, query: WalkQuery): AsyncGenerator<WalkName, void, undefined> {
  if ((await place.service.statPath(within(place, transit.versions))) === undefined) return
  for await (const entry of walk(versionsSource(place), query)) yield nameOf(entry)
}

async function next<Item>(items: AsyncGenerator<Item, void, undefined>): Promise<Item | undefined> {
  return (await items.next()).value ?? undefined
}

const nameOf = (entry: WalkEntry): WalkName =>
  entry.kind === 'prefix' ? { kind: 'prefix', name: entry.prefix } : { kind: 'key', name: entry.key }

/** What has ended comes last. */
function compare(left: WalkName | undefined, right: WalkName | undefined): number {
  if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined)
  return Buffer.compare(Buffer.from(left.name), Buffer.from(right.name))
}

async function take<Item>(items: AsyncGenerator<Item, void, undefined>, count: number): Promise<Item[]> {
  const batch: Item[] = []
  while (batch.length < count) {
    const item = await next(items)
    if (item === undefined) break
    batch.push(item)
  }
  return batch
}

/** Whether any key below has a version that counts. */
async function holdsVersion(place: Place, prefix: string): Promise<boolean> {
  for await (const entry of walk(versionsSource(place), { prefix, delimiter: '', after: '' })) {
    if (entry.kind === 'file' && (await versionRefs(place, entry.key)).ids.length > 0) return true
  }
  return false
}

/**
 * `.s3/versions` as a tree that the walk knows: a directory there stands for a key, that of its name, and for the directory with longer keys. So it
 * is shown twice, as a file and as a directory, and each sorts where its keys do: 'a' before 'a!' before 'a/b'.
 */
function versionsSource(place: Place): Parameters<typeof walk>[0] {
  const { scans } = place.root
  const doubled = new WeakMap<Scan, Scan>()
  const root = within(place, transit.versions)
  const scan = async (path: string): Promise<Scan> => {
    const real = await scans.scan(place.service, path)
    const known = doubled.get(real) ?? doubleDirectories(real)
    doubled.set(real, known)
    return known
  }
  // A glance proves nothing: a directory that is shown as a file may hold no version.
  const cache: ScanCache = {
    scan: (_files, path) => scan(path),
    glance: async (_files, path) => ({ ...(await scan(path)), count: 0 }),
  }
  return {
    files: place.service,
    cache,
    root,
    isDirectoryObject: async () => false,
    boundary: () => false,
    skipped: () => undefined,
  }
}

function doubleDirectories(scan: Scan): Scan {
  const rows: { readonly name: Buffer; readonly type: FileType; readonly sorted: Buffer }[] = []
  for (let index = 0; index < scan.count; index += 1) {
    const name = scan.name(index)
    if (scan.type(index) !== 'directory' || parseVersionName(name.toString('utf8')) !== undefined) continue
    rows.push({ name, type: 'directory', sorted: Buffer.concat([name, slash]) })
    if (!isLink(name)) rows.push({ name, type: 'file', sorted: name })
  }
  rows.sort((left, right) => Buffer.compare(left.sorted, right.sorted))
  return {
    ...scan,
    stat: scan.stat,
    count: rows.length,
    name: (index) => rows[index]?.name ?? Buffer.alloc(0),
    type: (index) => rows[index]?.type ?? 'other',
    lowerBound(bytes) {
      let low = 0
      let high = rows.length
      while (low < high) {
        const middle = (low + high) >>> 1
        const row = rows[middle]
        if (row !== undefined && Buffer.compare(row.sorted, bytes) < 0) low = middle + 1
        else high = middle
      }
      return low
    },
  }
}

const slash = Buffer.from('/')
/** Of a chain of an over-long segment, which belongs to no key itself. */
const isLink = (name: Buffer): boolean => name.subarray(0, 3).equals(Buffer.from('.%+'))
