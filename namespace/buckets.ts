import { randomBytes } from 'node:crypto'
import { isBucketName } from './bucket-name.ts'
import {
  type BucketRecord,
  claimBucketName,
  findBucketRecord,
  listBucketNames,
  removeTree,
  writeBucketRecord,
} from './bucket-store.ts'
import { clearEmptyTree, isEmptyOfObjects } from './empty-bucket.ts'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls, Stat } from './files.ts'
import { join, state, transit } from './layout.ts'
import type { Root } from './place.ts'
import { bucketOf, findRecord, placeOf, rootOf, type Tree } from './tree.ts'
import type { Bucket, Caller, Owner } from './verbs.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: a directory of our own; never one that is there. */
export async function createBucket(tree: Tree, name: string, caller: Caller | undefined): Promise<Bucket> {
  if (!isBucketName(name)) throw new NamespaceError('InvalidBucketName', { BucketName: name })
  if (caller === undefined) throw new NamespaceError('AccessDenied')
  const owner = { canonicalId: caller.canonicalId, displayName: caller.displayName }
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const unfinished = await requireFree(tree, name, owner)
    const record = unfinished ?? newRecord(name, owner, { root: '', directory: name, mapped: false })
    // The record comes first, without inodes: a creation that is cut off here is finished by the next one.
    if (unfinished === undefined) await claim(tree, record)
    if (!(await tree.service.makeDirectory(name, 0o1755)) && unfinished === undefined) {
      await removeTree(tree.service, state.bucket(name))
      const message = `A directory '${name}' is there already. An administrator can map it as a bucket.`
      throw new NamespaceError('BucketAlreadyExists', { BucketName: name, message })
    }
    return finish(tree, record, tree.main)
  })
}

/**
 * The record of a creation or removal that never ended, if there is one: then the name is free, but for somebody else only while nothing
 * lies in its directory. Throws when the name is taken.
 */
async function requireFree(tree: Tree, name: string, owner: Owner): Promise<BucketRecord | undefined> {
  const record = await findBucketRecord(tree.service, name, () => {
    // Never written over: a damaged record may still have a bucket and its policies behind it.
    throw new NamespaceError('InternalError', {
      message: `The record of bucket ${name} is damaged; run 'causeway check'.`,
    })
  })
  if (record === undefined) return undefined
  const own = record.owner.canonicalId === owner.canonicalId
  if (
    record.inode === undefined &&
    !record.mapped &&
    (own || (await isEmptyOfObjects(placeOf(tree, record, undefined))))
  ) {
    return { ...record, owner }
  }
  throw new NamespaceError(own ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', { BucketName: name })
}

const newRecord = (
  name: string,
  owner: Owner,
  where: Pick<BucketRecord, 'root' | 'directory' | 'mapped'>,
): BucketRecord => ({
  v: 1,
  name,
  id: randomBytes(16).toString('hex'),
  owner: { canonicalId: owner.canonicalId, displayName: owner.displayName },
  created: new Date().toISOString(),
  ...where,
})

async function claim(tree: Tree, record: BucketRecord): Promise<void> {
  await claimBucketName(tree.service, record.name)
  await writeBucketRecord(tree.service, record, tree.options)
}

/** `.s3` and the inodes; then the bucket is there. */
async function finish(tree: Tree, record: BucketRecord, root: Root): Promise<Bucket> {
  const calls = root.files.as(undefined)
  const inner = join(record.directory, transit.directory)
  await calls.makeDirectory(inner, 0o700)
  const complete: BucketRecord = {
    ...record,
    inode: (await requireStat(calls, record.directory)).inode.toString(),
    transitInode: (await requireStat(calls, inner)).inode.toString(),
  }
  if (tree.options.flush) {
    await calls.flushDirectory(record.directory)
    if (record.directory !== '') await calls.flushDirectory('')
  }
  await writeBucketRecord(tree.service, complete, tree.options)
  if (tree.options.flush) await tree.service.flushDirectory(state.buckets)
  return bucketOf(complete, root)
}

async function requireStat(calls: FileCalls, path: string): Promise<Stat> {
  const stat = await calls.statPath(path)
  if (stat === undefined) throw new NamespaceError('SlowDown', { message: `The directory '${path}' went away.` })
  return stat
}

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
 *
 * A mapped bucket is only unmapped. Our own loses the inodes of its record, which is the commit point: from there on there is no such
 * bucket. Its directory is then renamed into `.causeway/trash`, looked at again there, and all is put back when something slipped in:
 * rmdir has the last word.
 */
export function removeBucket(tree: Tree, name: string): Promise<void> {
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const record = await findRecord(tree, name)
    if (record === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
    const place = placeOf(tree, record, undefined)
    if (!(await isEmptyOfObjects(place))) throw new NamespaceError('BucketNotEmpty', { BucketName: name })
    if (!record.mapped) await removeDirectory(tree, record)
    await removeTree(tree.service, state.bucket(name))
    if (tree.options.flush) await tree.service.flushDirectory(state.buckets)
  })
}

async function removeDirectory(tree: Tree, record: BucketRecord): Promise<void> {
  const { service } = tree
  const { inode: _inode, transitInode: _transitInode, ...unfinished } = record
  const trash = join(state.trash, `${record.id}-${tree.options.nonce()}`)
  await writeBucketRecord(service, unfinished, tree.options)
  try {
    await service.rename(record.directory, trash)
  } catch (error) {
    // Removed over NFS, or by a removal that was cut off: what remains is the record.
    if (isErrno(error, 'ENOENT')) return
    throw error
  }
  if (await clearEmptyTree(placeOf(tree, { ...record, directory: trash }, undefined))) return
  await service.rename(trash, record.directory)
  await finish(tree, record, tree.main)
  throw new NamespaceError('BucketNotEmpty', { BucketName: record.name })
}

export async function listBuckets(tree: Tree): Promise<readonly Bucket[]> {
  const names = await listBucketNames(tree.service)
  const records = await Promise.all(names.map((name) => findRecord(tree, name)))
  return records.flatMap((record) => (record === undefined ? [] : [bucketOf(record, knownRoot(tree, record))]))
}

/** A bucket whose root this gateway does not mount is still listed. */
function knownRoot(tree: Tree, record: BucketRecord): Root {
  try {
    return rootOf(tree, record)
  } catch {
    return tree.main
  }
}

/** Takes an existing directory as a bucket, in place, without copying. Overlapping mappings are refused. */
export async function mapBucket(tree: Tree, name: string, absolute: string, owner: Owner): Promise<Bucket> {
  if (!isBucketName(name)) throw new NamespaceError('InvalidBucketName', { BucketName: name })
  const { root, directory } = locate(tree, absolute)
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    await requireFree(tree, name, owner)
    const stat = await root.files.as(undefined).statPath(directory)
    if (stat?.type !== 'directory') throw refused(`'${absolute}' is not a directory of this tree.`)
    await requireNoOverlap(tree, root, directory, absolute)
    const where = { root: root === tree.main ? '' : root.path, directory, mapped: true }
    const record = newRecord(name, owner, where)
    await claim(tree, record)
    return finish(tree, record, root)
  })
}

const refused = (message: string): NamespaceError => new NamespaceError('InvalidArgument', { message })

function locate(tree: Tree, absolute: string): { root: Root; directory: string } {
  const path = absolute.replace(/\/+$/, '')
  const root = tree.roots
    .filter((each) => path === each.path || path.startsWith(`${each.path}/`))
    .sort((a, b) => b.path.length - a.path.length)[0]
  if (root === undefined) {
    const roots = tree.roots.map((each) => each.path).join(', ')
    throw refused(`'${absolute}' lies on none of the configured roots (${roots}); add its mount to namespace.roots.`)
  }
  const directory = path.slice(root.path.length + 1)
  if (directory === '' && root === tree.main) throw refused('The namespace root itself cannot be a bucket.')
  if (directory.split('/').some((name) => name.startsWith('.s3') || name === '.causeway')) {
    throw refused(`'${absolute}' lies inside the gateway's own directories.`)
  }
  return { root, directory }
}

async function requireNoOverlap(tree: Tree, root: Root, directory: string, absolute: string): Promise<void> {
  for (const name of await listBucketNames(tree.service)) {
    const other = await findBucketRecord(tree.service, name, () => undefined)
    if (other === undefined || rootOf(tree, other) !== root) continue
    if (contains(other.directory, directory) || contains(directory, other.directory)) {
      throw refused(`'${absolute}' overlaps the bucket ${name}.`)
    }
  }
}

const contains = (outer: string, inner: string): boolean =>
  outer === inner || outer === '' || inner.startsWith(`${outer}/`)

/** The files stay where they are; with `.s3` go pending uploads and side-cars. */
export function unmapBucket(tree: Tree, name: string): Promise<void> {
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const record = await findRecord(tree, name)
    if (record === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
    if (!record.mapped) throw refused(`The bucket ${name} is not mapped; delete it over S3 when it is empty.`)
    await removeTree(tree.service, state.bucket(name))
  })
}
