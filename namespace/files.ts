/**
 * Files: the only place that touches the file system. Paths are relative to the root the Files was opened on, `/` between
 * segments, never starting with `/`; '' is the root itself. Resolution stays beneath the root and follows no symbolic
 * link (openat2, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), so no path can leave it, whatever is planted in the tree.
 *
 * Identity is an argument, never ambient: `files.as(identity)` answers the same tree as that user sees it.
 * posix-files.ts implements this over the addon; testing/faulty-files.ts wraps it to fail, delay and "crash";
 * testing/contract.ts is the suite that every implementation passes.
 */

/** uid, gid and supplementary groups a call runs under. uid 0 is refused. */
export type PosixIdentity = { readonly uid: number; readonly gid: number; readonly groups: readonly number[] }

/** A system call that failed. `code` is the errno's name (`ENOENT`), `syscall` the call's (`fsetxattr`). */
export class FileError extends Error {
  readonly code: string
  readonly syscall: string
  readonly path: string

  constructor(code: string, syscall: string, path: string, cause?: unknown) {
    super(`${code}: ${syscall} '${path}'`, cause === undefined ? undefined : { cause })
    this.name = 'FileError'
    this.code = code
    this.syscall = syscall
    this.path = path
  }
}

export type FileType = 'file' | 'directory' | 'symlink' | 'other'

export type Stat = {
  readonly type: FileType
  readonly device: bigint
  readonly inode: bigint
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Permission bits, 0 … 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: number
}

/** An open file of this process; closed by whoever was given it, with `close`. */
export type Descriptor = number

export type Found = {
  readonly stat: Stat
  /** The attribute asked for, absent where the file has none (or the mount knows no attributes). */
  readonly attribute: Buffer | undefined
  /** The whole content as of `stat`, when it is a regular file of at most `bodyBytesMax` bytes that nobody kept writing to meanwhile. */
  readonly body: Buffer | undefined
  /** A file or directory, open for reading, when `keepOpen` was asked and no body came back. Then the caller closes it. */
  readonly descriptor: Descriptor | undefined
}

/** A directory's entries in S3 order: by bytes of the name, a directory's name compared as name + '/'. */
export type Scan = {
  readonly count: number
  /** Raw bytes: a name may be any bytes but NUL and '/'. */
  name(index: number): Buffer
  type(index: number): FileType
  /** The first index whose name (directories: name + '/') is >= `bytes`. Binary search. */
  lowerBound(bytes: Buffer): number
  /** Of the directory, taken before it was read. */
  readonly stat: Stat
  /** Bytes held in memory, for caches. */
  readonly bytesHeld: number
}

export type StatRow = { readonly stat: Stat; readonly attribute: Buffer | undefined }

export type DigestName = 'MD5' | 'SHA1' | 'SHA256' | 'CRC32' | 'CRC32C' | 'CRC64NVME'

/** Several digests over one stream of bytes, computed off the main thread. One update at a time. */
export type Hasher = {
  /** Raw digests (CRCs big-endian), keyed by name. Ends the hasher. */
  digests(): Readonly<Partial<Record<DigestName, Buffer>>>
}

export type PublishSteps = {
  /** Set by futimens after the last write, before anything else. */
  readonly mtimeNs: bigint
  /** Written by fsetxattr before the file becomes visible. */
  readonly attribute?: { readonly name: string; readonly value: Uint8Array }
  /** fsync of the file before it becomes visible. */
  readonly flushFile: boolean
  /** true: rename over whatever file is there. false: link, and EEXIST when the name is taken; then the temporary is unlinked. */
  readonly replace: boolean
  /** fsync of the target's directory after it. */
  readonly flushDirectory: boolean
}

/** The calls, under one identity. Unless said otherwise they throw FileError. */
export type FileCalls = {
  /**
   * Fused look-up: open without following links, fstat, one attribute, small content, in one job.
   * undefined when there is nothing (ENOENT, ENOTDIR) or a symbolic link (ELOOP). A fifo, socket or device is never opened for
   * long: it comes back with its type and no descriptor. EACCES when it may not be read. `bodyBytesMax` -1: never a body, so that an empty
   * file comes back with a descriptor too.
   */
  find(
    path: string,
    want: { readonly attribute: string; readonly bodyBytesMax: number; readonly keepOpen: boolean },
  ): Promise<Found | undefined>
  /** Opens an existing regular file ('read' | 'write' = read and write) or a directory ('directory'). ELOOP for a link, ENXIO for a fifo … */
  open(path: string, how: 'read' | 'write' | 'directory'): Promise<Descriptor>
  /** O_CREAT | O_EXCL when `exclusive`, else O_CREAT; read and write. EEXIST when exclusive and there. */
  create(path: string, mode: number, exclusive: boolean): Promise<Descriptor>
  close(descriptor: Descriptor): Promise<void>
  stat(descriptor: Descriptor): Promise<Stat>
  /** fstatat without following a link; undefined when there is nothing. */
  statPath(path: string): Promise<Stat | undefined>
  /** Fills `into`, fewer bytes only at the file's end. The memory belongs to the call until it has answered, as does a chunk written. */
  read(descriptor: Descriptor, into: Uint8Array, positionBytes: number): Promise<number>
  /** Writes all of `chunk` at the position and feeds it to `hasher`, in one job off the main thread. */
  write(descriptor: Descriptor, chunk: Uint8Array, positionBytes: number, hasher?: Hasher): Promise<void>
  /** Feeds bytes of an open file to `hasher` in one job: bytes hashed, fewer when the file ends early. Ask for some MiB at a time. */
  hashRange(descriptor: Descriptor, offset: number, lengthBytes: number, hasher: Hasher): Promise<number>
  truncate(descriptor: Descriptor, sizeBytes: number): Promise<void>
  /** futimens: the time of the last modification, nothing else. */
  setModified(descriptor: Descriptor, mtimeNs: bigint): Promise<void>
  /** Whether an open file may be read, or written, whoever has opened it (as mayWriteIn). */
  may(descriptor: Descriptor, want: 'read' | 'write'): Promise<boolean>
  /** fchmod. */
  setMode(descriptor: Descriptor, mode: number): Promise<void>
  flush(descriptor: Descriptor): Promise<void>
  /** fsync of a directory by path; '' is the root. */
  flushDirectory(path: string): Promise<void>
  /** undefined when there is no such attribute (ENODATA) or none on this mount (ENOTSUP). */
  readAttribute(descriptor: Descriptor, name: string): Promise<Buffer | undefined>
  writeAttribute(descriptor: Descriptor, name: string, value: Uint8Array): Promise<void>
  /** No error when it is not there. */
  removeAttribute(descriptor: Descriptor, name: string): Promise<void>
  /** The only way a file becomes visible under a key's name: mtime → attribute → fsync → rename or link → fsync of the directory. */
  publish(descriptor: Descriptor, temporary: string, target: string, steps: PublishSteps): Promise<Stat>
  rename(source: string, target: string): Promise<void>
  /** Hard link; EEXIST when the target is there. */
  link(source: string, target: string): Promise<void>
  /** Whether names may be made and taken away in a directory (faccessat2 with AT_EACCESS: ACLs and a server's own word count). ENOENT, ENOTDIR. */
  mayWriteIn(directory: string): Promise<boolean>
  /** true when it was there. */
  unlink(path: string): Promise<boolean>
  /** true when it was there and empty; false when absent; throws ENOTEMPTY. */
  removeDirectory(path: string): Promise<boolean>
  /** One directory. false when it is there already (a directory); EEXIST when something else is there. */
  makeDirectory(path: string, mode: number): Promise<boolean>
  /**
   * All entries but '.' and '..', sorted. ENOENT, ENOTDIR. With `atMost` it may stop reading at that many entries: then `count` is
   * exactly `atMost`, and what it shows, sorted, is some of the directory.
   */
  scan(path: string, atMost?: number): Promise<Scan>
  /** Stat and attribute of many names of one directory, one slot each; undefined for one that vanished, is unreadable or no file or directory. */
  statMany(directory: string, names: readonly Buffer[], attribute: string): Promise<readonly (StatRow | undefined)[]>
  /**
   * Tries an open-file-description lock on one byte. true when it is held now; 'none' lets go and always answers true.
   * Never blocks on a local file system.
   */
  lock(descriptor: Descriptor, offset: bigint, mode: 'shared' | 'exclusive' | 'none'): Promise<boolean>
  /** Makes `target` share all of the source's bytes (FICLONE). false where the mount cannot; then nothing has changed. */
  clone(source: Descriptor, target: Descriptor): Promise<boolean>
  /** Clone (FICLONERANGE) or copy_file_range or read and write, whatever works: bytes copied, always all of them unless the source ends. */
  copyRange(
    source: Descriptor,
    sourceOffset: number,
    target: Descriptor,
    targetOffset: number,
    lengthBytes: number,
  ): Promise<number>
  /**
   * sendfile(2) from an open file into a connected socket's descriptor, waiting for the socket by uv_poll. Resolves with the bytes
   * sent: fewer than asked when the file ended early or the peer has gone. Does not close either. When the owner closes the socket
   * meanwhile, it ends within a second.
   */
  sendFile(socketDescriptor: number, descriptor: Descriptor, offset: number, lengthBytes: number): Promise<number>
  /** Space of the file system, in bytes. */
  space(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }>
}

/** A path as somebody sees it; undefined is the service. */
export type PathAs = { readonly path: string; readonly identity: PosixIdentity | undefined }

export type Files = {
  /** undefined is the service account: the process's own identity. */
  as(identity: PosixIdentity | undefined): FileCalls
  /**
   * Hard link of a file that one identity finds, by a name that another one makes: from a user's directory into the service's, or back. The link itself
   * is made with the service's rights to names of others' files. EEXIST when the target is there.
   */
  linkAcross(source: PathAs, target: PathAs): Promise<void>
  createHasher(digests: readonly DigestName[]): Hasher
  /** ext4, XFS, Btrfs, tmpfs: of this machine alone. Anything else is taken for a server's. */
  readonly isLocal: boolean
  /** Jobs waiting and running on this mount's pool; `oldestMs` shows a hung mount. */
  load(): { readonly queued: number; readonly running: number; readonly oldestMs: number }
  close(): void
}
