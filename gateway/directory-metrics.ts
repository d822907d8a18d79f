import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { ActiveDirectoryEvent } from '#auth'

/** 0.25 ms … 5 s: a number from a controller next door, an answer that comes too late. */
const LATENCY_BUCKETS_SECONDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

type Kind = ActiveDirectoryEvent['kind']
type Counted = { readonly [K in Kind]?: (event: Extract<ActiveDirectoryEvent, { readonly kind: K }>) => void }

/** What the answer is called with is counted. Users are in no label, as elsewhere. */
export function createDirectoryMetrics(registers: Registry[]): (event: ActiveDirectoryEvent) => void {
  const seconds = new Histogram({
    name: 'causeway_directory_seconds',
    help: 'From a question to the user directory to its answer, or to none',
    labelNames: ['question', 'answered'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  })
  const hits = new Counter({
    name: 'causeway_directory_hits_total',
    help: 'Users answered from memory, since nothing in the directory has changed',
    registers,
  })
  const stale = new Counter({
    name: 'causeway_directory_stale_answers_total',
    help: 'Users answered from memory while the directory did not answer (identity.stale_grace)',
    registers,
  })
  const revocations = new Counter({
    name: 'causeway_directory_revocations_total',
    help: 'Users who were known and have lost access, or have left a group',
    labelNames: ['why'],
    registers,
  })
  const reachable = new Gauge({
    name: 'causeway_directory_answers',
    help: '1 while the user directory answers, 0 while no controller of it does',
    registers,
  })
  reachable.set(1)
  const counted: Counted = {
    asked: (event) =>
      seconds.observe({ question: event.question, answered: event.answered ? 'yes' : 'no' }, event.seconds),
    hit: () => hits.inc(),
    'stale answer': () => stale.inc(),
    revoked: ({ why }) => revocations.inc({ why }),
    unreachable: () => reachable.set(0),
    reachable: () => reachable.set(1),
  }
  return (event) => {
    const count = counted[event.kind] as ((event: ActiveDirectoryEvent) => void) | undefined // by its own kind
    count?.(event)
  }
}
