/** All that is wrong with a history, in sentences with the operations that show it. */
import type { Event } from './event.ts'
import { keyHistories, type Problem } from './key-histories.ts'
import { checkLinearizable } from './linearizable.ts'
import { minimise } from './minimise.ts'
import { FOREIGN, type KeyOperation, keyModel, type Make, type Value, type Want } from './register.ts'

export type Finding = {
  readonly kind: Problem['kind'] | 'no order explains' | 'undecided'
  readonly key: string
  readonly sentence: string
}

export type Report = {
  readonly findings: readonly Finding[]
  /** Operations checked, listings counted once for each key they tell of. */
  readonly checked: number
  /** Answers that a rewrite in place under way excuses. */
  readonly excused: number
}

export function checkHistory(events: readonly Event[]): Report {
  const { byKey, problems, excused } = keyHistories(events)
  const byNumber = new Map(events.map((event) => [event.event, event]))
  const findings: Finding[] = problems.map(({ kind, event, sentence }) => {
    const found = byNumber.get(event)
    return {
      kind,
      key: found === undefined ? '' : nameOf(found),
      sentence: `${sentence}\n  ${JSON.stringify(found)}`,
    }
  })
  let checked = 0
  for (const [key, operations] of byKey) {
    checked += operations.length
    const verdict = checkLinearizable(keyModel, operations)
    if (verdict.kind === 'undecided') {
      const sentence = `given up after ${verdict.configurations} configurations`
      findings.push({ kind: 'undecided', key, sentence })
    }
    if (verdict.kind === 'violation') {
      const few = withWriters(minimise(operations, verdict.stuck), operations)
      findings.push({
        kind: 'no order explains',
        key,
        sentence: `these ${few.length} of ${operations.length}:\n${tell(few, byNumber)}`,
      })
    }
  }
  return { findings, checked, excused }
}

/** And those who wrote what is seen in them: what a person looks for first. */
function withWriters(few: readonly KeyOperation[], all: readonly KeyOperation[]): readonly KeyOperation[] {
  const wants = few.flatMap(({ want }) => (want === undefined || want === 'absent' ? [] : [want.content, want.eTag]))
  const named = new Set(wants.filter((name) => name !== FOREIGN))
  const events = new Set(few.map(({ event }) => event))
  return all.filter((operation) => {
    const { make } = operation
    return (
      events.has(operation.event) ||
      (make?.kind === 'value' && (named.has(make.value.content) || named.has(make.value.eTag)))
    )
  })
}

const nameOf = (event: Event): string => (event.kind === 'list' ? `${event.prefix}*` : event.key)

const MOST_TOLD = 40

function tell(operations: readonly KeyOperation[], events: ReadonlyMap<number, Event>): string {
  const byStart = operations.toSorted((one, other) => one.start - other.start)
  const begin = byStart[0]?.start ?? 0
  const lines = byStart.map((operation) => {
    const event = events.get(operation.event)
    const end = operation.end === Number.POSITIVE_INFINITY ? 'never' : milliseconds(operation.end - begin)
    const times = `${milliseconds(operation.start - begin)} – ${end}`.padEnd(22)
    const who = `${event?.client} at ${event?.gateway === -1 ? 'the files' : `gateway ${event?.gateway}`}`
    return `  ${times} ${event?.kind} by ${who}${wanted(operation.want)}${made(operation.make)} (event ${operation.event}${event?.requestId === undefined ? '' : `, request ${event.requestId}`})`
  })
  return [
    ...lines.slice(-MOST_TOLD),
    ...(lines.length > MOST_TOLD ? [`  (and ${lines.length - MOST_TOLD} before)`] : []),
  ].join('\n')
}

const milliseconds = (us: number) => `${(us / 1000).toFixed(2)} ms`

function wanted(want: Want | undefined): string {
  if (want === undefined) return ''
  if (want === 'absent') return ', found nothing'
  const facts = Object.entries(want).map(([name, value]) => `${name} ${value}`)
  return facts.length === 0 ? ', found an object' : `, found ${facts.join(', ')}`
}

const makes: { readonly [Kind in Make['kind']]: (make: Extract<Make, { kind: Kind }>) => string } = {
  value: ({ value }) => `left ${valueText(value)}`,
  absent: () => 'left nothing',
  metadata: ({ meta }) => `left metadata ${meta}`,
  bytes: ({ content }) => `left bytes ${content}`,
}

function made(make: Make | undefined): string {
  if (make === undefined) return ''
  if (make.kind === 'value') return `, ${makes.value(make)}`
  if (make.kind === 'absent') return `, ${makes.absent(make)}`
  return `, ${make.kind === 'metadata' ? makes.metadata(make) : makes.bytes(make)}`
}

const valueText = ({ content, meta, eTag }: Value) =>
  `${meta || 'a file'} (MD5 ${content}${eTag === content ? '' : `, ETag ${eTag}`})`
