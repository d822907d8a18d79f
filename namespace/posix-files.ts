/** Files on a mounted tree, through the addon (native/README.md). Every call is a job on a thread of the mount's own pool. */
import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { digestBits, splitDigests } from './digests.ts'
import {
  type Descriptor,
  type FileCalls,
  FileError,
  type Files,
  type FileType,
  type Found,
  type Hasher,
  type PathAs,
  type PosixIdentity,
  type Scan,
  type Stat,
  type StatRow,
} from './files.ts'
import { type Mount, type NativeHasher, type NativeIdentity, native } from './native/native.ts'

/** A lock call may hang in the kernel while a server is away; that must not take the threads of everything else. */
const lockThreads = 4
/** One job's share of a page: on a remote mount a slice costs as many round trips, so slices run side by side. */
const statSliceNames = 32

export type PosixFilesOptions = {
  readonly threads: number
  readonly atOnce?: boolean
  readonly publishRoot?: string | undefined
  readonly userThreads?: boolean
  readonly byUid?: boolean | undefined
}

/**
 * Opens the tree at `rootPath`. `threads`: as many as cores for a local file system, 32 to 64 for a remote one (calls per second are
 * threads / latency). They are started when needed and keep nothing alive. `atOnce`: false has every call run on them, also what a
 * local file system can answer from memory. `publishRoot`: the same directory by another mount, through which `publish` renames and links: an
 * NFS client that renames over a file which it has open itself first moves that one aside, and others find nothing there for a moment.
 * `userThreads`: users' calls run on threads of their own, which have given up the service's capabilities for good (native/README.md).
 * `byUid`, for tests: the service is its uid and groups, as for an NFS server, and has its capabilities only where the client itself asks for one.
 * Throws FileError (ENOENT, ENOTDIR, EACCES; with `userThreads` EPERM where the process may not be so).
 */
export function openPosixFiles(rootPath: string, options: PosixFilesOptions): Files {
  const { threads, atOnce = true, publishRoot, userThreads = false, byUid = false } = options
  const mount = native.openMount(rootPath, threads, lockThreads, atOnce && !byUid, userThreads, byUid)
  const publishMount =
    publishRoot === undefined ? mount : native.openMount(publishRoot, threads, 1, false, userThreads, byUid)
  const names = openNames()
  const mounts: Mounts = { mount, publishMount }
  const service = callsOf(mounts, undefined, names)
  const known = new WeakMap<PosixIdentity, FileCalls>()
  return {
    as(identity) {
      if (identity === undefined) return service
      const calls = known.get(identity) ?? callsOf(mounts, wordsOf(identity), names)
      known.set(identity, calls)
      return calls
    },
    linkAcross: async (source, target) => linkAcross(mount, source, target),
    createHasher: (names) => createHasher(digestBits(names)),
    isLocal: native.isLocal(mount),
    load() {
      const loads = [...new Set([mount, publishMount])].map((each) => native.load(each))
      const sum = (at: 0 | 1): number => loads.reduce((all, load) => all + load[at], 0)
      return { queued: sum(0), running: sum(1), oldestMs: Math.max(...loads.map((load) => load[2])) }
    },
    close() {
      native.closeMount(mount)
      if (publishMount !== mount) native.closeMount(publishMount)
    },
  }
}

function linkAcross(mount: Mount, source: PathAs, target: PathAs): Promise<void> {
  const [finder, maker] = [source, target].map(({ identity }) => identity && wordsOf(identity))
  return native.linkAcross(mount, undefined, finder, wellFormed(source.path), maker, wellFormed(target.path))
}

/** Out of range, a number would wrap in the Uint32Array and become somebody else: 2^32 + 1000 is 1000. */
function wordsOf({ uid, gid, groups }: PosixIdentity): Uint32Array {
  const words = [uid, gid, ...groups]
  assert(
    words.every((id) => Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff),
    'uid, gid and groups are integers of 32 bits',
  )
  return Uint32Array.from(words)
}

const hows = { read: 0, write: 1, directory: 2 } as const
const lockModes = { none: 0, shared: 1, exclusive: 2 } as const

type Mounts = { readonly mount: Mount; readonly publishMount: Mount }

function callsOf({ mount, publishMount }: Mounts, who: NativeIdentity, names: OpenNames): FileCalls {
  return {
    async find(path, want) {
      const { attribute, bodyBytesMax, keepOpen } = want
      const found =
        native.findNow(mount, who, wellFormed(path), attribute, bodyBytesMax, keepOpen) ??
        (await native.find(mount, who, path, attribute, bodyBytesMax, keepOpen))
      if (found === undefined) return undefined
      const answer = foundIn(found)
      if (answer.descriptor !== undefined) names.add(answer.descriptor, path)
      return answer
    },
    open: async (path, how) => names.add(await native.open(mount, who, wellFormed(path), hows[how]), path),
    create: async (path, mode, exclusive) =>
      names.add(await native.create(mount, who, wellFormed(path), mode, exclusive), path),
    async close(descriptor) {
      const path = names.take(descriptor)
      if (!native.closeNow(mount, who, descriptor)) await native.close(mount, who, descriptor, path)
    },
    stat: async (descriptor) => statAt(await native.stat(mount, who, descriptor, names.of(descriptor)), 0),
    async statPath(path) {
      const row = await native.statPath(mount, who, wellFormed(path))
      return row === undefined ? undefined : statAt(row, 0)
    },
    read: async (descriptor, into, position) =>
      native.read(mount, who, descriptor, names.of(descriptor), into, offsetOf(position)),
    write: async (descriptor, chunk, position, hasher) =>
      native.write(mount, who, descriptor, names.of(descriptor), chunk, offsetOf(position), nativeHasherOf(hasher)),
    async hashRange(descriptor, offset, length, hasher) {
      const inside = nativeHasherOf(hasher)
      assert(inside)
      return native.hashRange(mount, who, descriptor, names.of(descriptor), offsetOf(offset), offsetOf(length), inside)
    },
    truncate: async (descriptor, size) => native.truncate(mount, who, descriptor, names.of(descriptor), offsetOf(size)),
    setModified: async (descriptor, mtimeNs) =>
      native.setModified(mount, who, descriptor, names.of(descriptor), mtimeNs),
    may: async (descriptor, want) => native.may(mount, who, descriptor, names.of(descriptor), want === 'write'),
    setMode: async (descriptor, mode) => native.setMode(mount, who, descriptor, names.of(descriptor), mode),
    flush: async (descriptor) => native.flush(mount, who, descriptor, names.of(descriptor)),
    flushDirectory: async (path) => native.flushDirectory(mount, who, wellFormed(path)),
    readAttribute: async (descriptor, name) => native.readAttribute(mount, who, descriptor, names.of(descriptor), name),
    writeAttribute: async (descriptor, name, value) =>
      native.writeAttribute(mount, who, descriptor, names.of(descriptor), name, value),
    removeAttribute: async (descriptor, name) =>
      native.removeAttribute(mount, who, descriptor, names.of(descriptor), name),
    async publish(descriptor, temporary, target, steps) {
      const row = await native.publish(
        publishMount,
        who,
        descriptor,
        wellFormed(temporary),
        wellFormed(target),
        steps.mtimeNs,
        steps.attribute?.name,
        steps.attribute?.value,
        steps.flushFile,
        steps.replace,
        steps.flushDirectory,
      )
      return statAt(row, 0)
    },
    rename: async (source, target) => native.rename(mount, who, wellFormed(source), wellFormed(target)),
    link: async (source, target) => native.link(mount, who, wellFormed(source), wellFormed(target)),
    mayWriteIn: async (directory) => native.mayWriteIn(mount, who, wellFormed(directory)),
    unlink: async (path) => native.unlink(mount, who, wellFormed(path)),
    removeDirectory: async (path) => native.removeDirectory(mount, who, wellFormed(path)),
    makeDirectory: async (path, mode) => native.makeDirectory(mount, who, wellFormed(path), mode),
    scan: async (path) => scanIn(await native.scan(mount, who, wellFormed(path))),
    async statMany(directory, entries, attribute) {
      const slices: Promise<(StatRow | undefined)[]>[] = []
      for (let from = 0; from < entries.length; from += statSliceNames)
        slices.push(statSlice(mount, who, wellFormed(directory), entries.slice(from, from + statSliceNames), attribute))
      return (await Promise.all(slices)).flat()
    },
    async lock(descriptor, offset, mode) {
      const [path, how] = [names.of(descriptor), lockModes[mode]]
      return (
        native.lockNow(mount, who, descriptor, path, offset, how) ??
        native.lock(mount, who, descriptor, path, offset, how)
      )
    },
    clone: async (source, target) => native.clone(mount, who, source, names.of(source), target),
    copyRange: async (source, sourceOffset, target, targetOffset, length) =>
      native.copyRange(
        mount,
        who,
        source,
        names.of(source),
        offsetOf(sourceOffset),
        target,
        offsetOf(targetOffset),
        offsetOf(length),
      ),
    sendFile: async (socket, descriptor, offset, length) =>
      native.sendFile(mount, who, descriptor, names.of(descriptor), socket, offsetOf(offset), offsetOf(length)),
    async space() {
      const both = await native.space(mount, who)
      return { totalBytes: both.readDoubleLE(0), availableBytes: both.readDoubleLE(8) }
    },
  }
}

/** A lone surrogate would reach the disk as U+FFFD, which is another name. */
function wellFormed(path: string): string {
  if (!path.isWellFormed()) throw new FileError('EINVAL', 'openat2', path)
  return path
}

/** The addon cuts fractions off and takes NaN for 0, silently. */
function offsetOf(value: number): number {
  assert(Number.isSafeInteger(value), `a position or length in bytes: ${value}`)
  return value
}

/** Under which path a descriptor was opened, so that its errors can say so. */
type OpenNames = {
  add(descriptor: Descriptor, path: string): Descriptor
  of(descriptor: Descriptor): string
  /** Before it is closed: afterwards the number may be another file's at once. */
  take(descriptor: Descriptor): string
}

function openNames(): OpenNames {
  const paths = new Map<Descriptor, string>()
  const of = (descriptor: Descriptor) => paths.get(descriptor) ?? `descriptor ${descriptor}`
  return {
    of,
    add(descriptor, path) {
      paths.set(descriptor, path)
      return descriptor
    },
    take(descriptor) {
      const path = of(descriptor)
      paths.delete(descriptor)
      return path
    },
  }
}

// ---- Digests ----

const nativeHashers = new WeakMap<Hasher, NativeHasher>()

function createHasher(bits: number): Hasher {
  const inside = native.createHasher(bits)
  const hasher: Hasher = { digests: () => splitDigests(bits, native.endHasher(inside)) }
  nativeHashers.set(hasher, inside)
  return hasher
}

function nativeHasherOf(hasher: Hasher | undefined): NativeHasher | undefined {
  if (hasher === undefined) return undefined
  const inside = nativeHashers.get(hasher)
  assert(inside, 'a hasher made by createHasher')
  return inside
}

// ---- Reading what the addon packed (native/tree.h writes it) ----

/** struct Row: device, inode, size as a double, mtime, ctime, mode, uid, gid, links, bytes of the attribute or -1, present. */
const rowBytes = 64
const rowAttribute = 56
const rowPresent = 60

function statAt(bytes: Buffer, at: number): Stat {
  const mode = bytes.readUInt32LE(at + 40)
  return {
    type: typeOfMode(mode),
    device: bytes.readBigUInt64LE(at),
    inode: bytes.readBigUInt64LE(at + 8),
    sizeBytes: bytes.readDoubleLE(at + 16),
    mtimeNs: bytes.readBigInt64LE(at + 24),
    ctimeNs: bytes.readBigInt64LE(at + 32),
    mode: mode & 0o7777,
    uid: bytes.readUInt32LE(at + 44),
    gid: bytes.readUInt32LE(at + 48),
    links: bytes.readUInt32LE(at + 52),
  }
}

const types: ReadonlyMap<number, FileType> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
])
const typeOfMode = (mode: number): FileType => types.get(mode & constants.S_IFMT) ?? 'other'

function foundIn(bytes: Buffer): Found {
  const attributeBytes = bytes.readInt32LE(rowAttribute)
  const bodyBytes = bytes.readInt32LE(rowBytes)
  const descriptor = bytes.readInt32LE(rowBytes + 4)
  const body = rowBytes + 8 + Math.max(0, attributeBytes)
  return {
    stat: statAt(bytes, 0),
    attribute: attributeBytes < 0 ? undefined : bytes.subarray(rowBytes + 8, body),
    body: bodyBytes < 0 ? undefined : bytes.subarray(body, body + bodyBytes),
    descriptor: descriptor < 0 ? undefined : descriptor,
  }
}

async function statSlice(
  mount: Mount,
  who: NativeIdentity,
  directory: string,
  names: readonly Buffer[],
  attribute: string,
): Promise<(StatRow | undefined)[]> {
  const ends = new Uint32Array(names.length)
  let total = 0
  names.forEach((name, index) => {
    total += name.length
    ends[index] = total
  })
  const bytes = await native.statMany(mount, who, directory, Buffer.concat(names, total), ends, attribute)
  let next = names.length * rowBytes
  return names.map((_, index) => {
    const at = index * rowBytes
    if (bytes.readUInt32LE(at + rowPresent) === 0) return undefined
    const attributeBytes = bytes.readInt32LE(at + rowAttribute)
    const from = next
    next += Math.max(0, attributeBytes)
    return { stat: statAt(bytes, at), attribute: attributeBytes < 0 ? undefined : bytes.subarray(from, next) }
  })
}

const scanTypes: readonly FileType[] = ['file', 'directory', 'symlink', 'other']

function scanIn(packed: ArrayBuffer): Scan {
  const [count = 0, namesBytes = 0] = new Uint32Array(packed, rowBytes, 2)
  const offsets = new Uint32Array(packed, rowBytes + 8, count + 1)
  const kinds = new Uint8Array(packed, offsets.byteOffset + offsets.byteLength, count)
  // A directory's name carries its '/' here: that is how it sorts.
  const names = Buffer.from(packed, kinds.byteOffset + kinds.byteLength, namesBytes)
  const start = (index: number) => offsets[index] ?? 0
  const type = (index: number): FileType => scanTypes[kinds[index] ?? 3] ?? 'other'
  return {
    count,
    name(index) {
      assert(index >= 0 && index < count)
      return names.subarray(start(index), start(index + 1) - (type(index) === 'directory' ? 1 : 0))
    },
    type,
    lowerBound(bytes) {
      let low = 0
      let high = count
      while (low < high) {
        const middle = (low + high) >>> 1
        if (names.compare(bytes, 0, bytes.length, start(middle), start(middle + 1)) < 0) low = middle + 1
        else high = middle
      }
      return low
    },
    stat: statAt(Buffer.from(packed, 0, rowBytes), 0),
    bytesHeld: packed.byteLength,
  }
}
