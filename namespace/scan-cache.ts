import { LRUCache } from 'lru-cache'
import { type FileCalls, FileError, type Scan, type Stat } from './files.ts'
import { recordAttribute } from './layout.ts'

/**
 * Sorted directories, kept while nothing in them changes, so that a page of a directory of a million costs one look at the directory and
 * a binary search. One cache per mount; every answer is as fresh as a directory read after the call began.
 */
export type ScanCache = {
  /** The whole directory. Throws what the caller's own look at it throws (ENOENT, ENOTDIR, EACCES …), also when it is in the cache. */
  scan(files: ScanCalls, path: string): Promise<Scan>
  /** Some `atMost` of the entries, or all: to see whether there is anything in a directory without reading a million names. */
  glance(files: ScanCalls, path: string, atMost: number): Promise<Scan>
}

export type ScanCalls = Pick<FileCalls, 'scan' | 'find'>

export type ScanCacheOptions = {
  /** Bytes of names held in memory. */
  readonly maxBytes?: number
  /** Longer than a tick of the file system's clock. */
  readonly settleMs?: number
  /** How far the file system's clock may be behind this machine's: 0 for a local one. */
  readonly skewMs?: number
  readonly clock?: Clock
}

export type Clock = { readonly wallMs: () => number; readonly monotonicMs: () => number }

const systemClock: Clock = { wallMs: Date.now, monotonicMs: () => performance.now() }

/** `scan` is absent while the directory is too young to be trusted; then `stat` and `seenMs` wait for it to grow old. */
type Kept = { readonly scan: Scan | undefined; readonly stat: Stat; readonly seenMs: number }

type Flight = { readonly files: ScanCalls; readonly began: number; readonly scan: Promise<Scan> }

/** File systems that keep whole seconds show it in their times; FAT's are even. */
const wholeSecondsSettleMs = 2_100

/** Of a cache entry beyond its names: the objects around them. */
const entryBytes = 500

export function createScanCache(options: ScanCacheOptions = {}): ScanCache {
  const { maxBytes = 128 * 2 ** 20, settleMs = 50, skewMs = 0, clock = systemClock } = options
  const kept = new LRUCache<string, Kept>({
    maxSize: maxBytes,
    sizeCalculation: (entry, path) => (entry.scan?.bytesHeld ?? 0) + 2 * path.length + entryBytes,
  })
  const flights = new Map<string, Flight>()
  let ticket = 0

  /**
   * Callers share a flight, but only one that began after they arrived. Listing L1 reads a directory; while it reads, PUT a is acknowledged
   * in a part that L1 has read already; then L2 begins. Were L2 given L1's flight, it would not show an acknowledged object. So L2 waits
   * for it, and then looks at the directory itself (or joins whoever woke first): what L1 read is good if nothing has changed since.
   */
  async function scan(files: ScanCalls, path: string): Promise<Scan> {
    const arrived = ++ticket
    for (;;) {
      const flight = flights.get(path)
      if (flight === undefined) return takeOff(files, path)
      if (flight.files === files && flight.began > arrived) return flight.scan
      await flight.scan.catch(() => undefined)
    }
  }

  function takeOff(files: ScanCalls, path: string): Promise<Scan> {
    const began = ++ticket
    const scan = fly(files, path).finally(() => flights.delete(path))
    flights.set(path, { files, began, scan })
    return scan
  }

  async function fly(files: ScanCalls, path: string): Promise<Scan> {
    return (await valid(files, path)) ?? (await readWhole(files, path))
  }

  /**
   * What is in the cache, if the directory still is what was read. The look opens the directory under the caller's identity: nobody is
   * shown from memory what they may not read, and an NFS client asks its server (a bare stat may answer what it remembers).
   */
  async function valid(files: ScanCalls, path: string): Promise<Scan | undefined> {
    const entry = kept.get(path)
    if (entry?.scan === undefined) return undefined
    return isSame(await look(files, path), entry.stat) ? entry.scan : undefined
  }

  /**
   * A directory that changed while it was read is read once more: a file that steps aside behind the reader's back (`a` → `.%=a`, from
   * what is still to be read to what has been read) would be missing under both names, though its key was there all the time (P-120).
   */
  async function readWhole(files: ScanCalls, path: string): Promise<Scan> {
    const first = await read(files, path)
    return isSame(await look(files, path), first.stat) ? first : read(files, path)
  }

  async function read(files: ScanCalls, path: string, atMost?: number): Promise<Scan> {
    const began = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
    const scan = await files.scan(path, atMost)
    if (scan.count !== atMost) keep(path, scan, began)
    return scan
  }

  /**
   * Two changes in one tick of the file system's clock leave one time: a change right after the reading, in the tick of the last change
   * before it, would never show. So a scan is trusted only when that tick was over before the reading began: either the directory's
   * ctime was old already (ctime, because anybody can set mtime back), or this process saw the very same times `settleMs` earlier,
   * which needs no two clocks to agree.
   */
  function keep(path: string, scan: Scan, began: { readonly wallMs: number; readonly monotonicMs: number }): void {
    const before = kept.peek(path)
    const seenMs = before !== undefined && isSame(before.stat, scan.stat) ? before.seenMs : clock.monotonicMs()
    const tickMs = scan.stat.ctimeNs % 1_000_000_000n === 0n ? Math.max(settleMs, wholeSecondsSettleMs) : settleMs
    const changedMs = Number(scan.stat.ctimeNs / 1_000_000n)
    const trusted = changedMs + tickMs + skewMs < began.wallMs || seenMs + tickMs < began.monotonicMs
    kept.set(path, { scan: trusted ? scan : undefined, stat: scan.stat, seenMs })
  }

  return {
    scan,
    async glance(files, path, atMost) {
      return (await valid(files, path)) ?? (await read(files, path, atMost))
    },
  }
}

async function look(files: ScanCalls, path: string): Promise<Stat> {
  const found = await files.find(path, { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false })
  if (found === undefined) throw new FileError('ENOENT', 'open', path)
  if (found.stat.type !== 'directory') throw new FileError('ENOTDIR', 'open', path)
  return found.stat
}

const isSame = (left: Stat, right: Stat): boolean =>
  left.inode === right.inode &&
  left.device === right.device &&
  left.mtimeNs === right.mtimeNs &&
  left.ctimeNs === right.ctimeNs
