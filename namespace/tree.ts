import { isBucketName } from './bucket-name.ts'
import { type BucketRecord, findBucketRecord } from './bucket-store.ts'
import { NamespaceError } from './errors.ts'
import type { FileCalls } from './files.ts'
import { type KeyLocks, keyLocks } from './key-lock.ts'
import { join, state, transit } from './layout.ts'
import type { Options, Place, Root } from './place.ts'
import { recordStore } from './record-store.ts'
import type { Bucket, Caller } from './verbs.ts'

/** An opened tree: its roots, its locks, and the way from a bucket's name to its place. */
export type Tree = {
  /** The namespace root first. */
  readonly roots: readonly Root[]
  readonly main: Root
  readonly service: FileCalls
  readonly recordKey: Buffer
  readonly options: Options
  /** For creating and removing buckets, by name. */
  readonly bucketLocks: KeyLocks
  /** Key locks of a bucket, kept while the tree is open. */
  locksOf(record: BucketRecord, root: Root): KeyLocks
  close(): Promise<void>
}

export function openTree(roots: readonly Root[], recordKey: Buffer, options: Options): Tree {
  const [main] = roots
  if (main === undefined) throw new Error('a tree has at least its namespace root')
  const service = main.files.as(undefined)
  const { lockTimeoutMs: timeoutMs } = options
  const bucketLocks = keyLocks({ calls: service, open: () => service.create(state.locks, 0o600, false), timeoutMs })
  const locks = new Map<string, KeyLocks>()
  return {
    roots,
    main,
    service,
    recordKey,
    options,
    bucketLocks,
    locksOf(record, root) {
      const known = locks.get(record.id)
      if (known !== undefined) return known
      const calls = root.files.as(undefined)
      const path = join(record.directory, transit.locks)
      const made = keyLocks({ calls, open: () => calls.create(path, 0o600, false), timeoutMs })
      locks.set(record.id, made)
      return made
    },
    async close() {
      await Promise.all([bucketLocks, ...locks.values()].map((each) => each.close()))
      for (const root of roots) root.files.close()
    },
  }
}

export const bucketOf = (record: BucketRecord, root: Root): Bucket => ({
  name: record.name,
  id: record.id,
  owner: record.owner,
  created: new Date(record.created),
  mappedPath: record.mapped ? join(root.path, record.directory) : undefined,
})

/**
 * A record without inodes belongs to a bucket that is still being made. A name that no bucket can have is never made a path of: a copy
 * source may ask for the bucket `..`.
 */
export async function findRecord(tree: Tree, name: string): Promise<BucketRecord | undefined> {
  if (!isBucketName(name)) return undefined
  const record = await findBucketRecord(tree.service, name, (bucket) =>
    tree.options.problems({ kind: 'damaged-bucket-record', bucket }),
  )
  return record?.inode === undefined ? undefined : record
}

export function rootOf(tree: Tree, record: BucketRecord): Root {
  const root = record.root === '' ? tree.main : tree.roots.find(({ path }) => path === record.root)
  if (root !== undefined) return root
  tree.options.problems({ kind: 'root-not-configured', bucket: record.name, path: record.root })
  throw new NamespaceError('SlowDown', {
    message: `The bucket lies on ${record.root}, which is not among the configured roots of this gateway.`,
  })
}

/** Throws NoSuchBucket. */
export async function openPlace(tree: Tree, name: string, caller: Caller | undefined): Promise<Place> {
  const record = await findRecord(tree, name)
  if (record === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
  return placeOf(tree, record, caller)
}

export function placeOf(tree: Tree, record: BucketRecord, caller: Caller | undefined): Place {
  const root = rootOf(tree, record)
  const service = root.files.as(undefined)
  const { options } = tree
  return {
    bucket: bucketOf(record, root),
    caller,
    root,
    directory: record.directory,
    transitInode: BigInt(record.transitInode ?? 0),
    calls: root.files.as(caller?.posix),
    service,
    locks: tree.locksOf(record, root),
    options,
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
