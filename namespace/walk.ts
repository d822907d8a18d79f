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
import type { Scan } from './files.ts'
import { decodeName, encodeSegment, keyBytesMax } from './key-path.ts'
import { join } from './layout.ts'
import type { ScanCache, ScanCalls } from './scan-cache.ts'

/** One thing that a listing shows. Paths are relative to the root of Files. */
export type WalkEntry =
  | {
      readonly kind: 'file'
      readonly key: string
      readonly directory: string
      /** Raw bytes, for statMany. */
      readonly name: Buffer
      readonly aside: boolean
    }
  /** A key ending in '/' that is a directory carrying a record. */
  | { readonly kind: 'directory'; readonly key: string; readonly directory: string }
  /** A common prefix with at least one key below it. */
  | { readonly kind: 'prefix'; readonly prefix: string }

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

/** As in ListQuery: entries greater than `after`; a common prefix given there is skipped whole. */
export type WalkQuery = { readonly prefix: string; readonly delimiter: string; readonly after: string }

/**
 * Keys and common prefixes of a tree in S3's order, which is that of the bytes of whole keys: "a-b" < "a/b" < "a0". Depth first is that
 * order once a directory sorts as its name + '/'. Starts where the query says without reading what lies before, so a page costs what it shows.
 * One unreadable, foreign or vanishing entry never fails it; the bucket's own directory missing does. (P-102 to P-108, P-114, P-115, P-120)
 */
export async function* walk(source: WalkSource, query: WalkQuery): AsyncGenerator<WalkEntry, void, undefined> {
  const { prefix, delimiter } = query
  const start = startOf(query)
  const stack = start === undefined ? [] : framesTo(source, prefix, start)
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.from !== undefined) await position(source, frame)
    const child = next(source, frame)
    if (child === undefined) {
      stack.pop()
      continue
    }
    if (child.kind === 'chain') {
      await expand(source, frame, frame.decodedIndex, child)
      continue
    }
    const key = frame.key + child.segment + (child.kind === 'directory' ? '/' : '')
    if (!key.startsWith(prefix)) return
    if (child.kind === 'directory') {
      const arrival = await arrive(source, query, frame, child)
      if (typeof arrival === 'object') stack.push(frameOf(join(frame.path, child.path), key, nothing, arrival))
      if (arrival !== 'proven') continue
    }
    const group = groupOf(key, prefix, delimiter)
    if (group !== undefined) {
      yield { kind: 'prefix', prefix: group }
      if (group !== key || child.kind !== 'directory') skip(stack, group)
    } else if (child.kind === 'file') {
      yield { kind: 'file', key, directory: join(frame.path, child.chain), name: child.name, aside: child.aside }
    } else {
      yield { kind: 'directory', key, directory: frame.path }
    }
  }
}

/** A directory on the way from the bucket's root to where the walk is. */
type Frame = {
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
type Arrival = 'proven' | Content | undefined
type Content = { readonly view: DirectoryView; readonly isObject: boolean }

/** No key has this byte, so `x` + it comes after all that begins with x. */
const beyond = Buffer.from([0xff])
const nul = Buffer.from([0])
const nothing = Buffer.alloc(0)

/** Names that are enough to prove a common prefix, nearly always. */
const glanceEntries = 64
/** Directories read ahead: few enough not to matter where a page ends early, enough to hide a remote mount's latency. */
const reachMax = 8
const aheadEntriesMax = 64
/** A link of a chain is full: at least 249 bytes, of which an escape takes three for one. */
const chainBytesMin = 83

/** The first position that counts: inclusive, in bytes of keys. undefined: nothing can come. */
function startOf({ prefix, delimiter, after }: WalkQuery): Buffer | undefined {
  const prefixBytes = Buffer.from(prefix)
  if (after === '') return prefixBytes
  const afterBytes = Buffer.from(after)
  if (!after.startsWith(prefix)) return Buffer.compare(afterBytes, prefixBytes) < 0 ? prefixBytes : undefined
  // The least key greater than "a" is "a\0"; the least after the group "a/" comes after all of it.
  return Buffer.concat([afterBytes, groupOf(after, prefix, delimiter) === after ? beyond : nul])
}

/** The common prefix that a key (or the key of a directory) falls into. */
function groupOf(key: string, prefix: string, delimiter: string): string | undefined {
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

function frameOf(path: string, key: string, from: Buffer, content?: Content): Frame {
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

/**
 * Straight to the directory where the start lies, by name and without reading what is above it. Directories above the prefix's own are never
 * needed; those between it and the start are read when the walk comes back to them. (From "bc/d", "bc/" itself is behind.)
 * prefix "a/b", start "a/bc/d/e" → frames "a/" (from "bc/d/e"), "a/bc/" (from "d/e"), "a/bc/d/" (from "e")
 */
function framesTo(source: WalkSource, prefix: string, start: Buffer): Frame[] {
  const base = prefix.lastIndexOf('/') + 1
  const stack: Frame[] = []
  let path = source.root
  let key = ''
  let rest = start
  for (;;) {
    if (key.length >= base) stack.push(frameOf(path, key, rest))
    const slash = rest.indexOf(0x2f)
    if (slash < 0) return stack
    // What follows a whole group starts behind its directory, not in it.
    const isBehind = rest[slash + 1] === 0xff
    const segment = rest.toString('utf8', 0, slash)
    path = join(path, encodeSegment(segment, false))
    key = `${key}${segment}/`
    if (isBehind || Buffer.byteLength(key) > keyBytesMax || source.boundary(path)) return key.length > base ? stack : []
    rest = rest.subarray(slash + 1)
  }
}

/** On behind all keys that begin with `group`. The walk has just been in it, so every directory on the way is on the stack. */
function skip(stack: Frame[], group: string): void {
  const target = Buffer.concat([Buffer.from(group), beyond])
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (target.subarray(0, frame.keyBytes.length).equals(frame.keyBytes)) {
      frame.from = target.subarray(frame.keyBytes.length)
      return
    }
    stack.pop()
  }
}

/** Reads the directory if that has not been done, and goes to where its keys are not less than `from`. */
async function position(source: WalkSource, frame: Frame): Promise<void> {
  const from = frame.from ?? nothing
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
async function expand(source: WalkSource, frame: Frame, index: number, chain: ChainChild): Promise<void> {
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
function next(source: WalkSource, frame: Frame): FileChild | DirectoryChild | ChainChild | SelfChild | undefined {
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
function whyNoKey(frame: Frame, child: FileChild | DirectoryChild): SkipReason | undefined {
  const slashBytes = child.kind === 'directory' ? 1 : 0
  const keyBytes = frame.keyBytes.length + Buffer.byteLength(child.segment) + slashBytes
  if (keyBytes === 0) return 'name'
  return keyBytes > keyBytesMax ? 'length' : undefined
}

/** Into a directory, which may have been read ahead; and some of those behind it are read ahead, more with each one gone into. */
async function arrive(source: WalkSource, query: WalkQuery, frame: Frame, child: DirectoryChild): Promise<Arrival> {
  frame.reach = Math.min(2 * frame.reach || 1, reachMax)
  const early = frame.ahead.get(child.path)
  frame.ahead.delete(child.path)
  const arrival = early ?? enter(source, query, frame, child)
  if (frame.reach > 1) readAhead(source, query, frame)
  return arrival
}

function readAhead(source: WalkSource, query: WalkQuery, frame: Frame): void {
  const { view, ahead } = frame
  if (view === undefined) return
  const end = Math.min(view.scan.count, frame.index + aheadEntriesMax)
  frame.aheadIndex = Math.max(frame.aheadIndex, frame.index)
  for (; frame.aheadIndex < end && ahead.size < frame.reach; frame.aheadIndex += 1) {
    if (frame.aheadIndex >= view.decodedStart && frame.aheadIndex < view.decodedEnd) continue
    if (view.scan.type(frame.aheadIndex) !== 'directory') continue
    const child = plainChild(view.scan, frame.aheadIndex)
    if (child.kind !== 'directory' || whyNoKey(frame, child) !== undefined) continue
    if (source.boundary(join(frame.path, child.path))) continue
    if (!`${frame.key}${child.segment}/`.startsWith(query.prefix)) return
    const arrival = enter(source, query, frame, child)
    // Thrown to whoever gets there; nobody may.
    arrival.catch(() => undefined)
    ahead.set(child.path, arrival)
  }
}

async function enter(source: WalkSource, query: WalkQuery, frame: Frame, child: DirectoryChild): Promise<Arrival> {
  const path = join(frame.path, child.path)
  const key = `${frame.key}${child.segment}/`
  if (groupOf(key, query.prefix, query.delimiter) !== undefined) {
    const some = await tolerant(source, path, () => source.cache.glance(source.files, path, glanceEntries))
    if (some === undefined) return undefined
    if (holdsKey(some, Buffer.byteLength(key))) return 'proven'
  }
  return open(source, path, true)
}

/** A file with a good name. What a directory of directories holds is for the walk to find out. */
function holdsKey(scan: Scan, keyBytes: number): boolean {
  const end = Math.min(scan.count, 16 * glanceEntries)
  for (let index = 0; index < end; index += 1) {
    if (scan.type(index) !== 'file') continue
    const decoded = decodeName(scan.name(index))
    if (decoded === undefined || decoded.kind === 'version' || decoded.kind === 'continues') continue
    if (keyBytes + Buffer.byteLength(decoded.segment) <= keyBytesMax) return true
  }
  return false
}

async function open(source: WalkSource, path: string, mayBeObject: boolean): Promise<Content | undefined> {
  return tolerant(source, path, async () => {
    const [scan, isObject] = await Promise.all([
      source.cache.scan(source.files, path),
      mayBeObject && source.isDirectoryObject(path),
    ])
    return { view: viewOf(scan), isObject }
  })
}

/** What vanished meanwhile was no stable key, and what cannot be read is told; an error of the disk (EIO) must not look like a deletion. */
async function tolerant<T>(source: WalkSource, path: string, read: () => Promise<T>): Promise<T | undefined> {
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
