/** From events to what each key's stack of versions was asked and told; and the answers that have no place here. */
import type { Condition } from '../event.ts'
import { inOrderOfIds } from './in-order-of-ids.ts'
import { pageRange } from './page-range.ts'
import type { Problem } from './sightings.ts'
import type { StackOperation, StackWant } from './stack.ts'
import type { EventOf, VersionedEvent } from './versioned-event.ts'
import type { Versions } from './versions.ts'

type ForKey = { readonly key: string; readonly want: StackWant }

/** By key: the versions' coming and going, and what everybody saw meanwhile. */
export function keyOperations(
  events: readonly VersionedEvent[],
  { byId }: Versions,
): ReadonlyMap<string, readonly StackOperation[]> {
  const keys = new Set(events.flatMap(({ key }) => (key === '' ? [] : [key])))
  const byKey = new Map<string, StackOperation[]>([...keys].map((key) => [key, []]))
  for (const { key, versionId, isMarker, start, end, write, body, gone } of inOrderOfIds([...byId.values()])) {
    const version = { versionId, eTag: isMarker ? undefined : (body?.eTag ?? '*') }
    const condition = write !== undefined && 'condition' in write ? write.condition : undefined
    const event = write?.event ?? -1
    const want = condition && { want: held(condition) }
    byKey.get(key)?.push({ event, start, end, ...want, make: { kind: 'push', version } })
    if (gone !== undefined) byKey.get(key)?.push({ event, ...gone, make: { kind: 'remove', versionId } })
  }
  for (const event of events) {
    if (event.outcome === 'unknown' || event.outcome === 'nothing') continue
    const { startUs: start, endUs: end } = event
    for (const { key, want } of seenBy(event, keys)) byKey.get(key)?.push({ event: event.event, start, end, want })
  }
  return byKey
}

const held = (condition: Condition): StackWant =>
  condition.kind === 'absent' ? { kind: 'hidden' } : { kind: 'object', eTag: condition.eTag }

function seenBy(event: VersionedEvent, keys: ReadonlySet<string>): readonly ForKey[] {
  const { key } = event
  switch (event.kind) {
    case 'put':
    case 'complete':
    case 'delete':
      return event.outcome === 'refused' ? refused(event) : []
    case 'copy':
      return copied(event)
    case 'get':
    case 'head':
      return [{ key, want: event.versionId === undefined ? current(event) : byId(event, event.versionId) }]
    case 'tag':
    case 'get-tags':
    case 'hold':
      return [{ key, want: byId(event, event.versionId) }]
    case 'delete-version':
      return event.outcome === 'refused' ? [{ key, want: { kind: 'has', versionId: event.versionId } }] : []
    case 'list-versions':
      return latest(event, keys)
    case 'list': {
      const eTags = new Map(event.listed?.map((entry) => [entry.key, entry.eTag]))
      return [...keys].map((key) => {
        const eTag = eTags.get(key)
        return { key, want: eTag === undefined ? { kind: 'hidden' } : { kind: 'object', eTag } }
      })
    }
  }
}

function refused({ key, kind, status, ...event }: EventOf<'put' | 'complete' | 'delete'>): readonly ForKey[] {
  const { condition } = event
  // Of a DELETE behind a marker it is 412.
  if (status === 404) return [{ key, want: { kind: kind === 'delete' ? 'nothing' : 'hidden' } }]
  if (condition === undefined) return []
  return [{ key, want: condition.kind === 'absent' ? { kind: 'object' } : { kind: 'other', eTag: condition.eTag } }]
}

function copied({ source, copied, outcome }: EventOf<'copy'>): readonly ForKey[] {
  const { key, versionId } = source
  if (outcome === 'refused')
    return [{ key, want: versionId === undefined ? { kind: 'hidden' } : { kind: 'has not', versionId } }]
  if (copied === undefined) return []
  return [{ key, want: { kind: versionId === undefined ? 'top' : 'has', versionId: copied } }]
}

function current({ seen, marker }: EventOf<'get' | 'head'>): StackWant {
  const versionId = seen?.versionId ?? marker
  return versionId === undefined ? { kind: 'nothing' } : { kind: 'top', versionId }
}

/** 405 is of a marker that is there. */
const byId = ({ status }: VersionedEvent, versionId: string): StackWant => ({
  kind: status === 404 ? 'has not' : 'has',
  versionId,
})

/** What a page of versions says of each key's newest one, where it has that key's beginning. */
function latest(page: EventOf<'list-versions'>, keys: ReadonlySet<string>): readonly ForKey[] {
  const { listed } = page
  if (listed === undefined) return []
  const { isWhole } = pageRange(page)
  const byKey = Map.groupBy(listed, ({ key }) => key)
  return [...keys].flatMap((key): readonly ForKey[] => {
    const own = byKey.get(key) ?? []
    const versionId = own.find(({ isLatest }) => isLatest)?.versionId
    if (versionId !== undefined) return [{ key, want: { kind: 'top', versionId } }]
    return own.length === 0 && isWhole(key) ? [{ key, want: { kind: 'nothing' } }] : []
  })
}

export function unexpectedAnswers(events: readonly VersionedEvent[]): readonly Problem[] {
  return events.flatMap((event) => {
    const { kind, outcome, status, code = '' } = event
    if ((outcome !== 'refused' && outcome !== 'nothing') || isExpected(event)) return []
    return [{ kind: 'unexpected answer', event: event.event, sentence: `${kind} was answered ${status} ${code}` }]
  })
}

const conditional = ({ status, ...event }: VersionedEvent): boolean => {
  const condition = 'condition' in event ? event.condition : undefined
  return status === 412 ? condition !== undefined : status === 404 && condition?.kind === 'match'
}
const missing = ({ status, code }: VersionedEvent): boolean =>
  status === 404 && (code === undefined || code === 'NoSuchKey' || code === 'NoSuchVersion')
const looked = (event: VersionedEvent): boolean =>
  missing(event) || (event.status === 405 && 'versionId' in event && event.versionId !== undefined)
/** Who stood still meanwhile asks for a retention that ends in the past. */
const late = (event: VersionedEvent): boolean =>
  event.status === 400 && 'made' in event && (event.made.retention?.untilUs ?? event.endUs) < event.endUs

const expected: Readonly<Record<VersionedEvent['kind'], (event: VersionedEvent) => boolean>> = {
  put: (event) => conditional(event) || late(event),
  complete: () => false,
  copy: missing,
  delete: conditional,
  'delete-version': ({ status, code }) => status === 403 && code === 'AccessDenied',
  get: looked,
  head: looked,
  tag: missing,
  'get-tags': missing,
  hold: missing,
  'list-versions': () => false,
  list: () => false,
}

const isExpected = (event: VersionedEvent): boolean => expected[event.kind](event)
