/**
 * Of each version by itself: its tags and its legal hold, which may be changed and must be what was put last; and that nobody could delete it
 * while a hold or retention protected it.
 */
import { checkLinearizable, type Model, type Timed } from '../linearizable.ts'
import type { Problem } from './sightings.ts'
import type { EventOf, VersionedEvent } from './versioned-event.ts'
import type { VersionFacts, Versions } from './versions.ts'

/** Looks when it has `want`, otherwise puts `make`. */
type Change = Timed & { readonly event: number; readonly want?: string; readonly make?: string }

const register = (initial: string): Model<string, Change> => ({
  initial,
  step: (state, { want, make }) => (make !== undefined ? make : want === state ? state : undefined),
  isRead: ({ make }) => make === undefined,
  isBlind: ({ make }) => make !== undefined,
  keyOf: (state) => state,
})

/** Between the clocks of retention and of events, and those of two machines. */
const CLOCK_US = 200_000

type Lasting = { readonly start: number; readonly end: number; readonly event: number }

const lasting = ({ startUs, endUs, outcome, event }: VersionedEvent): Lasting => ({
  event,
  start: startUs,
  end: outcome === 'unknown' ? Number.POSITIVE_INFINITY : endUs,
})

export function amendmentProblems(events: readonly VersionedEvent[], { byId }: Versions): readonly Problem[] {
  const own = Map.groupBy(events, (event) =>
    'seen' in event && event.seen !== undefined
      ? event.seen.versionId
      : 'versionId' in event
        ? (event.versionId ?? '')
        : '',
  )
  return [...byId.values()].flatMap((version) => {
    // Who wrote it is not known, so neither is what it had in the beginning.
    if (version.made === undefined) return []
    const events = own.get(version.versionId) ?? []
    return [...tagProblems(version, version.made.tag, events), ...lockProblems(version, events)]
  })
}

function tagProblems(version: VersionFacts, tag: string, events: readonly VersionedEvent[]): readonly Problem[] {
  const changes = events.flatMap((event): Change[] => {
    if (event.kind === 'tag' && (event.outcome === 'done' || event.outcome === 'unknown'))
      return [{ ...lasting(event), make: event.tag }]
    return event.kind === 'get-tags' && event.seenTag !== undefined ? [{ ...lasting(event), want: event.seenTag }] : []
  })
  return contradiction('tags', version, tag, changes)
}

function contradiction(
  kind: 'tags' | 'object lock',
  { key, versionId }: VersionFacts,
  initial: string,
  changes: readonly Change[],
): readonly Problem[] {
  const verdict = checkLinearizable(register(initial), changes)
  if (verdict.kind === 'linearizable') return []
  const stuck = verdict.kind === 'violation' ? verdict.stuck : []
  const told = stuck.map(
    ({ event, want, make }) => `event ${event} ${make === undefined ? `found ${want}` : `put ${make}`}`,
  )
  const state = verdict.kind === 'violation' ? verdict.state : 'undecided'
  const sentence = `${versionId} of ${key}: after ${state}, no order has ${told.join(', ') || 'all of it'}`
  return [{ kind, event: stuck[0]?.event ?? -1, sentence }]
}

const onOff = (isHeld: boolean) => (isHeld ? 'hold' : 'no hold')

function lockProblems(version: VersionFacts, events: readonly VersionedEvent[]): readonly Problem[] {
  const { made, gone, versionId, key } = version
  const until = made?.retention?.untilUs ?? Number.NEGATIVE_INFINITY
  const changes = events.flatMap((event) => holdSeen(event, until))
  const problems: Problem[] = []
  if (gone !== undefined) {
    const [first] = events.filter((event) => event.kind === 'delete-version' && event.outcome !== 'refused')
    const event = first?.event ?? -1
    // Nobody deletes what is held: at some moment of its going there was no hold.
    changes.push({ event, ...gone, want: onOff(false) })
    if (gone.end < until - CLOCK_US)
      problems.push({ kind: 'object lock', event, sentence: `${versionId} of ${key} went before its retention ended` })
  }
  return [...problems, ...contradiction('object lock', version, onOff(made?.isHeld === true), changes)]
}

function holdSeen(event: VersionedEvent, until: number): readonly Change[] {
  const { outcome } = event
  if (event.kind === 'hold' && (outcome === 'done' || outcome === 'unknown'))
    return [{ ...lasting(event), make: onOff(event.isHeld) }]
  // Where retention does not explain it, a hold must.
  if (event.kind === 'delete-version' && outcome === 'refused')
    return event.startUs > until + CLOCK_US ? [{ ...lasting(event), want: onOff(true) }] : []
  return isLook(event) && event.seen !== undefined ? [{ ...lasting(event), want: onOff(event.seen.isHeld) }] : []
}

const isLook = (event: VersionedEvent): event is EventOf<'get' | 'head'> =>
  event.kind === 'get' || event.kind === 'head'
