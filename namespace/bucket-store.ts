import { LRUCache } from 'lru-cache'
import { type Static, Type as T } from 'typebox'
import { Value } from 'typebox/value'
import { isErrno } from './file-errors.ts'
import type { FileCalls } from './files.ts'
import { nameOf, state } from './layout.ts'
import { writeWhole } from './record-store.ts'

/**
 * `.causeway/buckets/<name>/bucket.json`, and beside it the bucket's documents. The directory's name claims the bucket's name for the whole
 * tree. It lies where users cannot write: what authorizes or protects never does.
 */
const Shape = T.Object({
  v: T.Literal(1),
  name: T.String(),
  id: T.String(),
  owner: T.Object({ canonicalId: T.String(), displayName: T.String() }),
  /** ISO 8601. */
  created: T.String(),
  /** Absolute path of the root it lies on; '' for the namespace root, wherever that is mounted. */
  root: T.String(),
  /** Relative to that root. */
  directory: T.String(),
  mapped: T.Boolean(),
  /** Inodes of the directory and of its `.s3`, as decimal strings. Absent while the bucket is being made: then it is none yet. */
  inode: T.Optional(T.String()),
  transitInode: T.Optional(T.String()),
})

export type BucketRecord = Static<typeof Shape>

type Writing = { readonly flush: boolean; readonly nonce: () => string }

/** undefined: no such bucket, or its record is damaged (then `damaged` hears of it). */
export async function findBucketRecord(
  calls: FileCalls,
  name: string,
  damaged: (name: string) => void,
): Promise<BucketRecord | undefined> {
  const found = await calls.find(state.bucketRecord(name), { attribute: '', bodyBytesMax: 64 * 1024, keepOpen: false })
  if (found?.body === undefined) return undefined
  const text = found.body.toString('utf8')
  const record = parsed.get(text) ?? parse(text)
  if (record === undefined) damaged(name)
  else parsed.set(text, record)
  return record
}

/** Every request reads its bucket's record, which hardly ever changes: the same bytes are the same record. */
const parsed = new LRUCache<string, BucketRecord>({ max: 1000 })

function parse(text: string): BucketRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Value.Check(Shape, value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * Claims the name for a new bucket. Documents may be left there by a removal that was cut off: the bucket of the next owner must not begin
 * with the policy of the last one.
 */
export async function claimBucketName(calls: FileCalls, name: string): Promise<void> {
  await calls.makeDirectory(state.bucket(name), 0o700)
  await clearDirectory(calls, state.bucket(name), (file) => file !== nameOf(state.bucketRecord(name)))
}

export const writeBucketRecord = (calls: FileCalls, record: BucketRecord, writing: Writing): Promise<void> =>
  writeWhole(calls, state.bucketRecord(record.name), Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`), writing)

export async function listBucketNames(calls: FileCalls): Promise<readonly string[]> {
  const scan = await calls.scan(state.buckets)
  return Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8')).filter(
    (_, index) => scan.type(index) === 'directory',
  )
}

/**
 * A small directory of the gateway's own and all in it. Again when something was put there after it had been read: a part that began
 * before its upload was aborted still makes its file, and finds out only then.
 *
 * On NFS, what a process of this machine has open when it is removed stays under a name of the client's own until it is closed: a lock file
 * of another worker, a part that is being written. Then the directory stays too, for sweep.
 */
export async function removeTree(calls: FileCalls, path: string): Promise<void> {
  await isRemoved(calls, path)
}

async function isRemoved(calls: FileCalls, path: string): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (!(await clearDirectory(calls, path, () => true))) return false
      await calls.removeDirectory(path)
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return true
      if (attempt === 20 || !isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error
    }
  }
}

/** false: something stays that NFS keeps for who has it open. */
async function clearDirectory(calls: FileCalls, path: string, isMeant: (name: string) => boolean): Promise<boolean> {
  const scan = await calls.scan(path)
  let all = true
  for (let index = 0; index < scan.count; index += 1) {
    const name = scan.name(index).toString('utf8')
    if (!isMeant(name)) continue
    const child = `${path}/${name}`
    if (!(await (scan.type(index) === 'directory' ? isRemoved(calls, child) : isUnlinked(calls, child)))) all = false
  }
  return all
}

async function isUnlinked(calls: FileCalls, path: string): Promise<boolean> {
  try {
    await calls.unlink(path)
    return true
  } catch (error) {
    if (isErrno(error, 'EBUSY') && nameOf(path).startsWith('.nfs')) return false
    throw error
  }
}
