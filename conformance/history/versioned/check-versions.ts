/** All that is wrong with the history of a versioned bucket, in sentences with the operations that show it. */
import { checkLinearizable } from '../linearizable.ts'
import { amendmentProblems } from './amendments.ts'
import { keyOperations, unexpectedAnswers } from './key-operations.ts'
import { listingProblems } from './listing-problems.ts'
import { minimiseStack } from './minimise-stack.ts'
import { mixedAnswers } from './mixed-answers.ts'
import type { Problem } from './sightings.ts'
import { createStackModel, type StackMake, type StackOperation, type StackWant } from './stack.ts'
import type { VersionedEvent } from './versioned-event.ts'
import { versionsFrom } from './versions.ts'

export type VersionedReport = {
  readonly findings: readonly Pick<Problem, 'kind' | 'sentence'>[]
  /** Operations that the order of events must explain, listings counted once for each key they tell of. */
  readonly checked: number
  readonly versions: number
}

export function checkVersions(events: readonly VersionedEvent[]): VersionedReport {
  const versions = versionsFrom(events)
  const byNumber = new Map(events.map((event) => [event.event, event]))
  const problems = [
    ...unexpectedAnswers(events),
    ...versions.problems,
    ...mixedAnswers(events, versions),
    ...listingProblems(events, versions),
    ...amendmentProblems(events, versions),
  ].map(({ kind, event, sentence }) => ({ kind, sentence: `${sentence}\n  ${shortly(byNumber.get(event))}` }))
  const { found, checked } = unexplained(keyOperations(events, versions), byNumber)
  return { findings: [...problems, ...found], checked, versions: versions.byId.size }
}

type Found = Pick<Problem, 'kind' | 'sentence'>

function unexplained(
  byKey: ReadonlyMap<string, readonly StackOperation[]>,
  byNumber: ReadonlyMap<number, VersionedEvent>,
): { readonly found: readonly Found[]; readonly checked: number } {
  const found: Found[] = []
  let checked = 0
  for (const [key, operations] of byKey) {
    checked += operations.length
    const verdict = checkLinearizable(createStackModel(), operations)
    if (verdict.kind === 'undecided')
      found.push({ kind: 'undecided', sentence: `${key}: given up after ${verdict.configurations} configurations` })
    if (verdict.kind !== 'violation') continue
    const { explained, stuck } = verdict
    const few = minimiseStack(operations, stuck) ?? [...explained.slice(-EXPLAINED_TOLD), ...stuck]
    const sentence = `${key}: these ${few.length} of ${operations.length}:\n${tell(few, byNumber)}`
    found.push({ kind: 'no order explains', sentence })
  }
  return { found, checked }
}

const MOST_TOLD = 30
/** Where what contradicts each other was not found: what had come last in the longest order, and what could not come next. */
const EXPLAINED_TOLD = 15
const LONGEST = 600

const shortly = (event: VersionedEvent | undefined): string => JSON.stringify(event ?? null).slice(0, LONGEST)

function tell(operations: readonly StackOperation[], events: ReadonlyMap<number, VersionedEvent>): string {
  const byStart = operations.toSorted((one, other) => one.start - other.start)
  const begin = byStart[0]?.start ?? 0
  const lines = byStart.map(({ start, end, event, want, make }) => {
    const { kind, client, gateway, requestId } = events.get(event) ?? {}
    const times = `${milliseconds(start - begin)} – ${milliseconds(end - begin)}`.padEnd(26)
    const who = make?.kind === 'remove' ? 'deleted by its id' : `${kind} by ${client} at gateway ${gateway}`
    return `  ${times} ${who}${wanted(want)}${made(make)} (event ${event}, request ${requestId})`
  })
  const more = lines.length > MOST_TOLD ? [`  (and ${lines.length - MOST_TOLD} before)`] : []
  return [...lines.slice(-MOST_TOLD), ...more].join('\n')
}

const milliseconds = (us: number) => `${(us / 1000).toFixed(2)} ms`

function wanted(want: StackWant | undefined): string {
  if (want === undefined) return ''
  const what = 'versionId' in want ? want.versionId : 'eTag' in want ? (want.eTag ?? '') : ''
  return `, found ${want.kind} ${what}`.trimEnd()
}

function made(make: StackMake | undefined): string {
  if (make === undefined) return ''
  if (make.kind === 'remove') return `, took away ${make.versionId}`
  return `, left ${make.version.eTag === undefined ? 'marker' : 'version'} ${make.version.versionId}`
}
