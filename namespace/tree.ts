import { LRUCache } from 'lru-cache'
import { actingCalls } from './acting-calls.ts'
import type { Actor } from './actor.ts'
import { isBucketName } from './bucket-name.ts'
import { type BucketRecord, findBucketRecord } from './bucket-store.ts'
import { type Documents, documentReader } from './document-reader.ts'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import { type Descriptor, type FileCalls, FileError, type PosixIdentity } from './files.ts'
import { type KeyLocks, keyLocks } from './key-lock.ts'
import { join, state, transit } from './layout.ts'
import { requireOwnTransit } from './own-transit.ts'
import type { Kernel, Options, Place, Root } from './place.ts'
import { recordStore } from './record-store.ts'
import { sharedReads } from './shared-reads.ts'
import type { Bucket, VersioningDocument } from './verbs.ts'

/** An opened tree: its roots, its locks, and the way from a bucket's name to its place. */
export type Tree = {
  /** The namespace root first. A further one that does not answer when the tree is opened comes later. */
  readonly roots: readonly Root[]
  /** Configured roots that are to come. */
  readonly awaited: () => readonly string[]
  readonly main: Root
  readonly service: FileCalls
  readonly recordKey: Buffer
  readonly options: Options
  /** undefined: enforcement is the service's. */
  readonly kernel: Kernel | undefined
  /** For creating and removing buckets, by name. */
  readonly bucketLocks: KeyLocks
  /** A bucket's record as it is on disk after this was called; see findRecord. */
  readonly readRecord: (name: string) => Promise<BucketRecord | undefined>
  /** A bucket's documents as they are on disk after this was called. */
  readonly readDocuments: (bucket: string) => Promise<Documents>
  /** Key locks of a bucket, kept while the tree is open. */
  locksOf(record: BucketRecord, root: Root): KeyLocks
  close(): Promise<void>
}

export function openTree(
  { roots, awaited }: Pick<Tree, 'roots' | 'awaited'>,
  recordKey: Buffer,
  options: Options,
  kernel?: Kernel,
): Tree {
  const [main] = roots
  if (main === undefined) throw new Error('a tree has at least its namespace root')
  const service = main.files.as(undefined)
  const { lockTimeoutMs: timeoutMs } = options
  const bucketLocks = keyLocks({ calls: service, open: () => service.create(state.locks, 0o600, false), timeoutMs })
  const locks = new LRUCache<string, KeyLocks>({ max: 10_000 })
  return {
    roots,
    awaited,
    main,
    service,
    recordKey,
    options,
    kernel,
    bucketLocks,
    readRecord: sharedReads((name) =>
      findBucketRecord(service, name, (bucket) => options.problems({ kind: 'damaged-bucket-record', bucket })),
    ),
    readDocuments: documentReader(service, main.scans),
    locksOf(record, root) {
      // By place as well: while a bucket is on its way through the trash its id must not be tied to a path there.
      const name = `${record.id}/${record.transitInode}/${record.root}/${record.directory}`
      const known = locks.get(name)
      if (known !== undefined) return known
      const ofBucket = ofBucketAt(record, root, options)
      const made = keyLocks({ calls: ofBucket.service, open: () => openLocks(ofBucket), timeoutMs })
      locks.set(name, made)
      return made
    },
    async close() {
      // A lock file on a mount that does not answer: the process goes, and the lock with it.
      await Promise.allSettled([bucketLocks, ...locks.values()].map((each) => each.close()))
      for (const root of roots) root.files.close()
    },
  }
}

/**
 * Never in a `.s3` that somebody else has put there: workers that hold the old file and workers that open the new one would no longer
 * exclude each other.
 */
async function openLocks(transitOf: OfBucket): Promise<Descriptor> {
  await requireOwnTransit(transitOf)
  try {
    return await transitOf.service.create(join(transitOf.directory, transit.locks), 0o600, false)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    throw new NamespaceError('NoSuchBucket', { BucketName: transitOf.bucket.name }, error)
  }
}

export const bucketOf = (record: BucketRecord, root: Root): Bucket => ({
  name: record.name,
  id: record.id,
  owner: record.owner,
  created: new Date(record.created),
  mappedPath: record.mapped ? join(root.path, record.directory) : undefined,
})

export type FindRecord = (name: string) => Promise<BucketRecord | undefined>

/**
 * A record without inodes belongs to a bucket that is still being made. A name that no bucket can have is never made a path of: a copy
 * source may ask for the bucket `..`.
 */
export async function findRecord(tree: Tree, name: string): Promise<BucketRecord | undefined> {
  if (!isBucketName(name)) return undefined
  const record = await tree.readRecord(name)
  return record?.inode === undefined ? undefined : record
}

export function rootOf(tree: Tree, record: BucketRecord): Root {
  const root = record.root === '' ? tree.main : tree.roots.find(({ path }) => path === record.root)
  if (root !== undefined) return root
  requireNotAwaited(tree, record.root)
  tree.options.problems({ kind: 'root-not-configured', bucket: record.name, path: record.root })
  throw new NamespaceError('SlowDown', {
    message: `The bucket lies on ${record.root}, which is not among the configured roots of this gateway.`,
  })
}

/** Throws FileError ETIMEDOUT for what lies on a root that is to come: another root that it lies in is not its own. */
export function requireNotAwaited(tree: Tree, absolute: string): void {
  const on = tree.awaited().find((path) => contains(path.replace(/\/+$/, ''), absolute))
  if (on !== undefined) throw new FileError('ETIMEDOUT', 'open', on)
}

export const contains = (outer: string, inner: string): boolean => outer === inner || inner.startsWith(`${outer}/`)

type OfBucket = Parameters<typeof requireOwnTransit>[0]

const ofBucketAt = (record: BucketRecord, root: Root, options: Options): OfBucket => ({
  bucket: bucketOf(record, root),
  root,
  directory: record.directory,
  transitInode: BigInt(record.transitInode ?? 0),
  service: root.files.as(undefined),
  options,
})

/** Throws NoSuchBucket. `find`: findRecord, or what remembers its answers. */
export async function openPlace(tree: Tree, name: string, actor: Actor, find: FindRecord): Promise<Place> {
  const record = await find(name)
  if (record === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
  return placeOf(tree, record, actor)
}

export function placeOf(tree: Tree, record: BucketRecord, { caller, posix }: Actor): Place {
  const root = rootOf(tree, record)
  const service = root.files.as(undefined)
  const { options } = tree
  return {
    ...ofBucketAt(record, root, options),
    caller,
    posix,
    ...(tree.kernel === undefined ? { calls: root.files.as(posix), service } : callsOf(root, record, posix)),
    versioning: async () => statusOf((await tree.readDocuments(record.name)).get('versioning')?.()),
    // Reading takes no lock, and must not pay for finding them.
    locks: { hold: (name, mode, work) => tree.locksOf(record, root).hold(name, mode, work) },
    records: recordStore({
      calls: service,
      directory: record.directory,
      bucketId: record.id,
      key: tree.recordKey,
      attributeBytesMax: root.capabilities.attributeBytesMax,
      flush: options.flush,
      nonce: options.nonce,
      damaged: () => options.problems({ kind: 'damaged-record', bucket: record.name }),
    }),
  }
}

function callsOf({ files }: Root, { directory }: BucketRecord, identity: PosixIdentity | undefined) {
  const own = [join(directory, transit.directory), state.directory]
  return actingCalls(files, { identity, isOwn: (path) => own.some((each) => contains(each, path)) })
}

/** A document that says something else is damaged; then nothing of the bucket may be overwritten. */
function statusOf(document: unknown): VersioningDocument['status'] | undefined {
  if (document === undefined) return undefined
  const status = typeof document === 'object' && document !== null && 'status' in document ? document.status : undefined
  if (status === 'Enabled' || status === 'Suspended') return status
  throw new NamespaceError('InternalError', { message: "The bucket's document 'versioning' is damaged." })
}
