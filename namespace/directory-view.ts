import type { Scan } from './files.ts'
import { decodeName, isReservedName } from './key-path.ts'

/**
 * A scanned directory as segments of keys, in their order. A Scan is in order of the names on disk, which for plain names is the order of the
 * segments; the few names that start with '.%' lie next to each other, are taken out, decoded, and merged in where their segments belong.
 */

/** An object's file: `names` leads to it from the directory ('a', or '.%+…/.%e…' in a chain), `name` is the last of them, raw. */
export type FileChild = {
  readonly kind: 'file'
  readonly segment: string
  /** '' or the chain of directories that the file lies in, without a slash at the end. */
  readonly chain: string
  readonly name: Buffer
  readonly aside: boolean
}

/** `path` is relative to the directory. */
export type DirectoryChild = { readonly kind: 'directory'; readonly segment: string; readonly path: string }

/** A chain of over-long segments, not read yet: all that lies in it begins with `segment`. `path` as it is on disk. */
export type ChainChild = { readonly kind: 'chain'; readonly segment: string; readonly path: string }

/** Why a name on disk is no key. */
export type SkipReason = 'reserved' | 'name' | 'type' | 'length' | 'unreadable'

export type RejectedChild = { readonly kind: 'rejected'; readonly name: Buffer; readonly reason: SkipReason }

export type Child = FileChild | DirectoryChild | RejectedChild

/** A decoded name with its place: it comes before the plain name of index `at`. */
export type DecodedChild = {
  /** What it is sorted by: the segment, of a directory with '/' behind it. */
  readonly bytes: Buffer
  readonly at: number
  readonly child: FileChild | DirectoryChild | ChainChild
}

export type DirectoryView = {
  readonly scan: Scan
  /** Indices of the scan from `decodedStart` to before `decodedEnd` are the names starting '.%'. */
  readonly decodedStart: number
  readonly decodedEnd: number
  readonly decoded: readonly DecodedChild[]
  /** Names starting '.%' that stand for nothing. */
  readonly rejected: readonly RejectedChild[]
}

const marks = { start: Buffer.from('.%'), end: Buffer.from('.&') }

/** Decoded names live and die with the scan that the cache keeps. */
const views = new WeakMap<Scan, DirectoryView>()

export function viewOf(scan: Scan): DirectoryView {
  const known = views.get(scan)
  if (known !== undefined) return known
  const decodedStart = scan.lowerBound(marks.start)
  const decodedEnd = scan.lowerBound(marks.end)
  const { decoded, rejected } = decode(scan, scan, decodedStart, decodedEnd, '')
  const view = { scan, decodedStart, decodedEnd, decoded, rejected }
  views.set(scan, view)
  return view
}

/** What lies in a chain, with its places in the directory that the chain begins in. */
export const decodeChain = (
  view: DirectoryView,
  chain: ChainChild,
  scan: Scan,
): Pick<DirectoryView, 'decoded' | 'rejected'> => decode(view.scan, scan, 0, scan.count, chain.path)

function decode(
  outer: Scan,
  scan: Scan,
  start: number,
  end: number,
  chain: string,
): Pick<DirectoryView, 'decoded' | 'rejected'> {
  const decoded: DecodedChild[] = []
  const rejected: RejectedChild[] = []
  for (let index = start; index < end; index += 1) {
    const child = decodedChild(scan, index, chain)
    if (child.kind === 'rejected') {
      rejected.push(child)
      continue
    }
    const bytes = Buffer.from(child.kind === 'directory' ? `${child.segment}/` : child.segment)
    decoded.push({ bytes, at: outer.lowerBound(bytes), child })
  }
  return { decoded: decoded.sort(inOrder), rejected }
}

function decodedChild(scan: Scan, index: number, chain: string): DecodedChild['child'] | RejectedChild {
  const name = scan.name(index)
  const type = scan.type(index)
  const decoded = decodeName(name, chain === '' ? '' : `${chain}/`)
  if (decoded === undefined) return rejection(name)
  const { segment } = decoded
  const path = chain === '' ? name.toString('utf8') : `${chain}/${name.toString('utf8')}`
  if (type === 'directory' && decoded.kind === 'continues') return { kind: 'chain', segment, path }
  if (type === 'directory' && decoded.kind === 'escaped') return { kind: 'directory', segment, path }
  if (type === 'file' && (decoded.kind === 'escaped' || decoded.kind === 'aside')) {
    return { kind: 'file', segment, chain, name, aside: decoded.kind === 'aside' }
  }
  return { kind: 'rejected', name, reason: 'type' }
}

/** The child of a name that does not start with '.%'. */
export function plainChild(scan: Scan, index: number): Child {
  const name = scan.name(index)
  const type = scan.type(index)
  if (type !== 'file' && type !== 'directory') return { kind: 'rejected', name, reason: 'type' }
  const segment = decodeName(name)?.segment
  if (segment === undefined) return rejection(name)
  return type === 'file'
    ? { kind: 'file', segment, chain: '', name, aside: false }
    : { kind: 'directory', segment, path: segment }
}

const rejection = (name: Buffer): RejectedChild => ({
  kind: 'rejected',
  name,
  reason: isReservedName(name) ? 'reserved' : 'name',
})

/** A file beside its own alias (left by a crash) comes first, so that the alias can be seen to be double. */
const inOrder = (left: DecodedChild, right: DecodedChild): number =>
  Buffer.compare(left.bytes, right.bytes) || Number(isAside(left)) - Number(isAside(right))

const isAside = ({ child }: DecodedChild): boolean => child.kind === 'file' && child.aside

/** The first index of `decoded` that does not come before `bytes`. */
export function lowerBound(decoded: readonly DecodedChild[], bytes: Buffer): number {
  let low = 0
  let high = decoded.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = decoded[middle]
    if (entry !== undefined && Buffer.compare(entry.bytes, bytes) < 0) low = middle + 1
    else high = middle
  }
  return low
}
