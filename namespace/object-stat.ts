import { createHash } from 'node:crypto'
import { amendable } from './amendable.ts'
import { contentTypeOf } from './content-type.ts'
import type { Stat } from './files.ts'
import { type ReadRecord, unpackParts } from './record.ts'
import type { ObjectStat, Owner } from './verbs.ts'

/** An ETag for bytes that no S3 client wrote. The dash tells clients that it is no MD5. */
function foreignETag(stat: Stat): string {
  const token = `${stat.inode}:${stat.sizeBytes}:${stat.mtimeNs}:${stat.ctimeNs}`
  return `${createHash('md5').update(token).digest('hex')}-0`
}

/** Also of one that was frozen into a record: no S3 client's ETag ends so, since an upload has one part at least. */
export const isForeignETag = (eTag: string): boolean => eTag.endsWith('-0')

/** Stands for a POSIX user: what the directory calls them is not known here. */
const ownerOfUid = (uid: number): Owner => ({
  canonicalId: createHash('sha256').update(`posix-uid:${uid}`).digest('hex'),
  displayName: `uid-${uid}`,
})

/** Of the owner that a file has which only file users wrote; undefined: it is a user of S3. */
export function uidOfFileUser({ canonicalId, displayName }: Owner): number | undefined {
  if (!displayName.startsWith('uid-')) return undefined
  const uid = Number(displayName.slice('uid-'.length))
  return canonicalId === ownerOfUid(uid).canonicalId ? uid : undefined
}

/** Milliseconds, rounded down: a Last-Modified must never be later in one answer than in another (P-113). */
const dateOf = (nanoseconds: bigint): Date => new Date(Number(nanoseconds / 1_000_000n))

/** Does the record describe these very bytes? A rewrite over NFS changes size or mtime. */
export const fits = (record: ReadRecord['record'], stat: Stat): boolean =>
  record.kind === 'object' && record.sizeBytes === stat.sizeBytes && record.mtimeNs === stat.mtimeNs.toString()

/**
 * What S3 says of a file: the record as far as it may be believed (design section 4, Records).
 * - trusted and fitting: all of it
 * - trusted, rewritten since: what describes the object stays (metadata, tags, owner), what describes content is void
 * - not trusted: only the content headers stay
 */
export function objectStat(bucket: string, key: string, stat: Stat, read: ReadRecord | undefined): ObjectStat {
  const record = read?.record
  const believed = read?.trusted === true ? record : undefined
  const content = believed !== undefined && fits(believed, stat) ? believed : undefined
  return {
    bucket,
    key,
    sizeBytes: stat.sizeBytes,
    eTag: content?.eTag ?? foreignETag(stat),
    lastModified: content?.lastModifiedMs === undefined ? dateOf(stat.mtimeNs) : new Date(content.lastModifiedMs),
    // What a file user has rewritten in place still is that version, with other bytes.
    versionId: believed?.versionId,
    checksum: content?.checksum,
    parts: content?.parts === undefined ? undefined : unpackParts(content.parts, content.partChecksums),
    owner: believed?.owner ?? ownerOfUid(stat.uid),
    headers: record?.headers ?? { 'content-type': contentTypeOf(key) },
    metadata: believed?.metadata ?? {},
    ...amendable(believed ?? {}),
    foreign: content === undefined || isForeignETag(content.eTag),
  }
}

/** A key ending in '/' without bytes: the directory's own record. undefined: the directory is no key. */
export function directoryStat(bucket: string, key: string, read: ReadRecord | undefined): ObjectStat | undefined {
  if (read === undefined || !read.trusted || read.record.kind !== 'directory') return undefined
  const { record } = read
  return {
    bucket,
    key,
    sizeBytes: 0,
    eTag: record.eTag,
    lastModified: new Date(record.lastModifiedMs ?? 0),
    versionId: record.versionId,
    checksum: record.checksum,
    parts: undefined,
    owner: record.owner,
    headers: record.headers,
    metadata: record.metadata,
    ...amendable(record),
    foreign: false,
  }
}
