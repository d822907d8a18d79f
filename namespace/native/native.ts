/** The addon's one declaration and its loader. Only posix-files.ts, digests.ts and kernel-rights.ts use it; README.md says what it is. */
import { createRequire } from 'node:module'
import { FileError } from '../files.ts'

/** An opened tree: a root descriptor and its thread pools. */
export type Mount = { readonly opaque: 'mount' }
/** Digests under way. One update at a time, or it throws. */
export type NativeHasher = { readonly opaque: 'hasher' }

/** `[uid, gid, ...groups]`; undefined is the process's own identity. */
export type NativeIdentity = Uint32Array | undefined

/**
 * Arguments come in a fixed order: mount, identity, then the call's own. Calls on a descriptor take, after it, the path that an error
 * names. All promises reject with FileError. `Row`: see `statAt` in ../posix-files.ts.
 */
export type Native = {
  /**
   * `atOnce`: findNow and lockNow may answer, where the file system is one of this machine (ext4, XFS, Btrfs, tmpfs). `userThreads`: users' jobs
   * run on threads that have given up the service's capabilities; EPERM for uid 0, with CAP_DAC_OVERRIDE, and without those that are needed.
   * `byUid`: the service's own jobs run without FOWNER and DAC_READ_SEARCH, but for the naming of linkAcross.
   */
  openMount(
    rootPath: string,
    threads: number,
    lockThreads: number,
    atOnce: boolean,
    userThreads: boolean,
    byUid: boolean,
  ): Mount
  /** Of the process when the addon was loaded: uid, permitted capabilities (0 to 31, 32 to 63). */
  rights(): readonly [number, number, number]
  /** The file system is one of this machine. */
  isLocal(mount: Mount): boolean
  /** What is queued still runs; later calls reject with EBADF. */
  closeMount(mount: Mount): void
  /** Queued, running, age of the oldest in milliseconds. */
  load(mount: Mount): readonly [number, number, number]

  /** Row, int32 length of the body or -1, int32 descriptor or -1, attribute, body. */
  find(
    mount: Mount,
    who: NativeIdentity,
    path: string,
    attribute: string,
    bodyBytesMax: number,
    keepOpen: boolean,
  ): Promise<Buffer | undefined>
  /** The same in this very thread; undefined when that might wait, or when nothing was found: then `find` is to say. */
  findNow(
    mount: Mount,
    who: NativeIdentity,
    path: string,
    attribute: string,
    bodyBytesMax: number,
    keepOpen: boolean,
  ): Buffer | undefined
  /** `how`: 0 read, 1 read and write, 2 directory. */
  open(mount: Mount, who: NativeIdentity, path: string, how: 0 | 1 | 2): Promise<number>
  create(mount: Mount, who: NativeIdentity, path: string, mode: number, exclusive: boolean): Promise<number>
  statPath(mount: Mount, who: NativeIdentity, path: string): Promise<Buffer | undefined>
  flushDirectory(mount: Mount, who: NativeIdentity, path: string): Promise<void>
  rename(mount: Mount, who: NativeIdentity, source: string, target: string): Promise<void>
  link(mount: Mount, who: NativeIdentity, source: string, target: string): Promise<void>
  /** The way to `source` is the finder's right, the name `target` the maker's. */
  linkAcross(
    mount: Mount,
    who: undefined,
    finder: NativeIdentity,
    source: string,
    maker: NativeIdentity,
    target: string,
  ): Promise<void>
  mayWriteIn(mount: Mount, who: NativeIdentity, directory: string): Promise<boolean>
  unlink(mount: Mount, who: NativeIdentity, path: string): Promise<boolean>
  removeDirectory(mount: Mount, who: NativeIdentity, path: string): Promise<boolean>
  makeDirectory(mount: Mount, who: NativeIdentity, path: string, mode: number): Promise<boolean>
  /** Row of the directory, count, bytes of names, count + 1 offsets (all uint32), count types (uint8), names sorted. */
  scan(mount: Mount, who: NativeIdentity, path: string): Promise<ArrayBuffer>
  /** One row per name, then the attributes of those that have one. `ends[i]` is where name i ends in `names`. */
  statMany(
    mount: Mount,
    who: NativeIdentity,
    directory: string,
    names: Uint8Array,
    ends: Uint32Array,
    attribute: string,
  ): Promise<Buffer>
  publish(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    temporary: string,
    target: string,
    mtimeNs: bigint,
    attribute: string | undefined,
    value: Uint8Array | undefined,
    flushFile: boolean,
    replace: boolean,
    flushDirectory: boolean,
  ): Promise<Buffer>
  /** Two doubles: bytes in all, bytes available. */
  space(mount: Mount, who: NativeIdentity): Promise<Buffer>

  close(mount: Mount, who: NativeIdentity, descriptor: number, path: string): Promise<void>
  /** The same in this very thread: false when that might wait, or when it is no file of the mount; then `close` is to do it. */
  closeNow(mount: Mount, who: NativeIdentity, descriptor: number): boolean
  stat(mount: Mount, who: NativeIdentity, descriptor: number, path: string): Promise<Buffer>
  /** The memory of `into` and `chunk` belongs to the job until the promise is settled. */
  read(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    into: Uint8Array,
    position: number,
  ): Promise<number>
  write(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    chunk: Uint8Array,
    position: number,
    hasher: NativeHasher | undefined,
  ): Promise<void>
  hashRange(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    offset: number,
    length: number,
    hasher: NativeHasher,
  ): Promise<number>
  truncate(mount: Mount, who: NativeIdentity, descriptor: number, path: string, size: number): Promise<void>
  flush(mount: Mount, who: NativeIdentity, descriptor: number, path: string): Promise<void>
  may(mount: Mount, who: NativeIdentity, descriptor: number, path: string, write: boolean): Promise<boolean>
  setMode(mount: Mount, who: NativeIdentity, descriptor: number, path: string, mode: number): Promise<void>
  setModified(mount: Mount, who: NativeIdentity, descriptor: number, path: string, mtimeNs: bigint): Promise<void>
  readAttribute(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    name: string,
  ): Promise<Buffer | undefined>
  writeAttribute(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    name: string,
    value: Uint8Array,
  ): Promise<void>
  removeAttribute(mount: Mount, who: NativeIdentity, descriptor: number, path: string, name: string): Promise<void>
  /** `mode`: 0 none, 1 shared, 2 exclusive. */
  lock(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    offset: bigint,
    mode: 0 | 1 | 2,
  ): Promise<boolean>
  /** The same in this very thread; undefined when that might wait. */
  lockNow(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    offset: bigint,
    mode: 0 | 1 | 2,
  ): boolean | undefined
  clone(mount: Mount, who: NativeIdentity, source: number, path: string, target: number): Promise<boolean>
  copyRange(
    mount: Mount,
    who: NativeIdentity,
    source: number,
    path: string,
    sourceOffset: number,
    target: number,
    targetOffset: number,
    length: number,
  ): Promise<number>
  sendFile(
    mount: Mount,
    who: NativeIdentity,
    descriptor: number,
    path: string,
    socket: number,
    offset: number,
    length: number,
  ): Promise<number>

  /** Bits in the order of `digestNames` in ../digests.ts; the raw results lie behind one another in that order. */
  createHasher(which: number): NativeHasher
  endHasher(hasher: NativeHasher): Buffer
  /** `portable`: without the processor's own CRC instructions, for tests. */
  digest(which: number, bytes: Uint8Array, portable: boolean): Buffer

  setErrorMaker(make: (code: string, syscall: string, path: string) => Error): void
}

/** Loaded once per process, after any change of the process's own identity: the addon remembers what it was. */
export const native: Native = load()

function load(): Native {
  const addon: Native = createRequire(import.meta.url)('./causeway.node')
  addon.setErrorMaker((code, syscall, path) => new FileError(code, syscall, path))
  return addon
}
