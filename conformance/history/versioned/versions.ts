/**
 * From what was written down to one entry for each version: who wrote it, and between which two times it came to be and went. So nothing of an
 * unanswered call is left open for the checker:
 *
 * - A write that nobody answered has made a version if anybody has seen it, by the end of the first call that did. Otherwise it made none:
 *   nobody can delete by its id what nobody has seen, and at the end everything is listed.
 * - Deleting a version by its id twice is no different from once: it is gone from some moment after the first attempt was sent on, and before the
 *   first one that was acknowledged ended. Where none was acknowledged, it is gone if somebody found it gone.
 */
import { type Problem, type Sighting, sightingsOf } from './sightings.ts'
import type { Body, EventOf, Made, VersionedEvent, WriteEvent } from './versioned-event.ts'

export type VersionFacts = {
  readonly key: string
  readonly versionId: string
  readonly isMarker: boolean
  /** It came to be between these two. */
  readonly start: number
  readonly end: number
  /** undefined: one of several that nobody answered. */
  readonly write?: WriteEvent
  /** undefined of a marker, and where `write` is not known. */
  readonly made?: Made
  /** Of a copy, as far as anybody was told. */
  readonly body?: Partial<Body>
  /** undefined: nobody has deleted it. */
  readonly gone?: { readonly start: number; readonly end: number }
}

export type Versions = {
  readonly byId: ReadonlyMap<string, VersionFacts>
  readonly problems: readonly Problem[]
}

const isWrite = (event: VersionedEvent): event is WriteEvent =>
  event.kind === 'put' || event.kind === 'complete' || event.kind === 'copy' || event.kind === 'delete'

export function versionsFrom(events: readonly VersionedEvent[]): Versions {
  const problems: Problem[] = []
  const byId = new Map<string, VersionFacts>()
  const writes = events.filter(isWrite)
  const sightings = Map.groupBy(events.flatMap(sightingsOf), ({ versionId }) => versionId)

  for (const write of writes) {
    if (write.outcome !== 'done') continue
    const { versionId } = write
    const other = versionId === undefined ? undefined : byId.get(versionId)
    if (versionId === undefined)
      problems.push({ kind: 'unexpected answer', event: write.event, sentence: 'a write without a version id' })
    else if (other !== undefined)
      problems.push({
        kind: 'one id twice',
        event: write.event,
        sentence: `version ${versionId} is also that of event ${other.write?.event}`,
      })
    else byId.set(versionId, { versionId, ...factsOf(write), end: write.endUs })
  }

  const unanswered = new Set(writes.filter(({ outcome }) => outcome === 'unknown'))
  const metas = new Map(writes.flatMap((write) => (write.kind === 'delete' ? [] : [[write.made.meta, write] as const])))
  const firstSeen = [...sightings.values()].flatMap((seen) => {
    const first = seen.toSorted((one, other) => one.event.endUs - other.event.endUs)[0]
    return first === undefined || byId.has(first.versionId) ? [] : [{ seen, first }]
  })
  // Who was seen first takes the oldest of the calls that it may be of: so there is one for each, if there can be.
  firstSeen.sort((one, other) => one.first.event.endUs - other.first.event.endUs)
  for (const { seen, first } of firstSeen) {
    const found = writerOf(seen, first, unanswered, metas)
    const { versionId, key } = first
    if ('wrong' in found) {
      problems.push({
        kind: 'nobody wrote',
        event: first.event.event,
        sentence: `version ${versionId} of ${key} ${found.wrong}`,
      })
      continue
    }
    byId.set(versionId, { versionId, ...found.facts, end: first.event.endUs })
  }
  const goneById = removalsOf(events)
  for (const [versionId, version] of byId) {
    const seen = sightings.get(versionId) ?? []
    const gone = goneById.get(versionId)
    const body = version.body?.content === undefined ? bodySeen(version, seen) : version.body
    byId.set(versionId, { ...version, ...(gone && { gone }), ...(body && { body }), ...narrowed(version, gone, seen) })
  }
  return { byId, problems }
}

/** Whoever sees a version, sees it after it came and before it went. Where that cannot be, the checker is to say so, of the times as they were. */
function narrowed(
  { start, end }: VersionFacts,
  gone: VersionFacts['gone'],
  seen: readonly Sighting[],
): Pick<VersionFacts, 'end' | 'gone'> {
  const firstEnd = Math.min(end, ...seen.map(({ event }) => event.endUs))
  const lastStart = Math.max(gone?.start ?? 0, ...seen.map(({ event }) => event.startUs))
  return {
    end: firstEnd < start ? end : firstEnd,
    ...(gone !== undefined && lastStart <= gone.end && { gone: { ...gone, start: lastStart } }),
  }
}

function factsOf(write: WriteEvent): Omit<VersionFacts, 'versionId' | 'end'> {
  const { key, startUs: start } = write
  if (write.kind === 'delete') return { key, isMarker: true, start, write }
  const body = write.kind === 'copy' ? copiedBody(write) : write.body
  return { key, isMarker: false, start, write, made: write.made, body }
}

const copiedBody = ({ answered }: EventOf<'copy'>): Partial<Body> =>
  answered === undefined ? {} : { content: answered, eTag: answered }

/** Of a copy that nobody answered: what those who saw it have got. */
function bodySeen({ isMarker }: VersionFacts, seen: readonly Sighting[]): Partial<Body> | undefined {
  const eTag = seen.find((each) => each.eTag !== undefined)?.eTag
  return isMarker || eTag === undefined ? undefined : { content: eTag, eTag }
}

type Found = { readonly facts: Omit<VersionFacts, 'versionId' | 'end'> } | { readonly wrong: string }

/** The unanswered write whose version this is, which then is that of no other one. */
function writerOf(
  seen: readonly Sighting[],
  { key, isMarker, event }: Sighting,
  unanswered: Set<WriteEvent>,
  metas: ReadonlyMap<string, WriteEvent>,
): Found {
  const meta = seen.find((each) => each.meta !== undefined)?.meta
  const write = meta === undefined ? undefined : metas.get(meta)
  if (meta !== undefined && write === undefined) return { wrong: `has metadata that nobody has sent: '${meta}'` }
  const mayBe = (each: WriteEvent) =>
    each.key === key && each.startUs < event.endUs && (each.kind === 'delete') === isMarker
  if (write !== undefined) {
    if (!mayBe(write)) return { wrong: `is that of event ${write.event}, of ${write.key}` }
    if (!unanswered.delete(write)) return { wrong: `is a second one of event ${write.event}` }
    return { facts: factsOf(write) }
  }
  const eTag = seen.find((each) => each.eTag !== undefined)?.eTag
  const fits = (each: WriteEvent) => each.kind === 'delete' || each.kind === 'copy' || each.body.eTag === eTag
  const candidates = [...unanswered].filter((each) => mayBe(each) && fits(each))
  const [oldest] = candidates.toSorted((one, other) => one.startUs - other.startUs)
  if (oldest === undefined) return { wrong: 'is of no call' }
  unanswered.delete(oldest)
  const isCertain = oldest.kind === 'put' || oldest.kind === 'complete'
  return isCertain ? { facts: factsOf(oldest) } : { facts: { key, isMarker, start: oldest.startUs } }
}

function removalsOf(events: readonly VersionedEvent[]): ReadonlyMap<string, { start: number; end: number }> {
  const attempts = new Map<string, EventOf<'delete-version'>[]>()
  const ends = new Map<string, number>()
  const foundGone = (versionId: string, { endUs }: VersionedEvent) =>
    ends.set(versionId, Math.min(endUs, ends.get(versionId) ?? Number.POSITIVE_INFINITY))
  const listings = events.filter((event) => event.kind === 'list-versions')
  const quiet = listings.filter(({ isQuiet, listed }) => isQuiet && listed !== undefined)
  const there = new Set(quiet.flatMap(({ listed = [] }) => listed.map(({ versionId }) => versionId)))
  const lastQuiet = quiet.at(-1)
  for (const event of events) {
    if (event.kind === 'delete-version' && (event.outcome === 'done' || event.outcome === 'unknown'))
      attempts.set(event.versionId, [...(attempts.get(event.versionId) ?? []), event])
    if (isFoundGone(event)) foundGone(event.versionId, event)
  }
  const gone = new Map<string, { start: number; end: number }>()
  for (const [versionId, own] of attempts) {
    if (lastQuiet !== undefined && !there.has(versionId)) foundGone(versionId, lastQuiet)
    const end = ends.get(versionId)
    const start = Math.min(...own.map(({ startUs }) => startUs))
    // Nobody answered, and nobody found it gone.
    if (end !== undefined) gone.set(versionId, { start, end: Math.max(start, end) })
  }
  return gone
}

/** Acknowledged, or 404 to who asked for it by its id. */
function isFoundGone(event: VersionedEvent): event is VersionedEvent & { readonly versionId: string } {
  if (event.kind === 'delete-version') return event.outcome === 'done'
  const asks = ['get', 'head', 'tag', 'get-tags', 'hold'] as const
  return asks.some((kind) => kind === event.kind) && 'versionId' in event && event.status === 404
}
