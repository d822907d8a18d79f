import type { Capabilities } from './capabilities.ts'
import type { FileCalls, Files } from './files.ts'
import type { KeyLocks } from './key-lock.ts'
import { join } from './layout.ts'
import type { RecordStore } from './record-store.ts'
import type { ScanCache } from './scan-cache.ts'
import type { Bucket, Caller } from './verbs.ts'

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
  readonly locks: KeyLocks
  readonly options: Options
}

/** A path of the bucket → a path of its root's Files. */
export const within = (place: Place, path: string): string => join(place.directory, path)
