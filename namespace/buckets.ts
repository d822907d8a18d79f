import { randomBytes } from 'node:crypto'
import { type Actor, nobody } from './actor.ts'
import { isBucketName } from './bucket-name.ts'
import {
  type BucketRecord,
  claimBucketName,
  findBucketRecord,
  listBucketNames,
  removeTree,
  writeBucketRecord,
} from './bucket-store.ts'
import { writeDocumentFile } from './documents.ts'
import { asideSuffix, clear, clearEmptyTree, holdsVersions, isEmptyOfObjects } from './empty-bucket.ts'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import { type FileCalls, FileError, type Stat } from './files.ts'
import { join, parentOf, state, temporaryName, transit } from './layout.ts'
import { openedForService } from './opened-for-service.ts'
import type { Place, Root } from './place.ts'
import { bucketOf, contains, findRecord, placeOf, requireNotAwaited, rootOf, type Tree } from './tree.ts'
import type { Bucket, Owner } from './verbs.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: a directory of our own; never one that is there. */
export async function createBucket(
  tree: Tree,
  name: string,
  { caller, posix }: Actor,
  documents: Readonly<Record<string, unknown>> = {},
): Promise<Bucket> {
  if (!isBucketName(name)) throw new NamespaceError('InvalidBucketName', { BucketName: name })
  if (caller === undefined) throw new NamespaceError('AccessDenied')
  const owner = { canonicalId: caller.canonicalId, displayName: caller.displayName }
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const unfinished = await requireFree(tree, name, owner)
    const there = await requireRoom(tree, name, unfinished)
    // A new id even so, unless there are objects whose records belong to the old one.
    const where = { root: '', directory: name, mapped: false }
    const record = there === 'objects' && unfinished !== undefined ? unfinished : newRecord(name, owner, where)
    // The record comes first, without inodes: a creation that is cut off here is finished by the next one.
    await claim(tree, record)
    if (!(await makeBucketDirectory(tree, name, posix)) && there === 'nothing') {
      await removeTree(tree.service, state.bucket(name))
      throw directoryIsThere(name)
    }
    // Before the bucket is there: one that was asked for with object lock must never be found without.
    for (const [document, value] of Object.entries(documents)) await writeDocumentFile(tree, name, document, value)
    return finish(tree, record, tree.main, { isNew: there !== 'objects' })
  })
}

/**
 * false: it is there. Of the service, and sticky so that nobody moves `.s3` away. Where the file system decides who may do what, of the user, as their
 * right to make directories in the namespace root allows.
 */
async function makeBucketDirectory(tree: Tree, name: string, posix: Actor['posix']): Promise<boolean> {
  if (tree.kernel === undefined) return tree.service.makeDirectory(name, 0o1755)
  try {
    return await tree.main.files.as(posix).makeDirectory(name, 0o777)
  } catch (error) {
    await removeTree(tree.service, state.bucket(name))
    throw error
  }
}

/**
 * What lies where the bucket's directory shall be. Throws BucketAlreadyExists for a directory that is not of an unfinished bucket of ours: a
 * creation that found a directory of file users, and was cut off before it could take its record back, must not be a way to adopt it.
 */
async function requireRoom(
  tree: Tree,
  name: string,
  unfinished: BucketRecord | undefined,
): Promise<'nothing' | 'empty' | 'objects'> {
  if ((await tree.service.statPath(name)) === undefined) return 'nothing'
  if (unfinished === undefined) throw directoryIsThere(name)
  if (await isEmptyOfObjects(placeOf(tree, unfinished, nobody))) return 'empty'
  const inner = await tree.service.statPath(join(name, transit.directory))
  if (inner === undefined || inner.inode.toString() !== unfinished.transitInode) throw directoryIsThere(name)
  return 'objects'
}

const directoryIsThere = (name: string): NamespaceError =>
  new NamespaceError('BucketAlreadyExists', {
    BucketName: name,
    message: `A directory '${name}' is there already. An administrator can map it as a bucket.`,
  })

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
  if (record.inode === undefined) {
    // A mapping that was cut off holds nothing.
    if (record.mapped) return undefined
    if (own || (await isEmptyOfObjects(placeOf(tree, record, nobody)))) return { ...record, owner }
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

/** `.s3` and the inodes; then the bucket is there. Without `.s3` on a root that is mounted read-only. */
export async function finish(
  tree: Tree,
  record: BucketRecord,
  root: Root,
  { isNew } = { isNew: false },
): Promise<Bucket> {
  const calls = root.files.as(undefined)
  const inode = (await requireStat(calls, record.directory)).inode.toString()
  const { transitInode: _before, ...rest } = record
  const made = root.readOnly ? {} : await makeTransitIn(tree, record, root)
  if (isNew && tree.kernel !== undefined) await requireNothingElse(calls, record.directory)
  const complete: BucketRecord = { ...rest, inode, ...made }
  if (tree.options.flush && !root.readOnly) {
    await calls.flushDirectory(record.directory)
    if (record.directory !== '') await calls.flushDirectory('')
  }
  await writeBucketRecord(tree.service, complete, tree.options)
  if (tree.options.flush) await tree.service.flushDirectory(state.buckets)
  return bucketOf(complete, root)
}

/** A mapped directory is as its owner wants it; there an administrator has made `.s3`. */
function makeTransitIn({ kernel }: Tree, record: BucketRecord, { files }: Root): ReturnType<typeof makeTransit> {
  if (kernel === undefined || record.mapped) return makeTransit(files.as(undefined), record)
  return openedForService(files, record.directory, kernel.directoryMode, (service) => makeTransit(service, record))
}

/** While it was open for the service, others could put something there as well. */
async function requireNothingElse(calls: FileCalls, directory: string): Promise<void> {
  const { count } = await calls.scan(directory)
  if (count > 1)
    throw new NamespaceError('SlowDown', { message: `Somebody else has made something in '${directory}'.` })
}

/**
 * With the lock file in it from the start: an empty `.s3` could be removed by whoever may write the bucket's directory, and one of their own
 * could have its inode.
 */
async function makeTransit(calls: FileCalls, { directory }: BucketRecord): Promise<{ transitInode: string }> {
  const inner = join(directory, transit.directory)
  await calls.makeDirectory(inner, 0o700)
  await calls.close(await calls.create(join(directory, transit.locks), 0o600, false))
  return { transitInode: (await requireStat(calls, inner)).inode.toString() }
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
export function removeBucket(tree: Tree, name: string, actor: Actor = nobody): Promise<void> {
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const record = await findRecord(tree, name)
    if (record === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
    const place = placeOf(tree, record, actor)
    if (!(await isEmptyOfObjects(place))) throw await notEmpty(place)
    if (!record.mapped) await (tree.kernel === undefined ? removeDirectory(tree, record) : giveUp(tree, record, place))
    await removeTree(tree.service, state.bucket(name))
    if (tree.options.flush) await tree.service.flushDirectory(state.buckets)
  })
}

async function notEmpty(place: Place): Promise<NamespaceError> {
  const message = (await holdsVersions(place)) ? 'You must delete all versions in the bucket.' : undefined
  return new NamespaceError('BucketNotEmpty', { BucketName: place.bucket.name, ...(message && { message }) })
}

/** As its owner, who empties it as far as it is not the gateway's own, and opens it for the service. */
async function giveUp(tree: Tree, record: BucketRecord, place: Place): Promise<void> {
  const { kernel, main } = tree
  const stat = await tree.service.statPath(record.directory)
  if (kernel === undefined || (stat !== undefined && stat.uid !== place.posix?.uid))
    throw new FileError('EACCES', 'fchmod', record.directory)
  if (stat === undefined) return removeDirectory(tree, record)
  await clear(place.calls, record.directory)
  await openedForService(main.files, record.directory, kernel.directoryMode, () => removeDirectory(tree, record))
}

async function removeDirectory(tree: Tree, record: BucketRecord): Promise<void> {
  const { service } = tree
  // The inode of `.s3` stays: it tells the next CreateBucket whose the directory is, should this one be cut off.
  const { inode: _inode, ...unfinished } = record
  const trash = join(state.trash, `${record.id}-${tree.options.nonce()}-${record.name}`)
  await writeBucketRecord(service, unfinished, tree.options)
  try {
    await service.rename(record.directory, trash)
  } catch (error) {
    // Removed over NFS, or by a removal that was cut off: what remains is the record.
    if (isErrno(error, 'ENOENT')) return
    throw error
  }
  if (tree.options.flush) {
    // Before the record goes: a directory that came back without one would block the bucket's name for everybody.
    for (const changed of [state.trash, parentOf(record.directory)]) await service.flushDirectory(changed)
  }
  if (await clearEmptyTree(trashed(tree, { ...record, directory: trash }))) return
  await service.rename(trash, record.directory)
  await finish(tree, record, tree.main)
  throw new NamespaceError('BucketNotEmpty', { BucketName: record.name })
}

/** Nobody but the service gets there. */
const trashed = (tree: Tree, record: BucketRecord): Place => placeOf({ ...tree, kernel: undefined }, record, nobody)

/**
 * What a removal that was cut off has left in the trash: finished, or taken back when an object had slipped in. Under the lock of the
 * bucket's name, since the removal may be another worker's that is still at it. false: it stays for an administrator.
 */
export async function settleTrash(tree: Tree, trashName: string): Promise<boolean> {
  const [id = '', , ...rest] = trashName.split('-')
  const name = rest.join('-').replace(asideSuffix, '')
  const settle = async (): Promise<boolean> => {
    const directory = join(state.trash, trashName)
    const none = { canonicalId: '', displayName: '' }
    const removed: BucketRecord = { v: 1, name, id, owner: none, created: '', root: '', mapped: false, directory }
    const record = await findBucketRecord(tree.service, name, () => undefined)
    const unfinished = record?.id === id && record.inode === undefined ? record : undefined
    if (await clearEmptyTree(trashed(tree, removed))) {
      if (unfinished !== undefined && (await tree.service.statPath(unfinished.directory)) === undefined) {
        await removeTree(tree.service, state.bucket(name))
      }
      return true
    }
    if (unfinished === undefined || (await tree.service.statPath(unfinished.directory)) !== undefined) return false
    await tree.service.rename(directory, unfinished.directory)
    await finish(tree, unfinished, tree.main)
    return true
  }
  return tree.bucketLocks.hold(name, 'exclusive', settle)
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
export async function mapBucket(
  tree: Tree,
  name: string,
  absolute: string,
  owner: Owner,
  documents: Readonly<Record<string, unknown>> = {},
): Promise<Bucket> {
  if (!isBucketName(name)) throw new NamespaceError('InvalidBucketName', { BucketName: name })
  const { root, directory } = locate(tree, absolute)
  const map = async (): Promise<Bucket> => {
    await requireFree(tree, name, owner)
    const stat = await root.files.as(undefined).statPath(directory)
    if (stat?.type !== 'directory') throw refused(`'${absolute}' is not a directory of this tree.`)
    await requireNoOverlap(tree, name, join(root.path, directory))
    if (!(await isTransitTrustworthy(tree, root, directory))) {
      throw refused(`'${absolute}' has a directory .s3 that Causeway did not make; move it away first.`)
    }
    const where = { root: root === tree.main ? '' : root.path, directory, mapped: true }
    const record = newRecord(name, owner, where)
    await claim(tree, record)
    for (const [document, value] of Object.entries(documents)) await writeDocumentFile(tree, name, document, value)
    return finish(tree, record, root).catch((error: unknown) => {
      throw isErrno(error, 'EACCES', 'EPERM') ? mayNotMake(absolute, error) : error
    })
  }
  // One mapping at a time: of two at once, neither would see that it overlaps the other. No bucket has a name with a NUL.
  return tree.bucketLocks.hold('\0mapping', 'exclusive', () => tree.bucketLocks.hold(name, 'exclusive', map))
}

/** A user's directory, which they need not let the gateway write to. */
function mayNotMake(absolute: string, cause: FileError): NamespaceError {
  const transitPath = join(absolute, transit.directory)
  const message = `This account may not make '${transitPath}'. As root: install -d -o ${process.geteuid?.()} -g ${process.getegid?.()} -m 0700 '${transitPath}'; then again.`
  return new NamespaceError('AccessDenied', { message }, cause)
}

/**
 * Whether `.s3` is absent, or as the gateway itself makes it here. One that a user of the directory has put there beforehand, and can still
 * write to, would be the place for all uploads to come.
 */
export async function isTransitTrustworthy(tree: Tree, root: Root, directory: string): Promise<boolean> {
  const calls = root.files.as(undefined)
  const there = await calls.statPath(join(directory, transit.directory))
  if (there === undefined || root.readOnly) return true
  // What this service account is called on this mount, only the mount knows.
  const sample = join(directory, temporaryName(tree.options.now(), tree.options.nonce()))
  const uid = await uidOfNew(calls, sample).catch((error: unknown) => {
    if (isErrno(error, 'EACCES', 'EPERM')) return process.geteuid?.()
    throw error
  })
  return there.type === 'directory' && there.uid === uid && (there.mode & 0o077) === 0
}

async function uidOfNew(calls: FileCalls, sample: string): Promise<number | undefined> {
  await calls.makeDirectory(sample, 0o700)
  const made = await calls.statPath(sample)
  await calls.removeDirectory(sample)
  return made?.uid
}

const refused = (message: string): NamespaceError => new NamespaceError('InvalidArgument', { message })

function locate(tree: Tree, absolute: string): { root: Root; directory: string } {
  const path = absolute.replace(/\/+$/, '')
  requireNotAwaited(tree, path)
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

/** By absolute paths: roots may lie in each other, and those of other gateways need not be configured here. */
async function requireNoOverlap(tree: Tree, mapped: string, absolute: string): Promise<void> {
  for (const name of await listBucketNames(tree.service)) {
    const other = await findBucketRecord(tree.service, name, () => undefined)
    if (other === undefined || name === mapped) continue
    const path = join(other.root === '' ? tree.main.path : other.root, other.directory)
    if (contains(path, absolute) || contains(absolute, path))
      throw refused(`'${absolute}' overlaps the bucket ${name}.`)
  }
}

/** The files stay where they are; with `.s3` go pending uploads and side-cars. */
export function unmapBucket(tree: Tree, name: string): Promise<void> {
  return tree.bucketLocks.hold(name, 'exclusive', async () => {
    const record = await findRecord(tree, name)
    if (record === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
    if (!record.mapped) throw refused(`The bucket ${name} is not mapped; delete it over S3 when it is empty.`)
    await removeTree(tree.service, state.bucket(name))
    if (tree.options.flush) await tree.service.flushDirectory(state.buckets)
  })
}
