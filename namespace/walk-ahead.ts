import { commonPrefix } from './common-prefix.ts'
import { type DirectoryChild, plainChild } from './directory-view.ts'
import type { Scan } from './files.ts'
import { decodeName, keyBytesMax } from './key-path.ts'
import { join } from './layout.ts'
import { type Arrival, type Frame, open, tolerant, type WalkQuery, type WalkSource, whyNoKey } from './walk-frame.ts'

/** Names that are enough to prove a common prefix, nearly always. */
const glanceEntries = 64
/** Directories read ahead: few enough not to matter where a page ends early, enough to hide a remote mount's latency. */
const reachMax = 8
const aheadEntriesMax = 64

/** Into a directory, which may have been read ahead; and some of those behind it are read ahead, more with each one gone into. */
export async function arrive(
  source: WalkSource,
  query: WalkQuery,
  frame: Frame,
  child: DirectoryChild,
): Promise<Arrival> {
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
  if (commonPrefix(key, query.prefix, query.delimiter) !== undefined) {
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
