import { summary } from '../summary.ts'
import { checkVersions } from './check-versions.ts'
import type { VersionedEvent } from './versioned-event.ts'

const FINDINGS_TOLD = 10

/** As tellHistory, of a versioned bucket. The exit code: 0 when some order of events explains it all. */
export function tellVersions(events: readonly VersionedEvent[]): number {
  console.log(summary(events))
  const began = performance.now()
  const { findings, checked, versions } = checkVersions(events)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${versions} versions, ${checked} observations of keys checked in ${seconds} s`)
  for (const { kind, sentence } of findings.slice(0, FINDINGS_TOLD)) console.log(`${kind}: ${sentence}`)
  if (findings.length > FINDINGS_TOLD) console.log(`and ${findings.length - FINDINGS_TOLD} more`)
  console.log(findings.length === 0 ? 'some order of events explains it all' : `${findings.length} findings`)
  return findings.length === 0 ? 0 : 1
}
