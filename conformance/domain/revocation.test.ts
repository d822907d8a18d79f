/**
 * How long somebody is still served who has lost their access: through nginx, on fresh connections, by a pool of two workers and by a second
 * gateway of the tree. `npm run lab:ad -- --trials 20` makes the table of auth/README.md.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendOnce } from '../connection.ts'
import type { Instance } from '../instance.ts'
import { randomOf, seedOf } from '../random.ts'
import type { Credentials } from '../sign.ts'
import { type Domain, type DomainInstance, startDomain } from './start-domain.ts'

const TRIALS = Number(process.env.CAUSEWAY_TRIALS ?? 2)
const WORST_MS = 3000
/** Nobody is served for so long: it is over, on all workers. */
const QUIET_MS = 1200
const PAUSE_MS = 25
const READY_TIMEOUT_MS = 15_000
/** In a row; as many connections go to both workers of a pool. */
const SERVED_IN_A_ROW = 12
const Bucket = 'revoked'

let domain: Domain
let pool: DomainInstance
let second: DomainInstance
const random = randomOf(seedOf('revocation'))

beforeAll(async () => {
  domain = await startDomain()
  pool = await domain.startGateway()
  second = await domain.startGateway({ beside: pool })
  const s3 = pool.s3()
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'note', Body: 'hello' }))
  await domain.administrator.addGroup('readers')
  await domain.administrator.addGroup('outer-readers', ['readers'])
  const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` }
  const Principal = { AWS: 'arn:aws:iam::0:group/outer-readers' }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [{ ...statement, Principal }] })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
}, 200_000)

afterAll(async () => {
  await second?.stop()
  await pool?.stop()
  await domain?.stop()
})

type Victim = { readonly name: string; readonly key: Credentials }
type Change = {
  readonly what: string
  readonly code: 'InvalidAccessKeyId' | 'AccessDenied'
  /** When it was done, in milliseconds since 1970. */
  revoke(victim: Victim): Promise<number>
  /** Where it can be, the next trial is about the same user. */
  readonly undo?: (victim: Victim) => Promise<unknown>
}

const answered = async (change: Promise<void>) => {
  await change
  return Date.now()
}
async function addReader(name: string): Promise<void> {
  await domain.addUser(name)
  await domain.administrator.addMember('readers', name)
}

const CHANGES: readonly Change[] = [
  {
    what: 'disabled',
    code: 'InvalidAccessKeyId',
    revoke: ({ name }) => answered(domain.administrator.disable(name)),
    undo: ({ name }) => domain.administrator.enable(name),
  },
  {
    what: 'deleted',
    code: 'InvalidAccessKeyId',
    revoke: ({ name }) => answered(domain.administrator.remove(name)),
  },
  {
    what: 'taken out of a nested group',
    code: 'AccessDenied',
    revoke: ({ name }) => answered(domain.administrator.removeMember('readers', name)),
    undo: ({ name }) => domain.administrator.addMember('readers', name),
  },
  {
    what: 'key disabled (`keys disable`)',
    code: 'InvalidAccessKeyId',
    async revoke({ key }) {
      expect(await pool.causeway(['keys', 'disable', key.accessKeyId])).toMatchObject({ exitCode: 0 })
      // The command has ended later than it has changed the record.
      return (await stat(join(pool.tree, '.causeway/keys', `${key.accessKeyId}.json`))).mtimeMs
    },
    undo: ({ key }) => pool.causeway(['keys', 'disable', '--undo', key.accessKeyId]),
  },
]

const read = (instance: Instance, { key: credentials }: Victim) =>
  sendOnce(instance, { method: 'GET', target: `/${Bucket}/note`, credentials })

async function untilServed(instance: Instance, victim: Victim): Promise<void> {
  const endMs = Date.now() + READY_TIMEOUT_MS
  for (let served = 0; served < SERVED_IN_A_ROW; ) {
    const { status, code } = await read(instance, victim)
    served = status === 200 ? served + 1 : 0
    if (Date.now() > endMs) throw new Error(`${victim.name} is not served: ${code}`)
  }
}

/** Resolves with the time at which the last answer came that was none of refusal, once there was none for a while after the change. */
async function lastServedMs(
  instance: Instance,
  victim: Victim,
  code: Change['code'],
  revoked: () => number | undefined,
): Promise<number> {
  let [lastMs, refused] = [Date.now(), 0]
  for (;;) {
    const answer = await read(instance, victim)
    const changedMs = revoked()
    if (answer.status === 200) [lastMs, refused] = [Date.now(), 0]
    else {
      expect(answer.code).toBe(code)
      refused += 1
    }
    const quietMs = Date.now() - Math.max(lastMs, changedMs ?? Number.POSITIVE_INFINITY)
    if (quietMs > QUIET_MS && refused > SERVED_IN_A_ROW) return lastMs
    await sleep(PAUSE_MS)
  }
}

async function trial(change: Change, victim: Victim): Promise<readonly number[]> {
  const gateways = [pool, second]
  await Promise.all(gateways.map((gateway) => untilServed(gateway, victim)))
  let changedMs: number | undefined
  const last = gateways.map((gateway) => lastServedMs(gateway, victim, change.code, () => changedMs))
  await sleep(random.next() * 1000) // workers look once a second: at any moment of it
  changedMs = await change.revoke(victim)
  const doneMs = changedMs
  return (await Promise.all(last)).map((ms) => Math.max(0, ms - doneMs))
}

async function trials(change: Change, index: number): Promise<readonly (readonly number[])[]> {
  const times: (readonly number[])[] = []
  let victim: Victim | undefined
  for (let turn = 0; turn < TRIALS; turn++) {
    if (victim === undefined || change.undo === undefined) {
      const name = `victim-${index}-${turn}`
      await addReader(name)
      victim = { name, key: await pool.createKey(name) }
    }
    times.push(await trial(change, victim))
    await change.undo?.(victim)
  }
  return times
}

/** @param sorted upwards */
function medianOf(sorted: readonly number[]): number {
  const [below, above] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return ((below ?? Number.NaN) + (above ?? Number.NaN)) / 2
}

const seconds = (ms: number | undefined) => `${((ms ?? Number.NaN) / 1000).toFixed(2)} s`

test(`whoever is disabled, deleted or taken out of a group, or whose key is disabled, is out within 3 seconds on all workers of both gateways (${TRIALS} trials each)`, {
  timeout: 60_000 + TRIALS * 30_000,
}, async () => {
  const rows = await Promise.all(CHANGES.map(trials))
  const table = rows.map((times, index) => {
    const columns = [0, 1].map((gateway) =>
      times.map((ms) => ms[gateway] ?? Number.NaN).sort((one, other) => one - other),
    )
    const cells = columns.flatMap((sorted) => [seconds(medianOf(sorted)), seconds(sorted.at(-1))])
    return `| ${[CHANGES[index]?.what, ...cells].join(' | ')} |`
  })
  console.info(
    [
      '| change | pool: median | worst | second gateway: median | worst |',
      '| --- | --- | --- | --- | --- |',
      ...table,
    ].join('\n'),
  )
  for (const times of rows) expect(times).toHaveLength(TRIALS)
  expect(Math.max(...rows.flat(2))).toBeLessThan(WORST_MS)
})
