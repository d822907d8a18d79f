/**
 * Does the history test notice? Builds that are broken on purpose, one after the other, until each has been caught:
 *
 *     node conformance/history/broken-builds.ts [--source <directory>] [words of a name …]
 *
 * Ends with 1 when one was not caught within its bound.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { randomOf, seedOf } from '../random.ts'
import { breakages } from './breakages.ts'
import { type Edit, makeBrokenBuild } from './broken-build.ts'
import { checkHistory, type Finding } from './check-history.ts'
import { killing, startFaults } from './faults.ts'
import { startGateways } from './gateways.ts'
import { createBucket, runLoad } from './load.ts'

const ROUND = 3000
const ROUNDS_MAX = 10

const { values, positionals } = parseArgs({ options: { source: { type: 'string' } }, allowPositionals: true })
const wanted = positionals.join(' ')
const seed = seedOf('broken builds')
let escaped = 0
for (const breakage of breakages) {
  if (!breakage.name.includes(wanted)) continue
  if (breakage.elsewhere !== undefined) {
    console.log(`not here: ${breakage.name}. ${breakage.elsewhere}`)
    continue
  }
  const { operations, finding } = await hunt(breakage.edit)
  if (finding === undefined) escaped++
  const what = finding && `${finding.kind}, ${finding.key}: ${finding.sentence.slice(0, 1500)}`
  console.log(
    `${finding === undefined ? 'NOT CAUGHT' : 'caught'} within ${operations} operations: ${breakage.name}\n  ${what ?? ''}`,
  )
}
process.exitCode = escaped === 0 ? 0 : 1

/** Rounds on a bucket each: a history can be checked only when nothing is under way. */
async function hunt(edit: Edit): Promise<{ readonly operations: number; readonly finding: Finding | undefined }> {
  const build = await makeBrokenBuild(edit, values.source && resolve(values.source))
  try {
    const gateways = await startGateways({ program: build.program })
    try {
      const { endpoints, tree, instances } = gateways
      const [first] = endpoints
      if (first === undefined) throw new Error('there is no gateway')
      let operations = 0
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const bucket = `round-${round}`
        await createBucket(first, bucket)
        const faults = startFaults({ kill: killing(instances) }, randomOf(seed + round))
        const load = { endpoints, bucket, filesRoot: tree, clients: 16, seed: seed + round * 100 }
        const { events } = await runLoad({ ...load, operationsMax: ROUND, secondsMax: 60 })
        await faults.stop()
        operations += events.length
        // A whole build has padded answers, too: they show nothing here.
        const [finding] = checkHistory(events).findings.filter(({ kind }) => kind !== 'padded answer')
        if (finding !== undefined) return { operations, finding }
      }
      return { operations, finding: undefined }
    } finally {
      await gateways.stop()
    }
  } finally {
    await build.remove()
  }
}
