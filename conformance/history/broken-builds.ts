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
import { type Edit, makeBrokenBuild } from './broken-build.ts'
import { checkHistory, type Finding } from './check-history.ts'
import { startFaults } from './faults.ts'
import { startGateways } from './gateways.ts'
import { createBucket, runLoad } from './load.ts'

type Breakage = { readonly name: string } & (
  | { readonly edit: Edit }
  /** Why no run on a local tree can show it. */
  | { readonly elsewhere: string }
)

const BREAKAGES: readonly Breakage[] = [
  {
    name: 'no shared lock for plain writers',
    edit: {
      file: 'namespace/publish.ts',
      find: 'const done = await place.locks.hold(key, mode,',
      // A lock, of nothing.
      replace: "const done = await place.locks.hold(mode === 'shared' ? key + Math.random() : key, mode,",
    },
  },
  {
    name: 'no exclusive lock for conditional writers',
    edit: {
      file: 'namespace/publish.ts',
      find: "precondition === undefined && !key.endsWith('/') ? 'shared' : 'exclusive'",
      replace: "!key.endsWith('/') ? 'shared' : 'exclusive'",
    },
  },
  {
    name: 'no exclusive lock for conditional deletes',
    edit: {
      file: 'namespace/remove-object.ts',
      find: "precondition === undefined && directory === undefined ? 'shared' : 'exclusive'",
      replace: "directory === undefined ? 'shared' : 'exclusive'",
    },
  },
  {
    name: 'a copy onto itself without one lock around it',
    edit: {
      file: 'namespace/copy-object.ts',
      find: 'if (source.place.bucket.id !== target.place.bucket.id || source.key !== target.key) {',
      replace: "if (target.key !== '') {",
    },
  },
  {
    name: 'header from another file: the record read by path',
    edit: {
      file: 'namespace/find-object.ts',
      find: 'const record = await place.records.read(found)',
      replace:
        'const again = await find(place.calls, full, nothing)\n    const record = await place.records.read({ ...found, attribute: again?.attribute })',
    },
  },
  {
    name: 'header from another file: size and time too, as an open by path would give them',
    edit: {
      file: 'namespace/find-object.ts',
      find: 'const record = await place.records.read(found)',
      replace:
        'const again = (await find(place.calls, full, nothing)) ?? found\n    Object.assign(found, { stat: again.stat, attribute: again.attribute })\n    const record = await place.records.read(found)',
    },
  },
  {
    name: 'mtime not set by the publisher, though the record has one',
    edit: {
      file: 'namespace/publish.ts',
      find: 'mtimeNs: BigInt(record.mtimeNs),\n    flushFile',
      replace: 'mtimeNs: stat.mtimeNs,\n    flushFile',
    },
  },
  {
    name: 'a look-up that forgets the alias',
    edit: {
      file: 'namespace/find-object.ts',
      find: "(await findFile(place, key, alias, 'aside', want)) ??",
      replace: "(alias === '' ? await findFile(place, key, alias, 'aside', want) : undefined) ??",
    },
  },
  {
    name: 'mtime not set by the publisher, the record has the time of the last write',
    elsewhere:
      'Linux since 6.13 gives a file that somebody has looked at a time of its own; on servers with an older one a rewrite in the same tick shows it.',
  },
  { name: 'publish without flush', elsewhere: 'Only a loss of power shows it.' },
  {
    name: 'no fencing',
    elsewhere: 'A lock on a local tree is never lost.',
  },
]

const ROUND = 3000
const ROUNDS_MAX = 10

const { values, positionals } = parseArgs({ options: { source: { type: 'string' } }, allowPositionals: true })
const wanted = positionals.join(' ')
const seed = seedOf('broken builds')
let escaped = 0
for (const breakage of BREAKAGES) {
  if (!breakage.name.includes(wanted)) continue
  if ('elsewhere' in breakage) {
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
        const faults = startFaults({ instances, random: randomOf(seed + round), kinds: ['kill'] })
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
