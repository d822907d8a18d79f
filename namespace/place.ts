import type { Capabilities } from './capabilities.ts'
import { NamespaceError } from './errors.ts'
import type { FileCalls, Files } from './files.ts'
import type { KeyLocks } from './key-lock.ts'
import { join } from './layout.ts'
import type { RecordStore } from './record-store.ts'
import type { ScanCache } from './scan-cache.ts'
import type { Bucket, Caller, VersioningDocument } from './verbs.ts'

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
  readonly now: () => number
  /** Letters and digits, different each time. */
  readonly nonce: () => string
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
  /** As the caller; `.s3` and records go as the service. */
  readonly calls: FileCalls
  readonly service: FileCalls
  readonly records: RecordStore
  readonly locks: Pick<KeyLocks, 'hold'>
  readonly options: Options
  /** As it is on disk after this was called; undefined: the bucket never was versioned. One look at a directory. */
  readonly versioning: () => Promise<VersioningDocument['status'] | undefined>
}

/** A path of the bucket → a path of its root's Files. */
export const within = (place: Place, path: string): string => join(place.directory, path)

/** A bucket deleted while a request was on its way is NoSuchBucket, not a missing directory. */
export async function requireBucket(place: Pick<Place, 'bucket' | 'directory' | 'service'>): Promise<void> {
  if ((await place.service.statPath(place.directory))?.type !== 'directory') {
    throw new NamespaceError('NoSuchBucket', { BucketName: place.bucket.name })
  }
}
