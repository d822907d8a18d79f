import type { Call } from './event.ts'

/** Counts of a run, one line each: what was done, how it was answered, what went unanswered and why. */
export function summary(events: readonly (Call & { readonly kind: string })[]): string {
  const count = (tell: (event: Call & { readonly kind: string }) => string | undefined): string => {
    const counts = new Map<string, number>()
    for (const event of events) {
      const name = tell(event)
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return [...counts]
      .sort(([, one], [, other]) => other - one)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')
  }
  const [first, last] = [events[0], events.at(-1)]
  const seconds = first === undefined || last === undefined ? 0 : (last.endUs - first.startUs) / 1e6
  return [
    `${events.length} operations in ${seconds.toFixed(1)} s, ${Math.round(events.length / Math.max(seconds, 0.001))} per second`,
    `kinds: ${count(({ kind }) => kind)}`,
    `outcomes: ${count(({ outcome, status, code }) => `${outcome}${status === undefined ? '' : ` ${status}`}${code === undefined ? '' : ` ${code}`}`)}`,
    `unanswered: ${count(({ outcome, error, status, code }) => (outcome === 'unknown' ? (error ?? `${status} ${code ?? ''}`).slice(0, 80) : undefined)) || 'none'}`,
  ].join('\n')
}
