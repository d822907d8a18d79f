import type { Capabilities } from './capabilities.ts'
import { NamespaceError } from './errors.ts'
import type { FileCalls, Files, PosixIdentity } from './files.ts'
import type { KeyLocks } from './key-lock.ts'
import { join } from './layout.ts'
import type { RecordStore } from './record-store.ts'
import type { ScanCache } from './scan-cache.ts'
import type { Bucket, Caller, Owner, VersioningDocument } from './verbs.ts'

/** A fact worth a counter and a log line; namespace/ itself logs nothing. */
export type Problem = {
  readonly kind: string
  readonly bucket?: string
  readonly path?: string
  readonly message?: string
}

/** What is the same for every bucket of a tree. */
export type Options = {
  /** Flush what is acknowledged. */
  readonly flush: boolean
  /** How many directories one key may need. */
  readonly directoriesMax: number
  readonly lockTimeoutMs: number
  readonly problems: (problem: Problem) => void
  /** Told of each file and directory that a listing leaves out because its reader may not see it. */
  readonly unlisted: () => void
  /** Whether files of this uid that only file users have written are read although they have other names: see linked-file.ts. */
  readonly mayBeLinked: (uid: number) => boolean
  readonly now: () => number
  /** Letters and digits, different each time. */
  readonly nonce: () => string
}

/** Where the file system decides as well what a user may (enforcement `kernel`). */
export type Kernel = {
  /** Who somebody without an access key is. */
  readonly anonymous: PosixIdentity
  /** Of a bucket's owner, in whose name lifecycle rules are carried out. undefined: they have no uid. */
  readonly posixOf: (owner: Owner) => Promise<PosixIdentity | undefined>
  /** Of new directories, as the umask leaves it. */
  readonly directoryMode: number
}

/** A mount, opened: the namespace root or one of `roots`. */
export type Root = {
  /** Absolute. */
  readonly path: string
  readonly files: Files
  readonly capabilities: Capabilities
  readonly scans: ScanCache
  /** Mounted read-only, or not to be written to by this account: its buckets have no `.s3`, and writes are refused with ReadOnlyTree. */
  readonly readOnly: boolean
  /** A machine that is away for long loses its locks without being told: those of servers, not of this machine. */
  readonly locksExpire: boolean
}

/** A bucket as one caller reaches it. Built for each call; everything a verb needs and nothing else. */
export type Place = {
  readonly bucket: Bucket
  readonly caller: Caller | undefined
  readonly root: Root
  /** The bucket's directory, relative to the root's Files. */
  readonly directory: string
  /** The inode of `.s3` as the bucket's record has it. */
  readonly transitInode: bigint
  /** As the caller; `.s3` and records go as the service. With enforcement `kernel` see acting-calls.ts. */
  readonly calls: FileCalls
  readonly service: FileCalls
  /** Who asks, where the file system decides too; undefined where the service may do all, and for upkeep. */
  readonly posix: PosixIdentity | undefined
  readonly records: RecordStore
  readonly locks: Pick<KeyLocks, 'hold'>
  readonly options: Options
  /** As it is on disk after this was called; undefined: the bucket never was versioned. One look at a directory. */
  readonly versioning: () => Promise<VersioningDocument['status'] | undefined>
}

/** A path of the bucket → a path of its root's Files. */
export const within = (place: Place, path: string): string => join(place.directory, path)

/** Looks that the gateway itself takes, in what its caller need not be able to read: to replace or remove a file takes rights to its directory. */
export const seenByService = (place: Place): Place => ({ ...place, calls: place.service })

/** A bucket deleted while a request was on its way is NoSuchBucket, not a missing directory. */
export async function requireBucket(place: Pick<Place, 'bucket' | 'directory' | 'service'>): Promise<void> {
  if ((await place.service.statPath(place.directory))?.type !== 'directory') {
    throw new NamespaceError('NoSuchBucket', { BucketName: place.bucket.name })
  }
}
