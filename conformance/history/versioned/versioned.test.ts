/**
 * Sixteen clients of a versioned bucket, on two gateways of one tree with two workers each, while workers are killed: some order of events
 * explains everything that anybody saw, and each version is there as it was written for as long as nobody has deleted it by its id. Longer, with
 * more faults and on other mounts: run.ts --versioned.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { randomOf, seedOf } from '../../random.ts'
import { killing, startFaults } from '../faults.ts'
import { type Gateways, startGateways } from '../gateways.ts'
import { summary } from '../summary.ts'
import { checkVersions } from './check-versions.ts'
import { createVersionedBucket } from './create-versioned-bucket.ts'
import { runVersionedLoad } from './versioned-load.ts'

const LOAD_SECONDS = 20
const OPERATIONS_MAX = 8000

let gateways: Gateways
let seed: number

beforeAll(async () => {
  seed = seedOf('versioned history')
  gateways = await startGateways({ count: 2, workers: 2 })
}, 150_000)

afterAll(async () => {
  await gateways?.stop()
})

test('what 16 clients of two gateways did to versions and saw of them is explained by some order of events', {
  timeout: (LOAD_SECONDS + 90) * 1000,
}, async () => {
  const { endpoints, instances } = gateways
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no gateway')
  const { hasLock } = await createVersionedBucket(first, 'versions')
  expect(hasLock).toBe(true)
  const faults = startFaults({ kill: killing(instances) }, randomOf(seed))
  const load = { endpoints, bucket: 'versions', hasLock, clients: 16, seed }
  const recorder = await runVersionedLoad({ ...load, operationsMax: OPERATIONS_MAX, secondsMax: LOAD_SECONDS })
  const { events } = recorder
  const { kill = 0 } = await faults.stop()
  const { findings, versions } = checkVersions(events)
  console.log(`${summary(events)}\n${kill} workers killed, ${versions} versions`)
  if (findings.length > 0) {
    const file = join(tmpdir(), `causeway-versioned-history-${seed}.jsonl`)
    await recorder.write(file)
    console.log(`the history: ${file}; again with npm run conformance:history -- --versioned --check ${file}`)
  }
  expect(findings.slice(0, 5).map(({ kind, sentence }) => `${kind}: ${sentence}`)).toEqual([])

  // That it was a history worth checking.
  expect(kill).toBeGreaterThan(2)
  expect(versions).toBeGreaterThan(100)
  const done = new Set(events.filter(({ outcome }) => outcome === 'done').map(({ kind }) => kind))
  const writes = ['put', 'complete', 'copy', 'delete', 'delete-version', 'tag', 'hold']
  const looks = ['get', 'head', 'get-tags', 'list', 'list-versions']
  expect([...done].sort()).toEqual([...writes, ...looks].sort())
  // Somebody was kept from deleting what was protected.
  expect(events.some(({ kind, status }) => kind === 'delete-version' && status === 403)).toBe(true)
  const errors = await Promise.all(instances.map((instance) => instance.errors()))
  // A worker may be killed on its way up, too.
  expect(errors.flat().filter((line) => !/a worker has died|"a worker could not start"/.test(line))).toEqual([])
})
