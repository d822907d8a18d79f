import {
  type ChainChild,
  type Child,
  type DecodedChild,
  type DirectoryChild,
  type DirectoryView,
  decodeChain,
  type FileChild,
  lowerBound,
  plainChild,
  type SkipReason,
  viewOf,
} from './directory-view.ts'
import { isErrno } from './file-errors.ts'
import { decodeName, keyBytesMax } from './key-path.ts'
import { join } from './layout.ts'
import type { ScanCache, ScanCalls } from './scan-cache.ts'

/** As in ListQuery: entries greater than `after`; a common prefix given there is skipped whole. */
export type WalkQuery = { readonly prefix: string; readonly delimiter: string; readonly after: string }

/** Where a walk is in one directory: reading it, going on in it, and seeing what comes next. */

export type WalkSource = {
  readonly files: ScanCalls
  readonly cache: ScanCache
  /** The bucket's directory. */
  readonly root: string
  /** Whether the directory carries the record of an object. */
  readonly isDirectoryObject: (path: string) => Promise<boolean>
  /** Where the bucket ends: directories mapped as buckets of their own. */
  readonly boundary: (path: string) => boolean
  /** Told of what is on disk and no key. `name` is undefined when it is the directory itself that cannot be read. */
  readonly skipped: (directory: string, name: Buffer | undefined, reason: SkipReason) => void
}

/** A directory on the way from the bucket's root to where the walk is. */
export type Frame = {
  readonly path: string
  /** What its keys begin with: '' or something ending in '/'. */
  readonly key: string
  readonly keyBytes: Buffer
  /** Where to go on, relative to `key`, as soon as it is read. */
  from: Buffer | undefined
  /** The directory's own key comes first, and is still to come. */
  isObject: boolean
  view: DirectoryView | undefined
  started: boolean
  /** Next plain name. */
  index: number
  decoded: readonly DecodedChild[]
  decodedIndex: number
  /** Directories further on that are being read already, by name. */
  readonly ahead: Map<string, Promise<Arrival>>
  aheadIndex: number
  reach: number
}

type SelfChild = { readonly kind: 'self'; readonly segment: '' }

/** What came of going into a directory: enough to know that it holds a key; or its content; or that there is no such directory. */
export type Arrival = 'proven' | Content | undefined
export type Content = { readonly view: DirectoryView; readonly isObject: boolean }

/** A link of a chain is full: at least 249 bytes, of which an escape takes three for one. */
const chainBytesMin = 83

export function frameOf(path: string, key: string, from: Buffer, content?: Content): Frame {
  return {
    path,
    key,
    keyBytes: Buffer.from(key),
    from,
    isObject: content?.isObject ?? false,
    view: content?.view,
    started: false,
    index: 0,
    decoded: [],
    decodedIndex: 0,
    ahead: new Map(),
    aheadIndex: 0,
    reach: 0,
  }
}

/** Reads the directory if that has not been done, and goes to where its keys are not less than `from`. */
export async function position(source: WalkSource, frame: Frame): Promise<void> {
  const from = frame.from ?? Buffer.alloc(0)
  frame.from = undefined
  if (frame.view === undefined) {
    const content = await open(source, frame.path, frame.key !== '' && from.length === 0)
    if (content === undefined) return
    frame.view = content.view
    frame.isObject = content.isObject
  }
  const { view } = frame
  if (!frame.started) {
    frame.started = true
    frame.decoded = view.decoded
    if (from.length === 0) for (const { name, reason } of view.rejected) source.skipped(frame.path, name, reason)
  }
  for (let at = chainBefore(frame, from); at !== undefined; at = chainBefore(frame, from)) {
    await expand(source, frame, at.index, at.chain)
  }
  frame.index = view.scan.lowerBound(from)
  frame.decodedIndex = lowerBound(frame.decoded, from)
  frame.ahead.clear()
  frame.aheadIndex = frame.index
}

/** A chain that sorts before `from` but may hold something behind it. */
function chainBefore(frame: Frame, from: Buffer): { readonly index: number; readonly chain: ChainChild } | undefined {
  if (from.length <= chainBytesMin) return undefined
  for (const [index, { bytes, child }] of frame.decoded.entries()) {
    if (child.kind !== 'chain' || bytes.length >= from.length) continue
    if (from.subarray(0, bytes.length).equals(bytes)) return { index, chain: child }
  }
  return undefined
}

/** Puts what a chain holds in its place, in order. */
export async function expand(source: WalkSource, frame: Frame, index: number, chain: ChainChild): Promise<void> {
  const path = join(frame.path, chain.path)
  const decoded = [...frame.decoded]
  decoded.splice(index, 1)
  frame.decoded = decoded
  const content = frame.view === undefined ? undefined : await open(source, path, false)
  if (frame.view === undefined || content === undefined) return
  const inside = decodeChain(frame.view, chain, content.view.scan)
  for (const { name, reason } of inside.rejected) source.skipped(path, name, reason)
  // From the last to the first, so that each goes in front of its equals: a file, then its alias.
  for (const entry of inside.decoded.toReversed()) decoded.splice(lowerBound(decoded, entry.bytes), 0, entry)
}

/** The next child that may be a key or hold some, in order; undefined at the end of the directory. */
export function next(
  source: WalkSource,
  frame: Frame,
): FileChild | DirectoryChild | ChainChild | SelfChild | undefined {
  if (frame.isObject) {
    frame.isObject = false
    const first = frame.decoded[0]?.child
    // With bytes it is the file `.%e` (or its alias) as well; the file wins.
    if (first?.kind !== 'file' || first.segment !== '') return { kind: 'self', segment: '' }
  }
  for (;;) {
    const child = take(frame)
    if (child === undefined || child.kind === 'chain') return child
    const reason = child.kind === 'rejected' ? child.reason : whyNoKey(frame, child)
    if (reason === undefined && child.kind !== 'rejected') {
      if (child.kind === 'file' || !source.boundary(join(frame.path, child.path))) return child
    } else if (reason !== undefined) {
      source.skipped(frame.path, child.kind === 'directory' ? Buffer.from(child.path) : child.name, reason)
    }
  }
}

/** Plain and decoded names merged. A chain is left in its place, to be expanded there. */
function take(frame: Frame): Child | ChainChild | undefined {
  const { view, decoded } = frame
  if (view === undefined) return undefined
  for (;;) {
    if (frame.index >= view.decodedStart && frame.index < view.decodedEnd) frame.index = view.decodedEnd
    const entry = decoded[frame.decodedIndex]
    if (entry === undefined || entry.at > frame.index) {
      return frame.index < view.scan.count ? plainChild(view.scan, frame.index++) : undefined
    }
    if (entry.child.kind === 'chain') return entry.child
    frame.decodedIndex += 1
    if (!isDouble(view, entry, decoded[frame.decodedIndex - 2])) return entry.child
  }
}

/** An alias whose file is there as well: a crash came between `link` and `unlink`. The file at the plain path is the object. */
function isDouble({ scan }: DirectoryView, { at, bytes, child }: DecodedChild, before?: DecodedChild): boolean {
  if (child.kind !== 'file' || !child.aside) return false
  if (before?.child.kind === 'file' && before.bytes.equals(bytes)) return true
  if (at >= scan.count || scan.type(at) !== 'file') return false
  const plain = decodeName(scan.name(at))
  return plain?.kind === 'plain' && plain.segment === child.segment
}

/** A bucket's file `.%e` would be the empty key. */
export function whyNoKey(frame: Frame, child: FileChild | DirectoryChild): SkipReason | undefined {
  const slashBytes = child.kind === 'directory' ? 1 : 0
  const keyBytes = frame.keyBytes.length + Buffer.byteLength(child.segment) + slashBytes
  if (keyBytes === 0) return 'name'
  return keyBytes > keyBytesMax ? 'length' : undefined
}

export async function open(source: WalkSource, path: string, mayBeObject: boolean): Promise<Content | undefined> {
  return tolerant(source, path, async () => {
    const [scan, isObject] = await Promise.all([
      source.cache.scan(source.files, path),
      mayBeObject && source.isDirectoryObject(path),
    ])
    return { view: viewOf(scan), isObject }
  })
}

/** What vanished meanwhile was no stable key, and what cannot be read is told; an error of the disk (EIO) must not look like a deletion. */
export async function tolerant<T>(source: WalkSource, path: string, read: () => Promise<T>): Promise<T | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await read()
    } catch (error) {
      if (path === source.root || !isErrno(error, ...vanished, ...unreadable)) throw error
      // The name may have a new directory behind it already.
      if (error.code === 'ESTALE' && attempt === 0) continue
      if (unreadable.includes(error.code)) source.skipped(path, undefined, 'unreadable')
      return undefined
    }
  }
}

const vanished = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE']
const unreadable = ['EACCES', 'EPERM', 'ENAMETOOLONG']
