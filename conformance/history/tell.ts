import { checkHistory } from './check-history.ts'
import type { Event } from './event.ts'
import { summary } from './summary.ts'

const FINDINGS_TOLD = 10

/** Checks a history and says on standard output what came of it. The exit code: 0 when some order of events explains it all. */
export function tellHistory(events: readonly Event[]): number {
  console.log(summary(events))
  const began = performance.now()
  const { findings, checked, excused } = checkHistory(events)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(
    `${checked} observations of keys checked in ${seconds} s, ${excused} excused by rewrites in place under way`,
  )
  for (const { kind, key, sentence } of findings.slice(0, FINDINGS_TOLD)) console.log(`${kind}, ${key}: ${sentence}`)
  if (findings.length > FINDINGS_TOLD) console.log(`and ${findings.length - FINDINGS_TOLD} more`)
  console.log(findings.length === 0 ? 'some order of events explains it all' : `${findings.length} findings`)
  return findings.length === 0 ? 0 : 1
}

/** For `isEnough` of runLoad: how many operations there are, every ten seconds. */
export function tellProgress(): (recorder: { readonly events: readonly unknown[] }) => boolean {
  let next = performance.now() + 10_000
  return ({ events }) => {
    if (performance.now() > next) {
      next += 10_000
      console.log(`${events.length} operations`)
    }
    return false
  }
}

/** What the gateways themselves were surprised by, but for workers that were killed on purpose. */
export async function tellSurprises(
  instances: readonly { errors(): Promise<readonly string[]> }[],
  isExpected: RegExp = /a worker has died/,
): Promise<void> {
  for (const instance of instances) {
    const errors = (await instance.errors()).filter((line) => !isExpected.test(line))
    for (const line of errors.slice(0, FINDINGS_TOLD)) console.log(`a gateway was surprised: ${line}`)
  }
}
