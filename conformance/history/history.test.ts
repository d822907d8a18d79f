/**
 * Sixteen clients on two gateways of one tree, with two workers each, and somebody who works on the files, while workers are killed: an
 * order of events explains everything that anybody saw. Longer, with more faults and on other mounts: run.ts.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { randomOf, seedOf } from '../random.ts'
import { checkHistory } from './check-history.ts'
import { killing, startFaults } from './faults.ts'
import { type Gateways, startGateways } from './gateways.ts'
import { createBucket, runLoad } from './load.ts'
import { summary } from './summary.ts'

const LOAD_SECONDS = 60
const OPERATIONS_MAX = 20_000

let gateways: Gateways
let seed: number

beforeAll(async () => {
  seed = seedOf('history')
  gateways = await startGateways({ count: 2, workers: 2 })
}, 150_000)

afterAll(async () => {
  await gateways?.stop()
})

test('what 16 clients of two gateways and a file user did and saw is explained by some order of events', {
  timeout: (LOAD_SECONDS + 90) * 1000,
}, async () => {
  const { endpoints, instances, tree } = gateways
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no gateway')
  await createBucket(first, 'history')
  const faults = startFaults({ kill: killing(instances) }, randomOf(seed))
  const load = { endpoints, bucket: 'history', filesRoot: tree, clients: 16, seed }
  const recorder = await runLoad({ ...load, operationsMax: OPERATIONS_MAX, secondsMax: LOAD_SECONDS })
  const { kill = 0 } = await faults.stop()
  console.log(`${summary(recorder.events)}\n${kill} workers killed`)

  const { findings } = checkHistory(recorder.events)
  if (findings.length > 0) {
    const file = join(tmpdir(), `causeway-history-${seed}.jsonl`)
    await recorder.write(file)
    console.log(`the history: ${file}; again with npm run conformance:history -- --check ${file}`)
  }
  expect(findings.slice(0, 5).map(({ kind, key, sentence }) => `${kind}, ${key}: ${sentence}`)).toEqual([])

  // That it was a history worth checking.
  expect(kill).toBeGreaterThan(2)
  expect(recorder.events.length).toBeGreaterThan(3000)
  const done = new Set(recorder.events.filter(({ outcome }) => outcome === 'done').map(({ kind }) => kind))
  const kinds = ['put', 'complete', 'delete', 'copy', 'metadata', 'get', 'head', 'list']
  const fileKinds = ['file-read', 'file-rename', 'file-rewrite', 'file-unlink']
  expect([...done].sort()).toEqual([...kinds, ...fileKinds].sort())
  const errors = await Promise.all(instances.map((instance) => instance.errors()))
  // A worker may be killed on its way up, too.
  expect(errors.flat().filter((line) => !/a worker has died|"a worker could not start"/.test(line))).toEqual([])
})
