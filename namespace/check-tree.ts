import { listBucketNames } from './bucket-store.ts'
import { isErrno } from './file-errors.ts'
import type { Stat } from './files.ts'
import { decodeName, encodeSegment } from './key-path.ts'
import { join, recordAttribute, sidecarName, transit } from './layout.ts'
import { type Place, within } from './place.ts'
import { isAbandoned } from './sweep.ts'
import { findRecord, placeOf, type Tree } from './tree.ts'

/** Something in a tree that does not fit the format of README.md. */
export type Finding = {
  readonly kind:
    | 'orphaned-temporary'
    | 'sidecar-without-file'
    | 'damaged-record'
    | 'forged-record'
    | 'name-without-key'
    | 'alias-without-reason'
    | 'damaged-bucket-record'
    | 'bucket-directory-replaced'
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
    yield* checkBucket(placeOf(tree, record, undefined), BigInt(record.inode ?? 0), options.repair)
  }
}

const finding = (kind: Finding['kind'], bucket: string, path: string, repaired: boolean, message: string): Finding => ({
  kind,
  bucket,
  path,
  repaired,
  message,
})

async function* checkBucket(place: Place, inode: bigint, repair: boolean): AsyncGenerator<Finding> {
  const stat = await place.service.statPath(place.directory)
  if (stat?.inode !== inode) {
    const message = 'The directory of this bucket is not the one that its record names.'
    yield finding('bucket-directory-replaced', place.bucket.name, '', false, message)
  }
  const sidecars = await sidecarsOf(place)
  yield* checkDirectory(place, { path: '', base: '', chain: '' }, sidecars, repair)
  for (const name of sidecars) {
    if (repair) await place.service.unlink(within(place, join(transit.records, name)))
    const message = 'A side-car that belongs to no file.'
    yield finding('sidecar-without-file', place.bucket.name, join(transit.records, name), repair, message)
  }
}

async function sidecarsOf(place: Place): Promise<Set<string>> {
  try {
    const scan = await place.service.scan(within(place, transit.records))
    return new Set(Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8')))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return new Set()
    throw error
  }
}

/** A directory, and for a link of a chain the directory that the chain begins in and the names since, each with a '/'. */
type Directory = { readonly path: string; readonly base: string; readonly chain: string }

async function* checkDirectory(
  place: Place,
  { path, base, chain }: Directory,
  sidecars: Set<string>,
  repair: boolean,
): AsyncGenerator<Finding> {
  const scan = await place.service.scan(within(place, path))
  for (let index = 0; index < scan.count; index += 1) {
    const raw = scan.name(index)
    const name = raw.toString('utf8')
    const child = join(path, name)
    const type = scan.type(index)
    if (path === '' && name === transit.directory) continue
    if (name.startsWith('.s3-')) {
      yield* checkTemporary(place, name, child, repair)
      continue
    }
    const decoded = type === 'file' || type === 'directory' ? decodeName(raw, chain) : undefined
    if (decoded === undefined) {
      yield finding('name-without-key', place.bucket.name, child, false, 'Not a name of a key: S3 does not show it.')
    } else if (type === 'directory') {
      const inner =
        decoded.kind === 'continues'
          ? { path: child, base, chain: `${chain}${name}/` }
          : { path: child, base: child, chain: '' }
      yield* checkDirectory(place, inner, sidecars, repair)
    } else {
      yield* checkFile(place, child, sidecars, repair)
      if (decoded.kind === 'aside') yield* checkAlias(place, base, decoded.segment, child, repair)
    }
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

async function* checkFile(place: Place, path: string, sidecars: Set<string>, repair: boolean): AsyncGenerator<Finding> {
  const want = { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false }
  const found = await place.service.find(within(place, path), want)
  if (found === undefined) return
  sidecars.delete(sidecarName(found.stat))
  if (found.attribute === undefined) return
  const read = place.records.decode(found.attribute)
  if (read?.trusted === true) return
  if (read === undefined && repair) await dropAttribute(place, path, found.stat)
  yield read === undefined
    ? finding(
        'damaged-record',
        place.bucket.name,
        path,
        repair,
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

/** Only of the very file that was looked at. */
async function dropAttribute(place: Place, path: string, stat: Stat): Promise<void> {
  const descriptor = await place.service.open(within(place, path), 'write')
  try {
    if ((await place.service.stat(descriptor)).inode === stat.inode) {
      await place.service.removeAttribute(descriptor, recordAttribute)
    }
  } finally {
    await place.service.close(descriptor)
  }
}

/** `.%=a` has a reason while the directory `a` is there. Without, the file moves back, or goes when a newer one has its name. */
async function* checkAlias(
  place: Place,
  directory: string,
  segment: string,
  alias: string,
  repair: boolean,
): AsyncGenerator<Finding> {
  const plain = join(directory, encodeSegment(segment, false))
  const stat = await place.service.statPath(within(place, plain))
  if (stat?.type === 'directory') return
  if (repair) {
    await place.service.link(within(place, alias), within(place, plain)).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error
    })
    await place.service.unlink(within(place, alias))
  }
  yield finding(
    'alias-without-reason',
    place.bucket.name,
    alias,
    repair,
    'A file stepped aside for a directory that is not there.',
  )
}
