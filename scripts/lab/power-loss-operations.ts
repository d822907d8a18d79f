/** What the operations of a power-loss test came to, and what a look may find of them. Numbers of lines are times. */
import { absent, type Event, type Operation, type Seen, type Version } from './power-loss-journal.ts'

export type Finding = {
  readonly kind: /** An acknowledged object, or both the old and the new one, is not there. */
    | 'lost'
    /** An older object than the acknowledged one, or one that was deleted. */
    | 'old'
    /** There, without bytes. */
    | 'zero-length'
    /** Bytes, length, ETag, checksum and metadata do not belong together. */
    | 'mixed'
    | 'unreadable'
    /** A listing and the objects differ. */
    | 'listing'
    | 'upload'
    | 'check'
    | 'left-over'
    | 'file-system'
  readonly sentence: string
}

export type Done = { readonly operation: Operation; readonly start: number; end: number; acknowledged: boolean }

/** What the operations of a journal came to, refused ones left out. */
export function operationsOf(events: readonly Event[]): Done[] {
  const all = new Map<string, Done>()
  let open = new Map<string, Done>()
  for (const [time, event] of events.entries()) {
    if (event.at === 'about') {
      const begun = { operation: event.operation, start: time, end: Number.POSITIVE_INFINITY, acknowledged: false }
      all.set(event.operation.id, begun)
      open.set(event.operation.id, begun)
    } else if (event.at === 'answered') {
      const begun = open.get(event.id)
      if (begun === undefined) continue
      open.delete(event.id)
      if (!event.done) all.delete(event.id)
      Object.assign(begun, { end: time, acknowledged: event.done })
      // Whoever repeats a Complete learns that the first one took effect, by now at the latest.
      const first = begun.operation.does === 'repeat' ? all.get(begun.operation.of) : undefined
      if (first !== undefined && event.done) Object.assign(first, { end: time, acknowledged: true })
    } else if (event.at === 'cut') {
      for (const begun of open.values()) begun.end = time
      open = new Map()
    }
  }
  return [...all.values()]
}

export type Lasting = { readonly start: number; readonly end: number; readonly acknowledged: boolean }

/** Somebody began after it had ended, and was acknowledged before the look. */
export const isOverwritten = (one: Lasting, writes: readonly Lasting[], time: number): boolean =>
  writes.some((other) => other.acknowledged && other.start > one.end && other.end < time)

export function kindOf(
  seen: Seen,
  possible: readonly (Version | typeof absent)[],
  ever: readonly (Version | typeof absent)[],
): Finding['kind'] | undefined {
  if (possible.some((version) => isSame(version, seen))) return undefined
  if (seen === absent) return 'lost'
  if ('unreadable' in seen) return 'unreadable'
  if (ever.some((version) => isSame(version, seen))) return 'old'
  return seen.sizeBytes === 0 ? 'zero-length' : 'mixed'
}

function isSame(version: Version | typeof absent, seen: Seen): boolean {
  if (version === absent || seen === absent) return version === seen
  return !('unreadable' in seen) && facts.every((name) => version[name] === seen[name])
}

const facts = ['id', 'sizeBytes', 'md5', 'eTag', 'crc32', 'metadata', 'contentType'] as const

export const told = (seen: Seen): string => (typeof seen === 'string' ? seen : JSON.stringify(seen))
