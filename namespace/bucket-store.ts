import { type Static, Type as T } from 'typebox'
import { Value } from 'typebox/value'
import { isErrno } from './file-errors.ts'
import type { FileCalls } from './files.ts'
import { recordAttribute, state } from './layout.ts'
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
  const want = { attribute: recordAttribute, bodyBytesMax: 64 * 1024, keepOpen: false }
  const found = await calls.find(state.bucketRecord(name), want)
  if (found?.body === undefined) return undefined
  try {
    const value: unknown = JSON.parse(found.body.toString('utf8'))
    if (Value.Check(Shape, value)) return value
  } catch {
    // Falls through to the one answer for what cannot be read.
  }
  damaged(name)
  return undefined
}

/** Claims the name: false when it is taken. */
export const claimBucketName = (calls: FileCalls, name: string): Promise<boolean> =>
  calls.makeDirectory(state.bucket(name), 0o700)

export const writeBucketRecord = (calls: FileCalls, record: BucketRecord, writing: Writing): Promise<void> =>
  writeWhole(calls, state.bucketRecord(record.name), Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`), writing)

export async function listBucketNames(calls: FileCalls): Promise<readonly string[]> {
  const scan = await calls.scan(state.buckets)
  return Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8')).filter(
    (_, index) => scan.type(index) === 'directory',
  )
}

/** A small directory of the gateway's own and all in it. */
export async function removeTree(calls: FileCalls, path: string): Promise<void> {
  const scan = await calls.scan(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  })
  for (let index = 0; index < (scan?.count ?? 0); index += 1) {
    const child = `${path}/${scan?.name(index).toString('utf8') ?? ''}`
    if (scan?.type(index) === 'directory') await removeTree(calls, child)
    else await calls.unlink(child)
  }
  if (scan !== undefined) await calls.removeDirectory(path)
}
