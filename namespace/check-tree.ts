import { nobody } from './actor.ts'
import { type BucketRecord, listBucketNames } from './bucket-store.ts'
import { finish, isTransitTrustworthy } from './buckets.ts'
import { removeProbe } from './capabilities.ts'
import { moveBack } from './directories.ts'
import { isErrno } from './file-errors.ts'
import type { Scan, Stat } from './files.ts'
import { decodeName, keyOfPath, keyPath } from './key-path.ts'
import { join, recordAttribute, sidecarName, transit } from './layout.ts'
import { type Place, type Root, within } from './place.ts'
import { abandonedProbes, isAbandoned, isOld, temporaryAgeMs } from './sweep.ts'
import { findRecord, placeOf, rootOf, type Tree } from './tree.ts'
import { parseVersionName } from './version-name.ts'

/** Something in a tree that does not fit the format of README.md. */
export type Finding = {
  readonly kind:
    | 'orphaned-temporary'
    | 'sidecar-without-file'
    | 'sidecar-of-another-inode'
    | 'damaged-record'
    | 'forged-record'
    | 'name-without-key'
    | 'alias-without-reason'
    | 'damaged-bucket-record'
    | 'bucket-directory-replaced'
  /** '' for what lies in none. */
  readonly bucket: string
  /** Relative to the bucket. */
  readonly path: string
  readonly repaired: boolean
  readonly message: string
}

/** Walks every bucket (or one). With `repair` it mends what can be mended without losing anybody's bytes. */
export async function* checkTree(
  tree: Tree,
  options: { readonly repair: boolean; readonly bucket?: string | undefined },
): AsyncGenerator<Finding> {
  const names = options.bucket === undefined ? await listBucketNames(tree.service) : [options.bucket]
  for (const name of names) {
    const record = await findRecord(tree, name)
    if (record === undefined) {
      yield finding(
        'damaged-bucket-record',
        name,
        '',
        false,
        'The record of this bucket is missing, damaged or unfinished.',
      )
      continue
    }
    yield* checkBucket(tree, record, options.repair)
  }
  if (options.bucket === undefined) for (const root of tree.roots) yield* checkProbes(tree, root, options.repair)
}

/** Of a process that was killed while it tried what a mount can do. They lie in no bucket. */
async function* checkProbes(tree: Tree, root: Root, repair: boolean): AsyncGenerator<Finding> {
  for (const path of await abandonedProbes(tree, root)) {
    const repaired = repair && (await removeProbe(root.files.as(undefined), path))
    yield finding('orphaned-temporary', '', path, repaired, 'A probe of the mount whose process has gone.')
  }
}

const finding = (kind: Finding['kind'], bucket: string, path: string, repaired: boolean, message: string): Finding => ({
  kind,
  bucket,
  path,
  repaired,
  message,
})

async function* checkBucket(tree: Tree, record: BucketRecord, wanted: boolean): AsyncGenerator<Finding> {
  const root = rootOf(tree, record)
  const repair = wanted && !root.readOnly
  const stat = await root.files.as(undefined).statPath(record.directory)
  if (stat?.type !== 'directory') {
    yield finding('bucket-directory-replaced', record.name, '', false, 'The directory of this bucket is not there.')
    return
  }
  let place = placeOf(tree, record, nobody)
  const inner = await place.service.statPath(within(place, transit.directory))
  const isOwn = root.readOnly || inner?.inode === place.transitInode
  if (stat.inode.toString() !== record.inode || !isOwn) {
    const adopted = repair ? await adopt(tree, record) : undefined
    if (adopted !== undefined) place = placeOf(tree, adopted, nobody)
    yield finding('bucket-directory-replaced', record.name, '', adopted !== undefined, replaced(repair))
  }
  yield* checkFiles(place, repair)
}

const replaced = (repair: boolean): string =>
  repair
    ? 'The directory of this bucket or its .s3 was another one (a restored backup has new inodes). A .s3 that others can write to is never taken.'
    : 'The directory of this bucket or its .s3 is another one; after restoring a backup, --repair takes what is there.'

/**
 * A tree restored on another file system has other inodes: the record takes those of what is there, because an administrator has asked for
 * it. undefined: `.s3` is not the gateway's own, or the bucket went meanwhile.
 */
function adopt(tree: Tree, { id, name }: BucketRecord): Promise<BucketRecord | undefined> {
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const record = await findRecord(tree, name)
    if (record?.id !== id) return undefined
    const root = rootOf(tree, record)
    if (!(await isTransitTrustworthy(tree, root, record.directory))) return undefined
    await finish(tree, record, root)
    return findRecord(tree, name)
  })
}

/** What a walk has to know of side-cars: those that no file was seen for yet, and the files that could be in want of one. */
type Sidecars = {
  readonly unseen: Set<string>
  /** `<mtime>-<size>` of a side-car → files of that mtime and size without a record. */
  readonly bare: Map<string, Stat[]>
}

async function* checkFiles(place: Place, repair: boolean): AsyncGenerator<Finding> {
  const unseen = await sidecarNames(place)
  const bare = new Map([...unseen].map((name) => [withoutInode(name), []]))
  const sidecars: Sidecars = { unseen, bare }
  const top = { path: '', chain: '' }
  yield* checkDirectory(place, top, sidecars, repair)
  yield* checkVersions(place, transit.versions, sidecars, repair)
  if (unseen.size === 0) return
  // Once more: a file that was moved while the walk went by was seen in neither place, and would lose its headers for good.
  for await (const _again of checkDirectory(place, top, sidecars, false));
  for await (const _again of checkVersions(place, transit.versions, sidecars, false));
  for (const name of unseen) yield* checkSidecar(place, name, bare.get(withoutInode(name)) ?? [], repair)
}

const withoutInode = (name: string): string => name.slice(name.indexOf('-') + 1)

/**
 * A side-car that belongs to no file: young ones may be of a PUT that has not published yet. After a restore the file has another inode, but
 * mtime (to the nanosecond) and size still say which it is.
 */
async function* checkSidecar(
  place: Place,
  name: string,
  bare: readonly Stat[],
  repair: boolean,
): AsyncGenerator<Finding> {
  const path = join(transit.records, name)
  const want = { attribute: '', bodyBytesMax: 4 * 1024 * 1024, keepOpen: false }
  const found = await place.service.find(within(place, path), want)
  if (found === undefined) return
  const [owner] = bare
  if (owner !== undefined && place.records.decode(found.body)?.trusted === true) {
    if (repair) {
      await place.service.rename(within(place, path), within(place, join(transit.records, sidecarName(owner))))
    }
    const message = 'The side-car of a file that has another inode now, as after restoring a backup.'
    yield finding('sidecar-of-another-inode', place.bucket.name, path, repair, message)
  } else if (isOld(place, found.stat.mtimeNs, temporaryAgeMs)) {
    if (repair) await place.service.unlink(within(place, path))
    yield finding('sidecar-without-file', place.bucket.name, path, repair, 'A side-car that belongs to no file.')
  }
}

async function sidecarNames(place: Place): Promise<Set<string>> {
  const scan = await scanned(place, transit.records)
  return new Set(Array.from({ length: scan?.count ?? 0 }, (_, index) => scan?.name(index).toString('utf8') ?? ''))
}

/** undefined: it went while the walk was on its way, or may not be read. */
async function scanned(place: Place, path: string): Promise<Scan | undefined> {
  try {
    return await place.service.scan(within(place, path))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE', 'ELOOP')) return undefined
    throw error
  }
}

/** A directory, and for a link of a chain the names since the directory that the chain begins in, each with a '/'. */
type Directory = { readonly path: string; readonly chain: string }

async function* checkDirectory(
  place: Place,
  { path, chain }: Directory,
  sidecars: Sidecars,
  repair: boolean,
): AsyncGenerator<Finding> {
  const scan = await scanned(place, path)
  for (let index = 0; index < (scan?.count ?? 0); index += 1) {
    const raw = scan?.name(index) ?? Buffer.alloc(0)
    const name = raw.toString('utf8')
    const child = join(path, name)
    const type = scan?.type(index) ?? 'other'
    if (path === '' && name === transit.directory) continue
    if (name.startsWith('.s3-')) {
      await seeFile(place, child, sidecars)
      yield* checkTemporary(place, name, child, repair)
      continue
    }
    const decoded = type === 'file' || type === 'directory' ? decodeName(raw, chain) : undefined
    if (decoded === undefined) {
      if (type === 'file') await seeFile(place, child, sidecars)
      yield finding('name-without-key', place.bucket.name, child, false, 'Not a name of a key: S3 does not show it.')
    } else if (type === 'directory') {
      const inner =
        decoded.kind === 'continues' ? { path: child, chain: `${chain}${name}/` } : { path: child, chain: '' }
      yield* checkDirectory(place, inner, sidecars, repair)
    } else {
      yield* checkFile(place, child, sidecars, repair)
      if (decoded.kind === 'aside') yield* checkAlias(place, child, repair)
    }
  }
}

/** Older versions have records, and side-cars, as current ones do. */
async function* checkVersions(
  place: Place,
  path: string,
  sidecars: Sidecars,
  repair: boolean,
): AsyncGenerator<Finding> {
  const scan = await scanned(place, path)
  for (let index = 0; index < (scan?.count ?? 0); index += 1) {
    const name = scan?.name(index).toString('utf8') ?? ''
    const child = join(path, name)
    if (name.startsWith('.s3-')) {
      await seeFile(place, child, sidecars)
      yield* checkTemporary(place, name, child, repair)
    } else if (scan?.type(index) === 'directory') yield* checkVersions(place, child, sidecars, repair)
    else if (parseVersionName(name) !== undefined) yield* checkFile(place, child, sidecars, repair)
    else yield finding('name-without-key', place.bucket.name, child, false, 'Not a name of a version.')
  }
}

async function* checkTemporary(place: Place, name: string, path: string, repair: boolean): AsyncGenerator<Finding> {
  if (!(await isAbandoned(place, name, within(place, path)))) return
  if (repair) await place.service.unlink(within(place, path))
  yield finding(
    'orphaned-temporary',
    place.bucket.name,
    path,
    repair,
    'A temporary that nobody has written to for a day.',
  )
}

/** A file that is no object (yet, or any more) keeps its side-car all the same. */
async function seeFile(place: Place, path: string, sidecars: Sidecars): Promise<void> {
  const stat = await place.service.statPath(within(place, path))
  if (stat?.type === 'file') sidecars.unseen.delete(sidecarName(stat))
}

async function* checkFile(place: Place, path: string, sidecars: Sidecars, repair: boolean): AsyncGenerator<Finding> {
  const want = { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false }
  const found = await place.service.find(within(place, path), want)
  if (found === undefined || found.stat.type !== 'file') return
  const own = sidecarName(found.stat)
  const hasSidecar = sidecars.unseen.delete(own)
  if (found.attribute === undefined) {
    if (!hasSidecar) sidecars.bare.get(withoutInode(own))?.push(found.stat)
    return
  }
  const read = place.records.decode(found.attribute)
  if (read?.trusted === true) return
  yield read === undefined
    ? finding(
        'damaged-record',
        place.bucket.name,
        path,
        repair && (await dropDamaged(place, path)),
        'Its record cannot be read: S3 sees a file that nobody described.',
      )
    : finding(
        'forged-record',
        place.bucket.name,
        path,
        false,
        'Its record was not written by this gateway and is not believed.',
      )
}

const keyAt = (path: string): string | undefined =>
  keyOfPath(
    path.split('/').map((name) => Buffer.from(name)),
    false,
  )?.key

/** Under the key's lock, and looked at again there: by now the file may be another one, with a record. */
async function dropDamaged(place: Place, path: string): Promise<boolean> {
  const key = keyAt(path)
  if (key === undefined) return false
  return place.locks.hold(key, 'exclusive', async () => {
    const descriptor = await place.service.open(within(place, path), 'write')
    try {
      const attribute = await place.service.readAttribute(descriptor, recordAttribute)
      if (attribute === undefined || place.records.decode(attribute) !== undefined) return false
      await place.service.removeAttribute(descriptor, recordAttribute)
      return true
    } finally {
      await place.service.close(descriptor)
    }
  })
}

/**
 * `.%=a` has a reason while the directory `a` is there. Without, the file moves back, or goes when a newer file has its name; not when
 * something else stands there (a link, a fifo), beside which it still is the object.
 */
async function* checkAlias(place: Place, alias: string, repair: boolean): AsyncGenerator<Finding> {
  const key = keyAt(alias)
  if (key === undefined) return
  const stat = await place.service.statPath(within(place, keyPath(key).path))
  if (stat?.type === 'directory') return
  const repaired = repair && (await moveBack(place, key))
  const message = 'A file stepped aside for a directory that is not there.'
  yield finding('alias-without-reason', place.bucket.name, alias, repaired, message)
}
