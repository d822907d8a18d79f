/**
 * Processes are killed at random moments of puts, multipart uploads, copies and deletes. Afterwards each key holds the old or the new object, whole;
 * what was acknowledged is there; nothing half lies under a visible name; versions and markers likewise. Whether it survives the loss of power is another question (durability
 * strict), which no test without a power switch answers.
 */
import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Answer } from './connection.ts'
import { type FastClient, fastClient } from './fast-client.ts'
import { createRecorder, type Recorder } from './history/recorder.ts'
import { checkVersions } from './history/versioned/check-versions.ts'
import { createVersionedBucket } from './history/versioned/create-versioned-bucket.ts'
import type { VersionedEvent } from './history/versioned/versioned-event.ts'
import { runVersionedLoad } from './history/versioned/versioned-load.ts'
import { ABSENT, type Read, violations, type Write } from './history.ts'
import { type Instance, startInstance, temporaries } from './instance.ts'
import { startKiller } from './killer.ts'
import {
  copy,
  mismatch,
  payloadOf,
  put,
  putInParts,
  type Version,
  versionInOnePiece,
  versionInParts,
} from './payloads.ts'
import { type Random, randomOf, seedOf } from './random.ts'

const KiB = 1024
const MiB = 1024 * KiB
const KILLING_MS = 10_000
const POWER_CUTS = 3
const VERSIONED_POWER_CUTS = 2
/** Some in each other's way: a file steps aside for a directory of its name, and comes back. */
const KEYS = ['a', 'a/b', 'c', 'c/d/e', 'f', 'g', 'h/', 'i']

let instance: Instance
let random: Random
let seed: number
const versions = new Map<string, Version>()
/** What was done in the versioned buckets and seen of them, by bucket. */
const versionedHistories = new Map<string, Recorder<VersionedEvent>>()
const [writes, reads, wrong]: [Write[], Read[], string[]] = [[], [], []]

beforeAll(async () => {
  seed = seedOf('crash')
  random = randomOf(seed)
  instance = await startInstance({ workers: 3 })
}, 150_000)

afterAll(async () => {
  await instance?.stop()
})

const payloads = () =>
  [0, 1, 5000, 64 * KiB + 1, 400 * KiB, 2 * MiB].flatMap((size, index) =>
    [0, 1].map((twin) => payloadOf(seed + 2 * index + twin, size)),
  )

type Load = {
  /** Resolves when no request is under way any more. */
  stop(): Promise<Readonly<Record<string, number>>>
}

/** Eight writers and three readers, who take failures as they come. */
function startLoad(client: FastClient, round: number): Load {
  const bodies = payloads()
  const large = payloadOf(seed + 100, 5 * MiB + 1)
  const counts: Record<string, number> = { done: 0, unknown: 0, reads: 0 }
  let stopped = false
  const announced = (version: Version) => {
    versions.set(version.id, version)
    return version
  }
  const kinds = {
    put: (target: string, id: string) => put(client, target, announced(versionInOnePiece(id, random.pick(bodies)))),
    multipart: (target: string, id: string) => putInParts(client, target, announced(versionInParts(id, large))),
    copy: (target: string, id: string) => {
      const index = random.below(bodies.length)
      return copy(client, target, `/crash/source-${index}`, announced(versionInOnePiece(id, bodies[index] ?? large)))
    },
    delete: (target: string) => client.send({ method: 'DELETE', target }),
  }
  const names = ['put', 'put', 'put', 'multipart', 'copy', 'copy', 'delete'] as const

  async function writer(name: number): Promise<void> {
    for (let number = 0; !stopped; number++) {
      const key = random.pick(KEYS)
      const kind = random.pick(names)
      const id = kind === 'delete' ? ABSENT : `${kind} ${round}.${name}.${number}`
      const startMs = performance.now()
      const answer = await kinds[kind](`/crash/${key}`, id).catch(() => undefined)
      const done = answer !== undefined && answer.status < 300 && answer.code === ''
      if (answer !== undefined && answer.status >= 400 && answer.status < 500)
        wrong.push(`${id}: ${answer.status} ${answer.text}`)
      writes.push({ key, id, startMs, endMs: done ? performance.now() : Number.POSITIVE_INFINITY })
      counts[done ? 'done' : 'unknown'] = (counts[done ? 'done' : 'unknown'] ?? 0) + 1
      if (!done) await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async function reader(): Promise<void> {
    while (!stopped) {
      const answered = await look(client, random.pick(KEYS))
      if (answered) counts.reads = (counts.reads ?? 0) + 1
      else await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  const running = Promise.all([...Array.from({ length: 8 }, (_, index) => writer(index)), reader(), reader(), reader()])
  return {
    async stop() {
      stopped = true
      await running
      return counts
    },
  }
}

/** Reads a key and writes down what is wrong with it; false when there was no answer. */
async function look(client: FastClient, key: string): Promise<boolean> {
  const startMs = performance.now()
  const headers = { 'x-amz-checksum-mode': 'ENABLED' }
  const answer = await client.send({ method: 'GET', target: `/crash/${key}`, headers }).catch(() => undefined)
  if (answer === undefined || answer.status >= 500) return false
  const endMs = performance.now()
  if (answer.status === 404) {
    reads.push({ key, saw: ABSENT, startMs, endMs })
    return true
  }
  const version = versions.get(answer.headers.get('x-amz-meta-id') ?? '')
  const found = answer.status === 200 ? mismatch(answer, version, 'GET') : `${answer.status} ${answer.text}`
  if (found !== undefined) wrong.push(`${key}: ${found}`)
  else if (version !== undefined) reads.push({ key, saw: version.id, startMs, endMs })
  return true
}

/** All keys are whole, a listing names exactly those that are there, and the history can be explained. */
async function expectWhole(client: FastClient): Promise<void> {
  for (const key of KEYS) expect(await look(client, key), key).toBe(true)
  expect(wrong.slice(0, 10)).toEqual([])
  expect(violations(writes, reads).slice(0, 10)).toEqual([])
  const there = (
    await Promise.all(KEYS.map((key) => client.send({ method: 'HEAD', target: `/crash/${key}` })))
  ).flatMap(({ status }, index) => (status === 200 ? [KEYS[index] ?? ''] : []))
  const listed = await client.send({ method: 'GET', target: '/crash?list-type=2' })
  const keys = [...listed.text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key)
  expect(keys.filter((key) => !key?.startsWith('source-'))).toEqual(there.sort())
}

async function expectNoMistakes(): Promise<void> {
  const errors = await instance.errors()
  expect(errors.filter((line) => !/a worker has died|"a worker could not start"/.test(line))).toEqual([])
}

const sources = async (client: FastClient): Promise<readonly Answer[]> =>
  Promise.all(
    payloads().map((payload, index) =>
      put(client, `/crash/source-${index}`, versionInOnePiece(`source ${index}`, payload)),
    ),
  )

test('workers are killed at random: old or new, whole, and what was acknowledged is there', {
  timeout: KILLING_MS + 60_000,
}, async () => {
  const client = fastClient(instance, 16)
  expect((await client.send({ method: 'PUT', target: '/crash' })).status).toBe(200)
  expect((await sources(client)).map(({ status }) => status)).toEqual(payloads().map(() => 200))
  const load = startLoad(client, 0)
  const killer = startKiller(instance, random, 12)
  await new Promise((resolve) => setTimeout(resolve, KILLING_MS))
  const kills = await killer.stop()
  const counts = await load.stop()
  console.log(`${kills} workers killed: ${JSON.stringify(counts)}`)
  expect(kills).toBeGreaterThan(2)
  expect(counts.unknown).toBeGreaterThan(0)
  expect(counts.done).toBeGreaterThan(20)
  await expectWhole(client)
  await expectNoMistakes()
  await client.close()
})

test('everything is killed at once, three times: what was acknowledged is there after the next start', {
  timeout: 120_000,
}, async () => {
  for (let round = 1; round <= POWER_CUTS; round++) {
    const client = fastClient(instance, 16)
    const load = startLoad(client, round)
    await new Promise((resolve) => setTimeout(resolve, 500 + random.below(1500)))
    const stopping = load.stop()
    await instance.crash()
    await client.close()
    const counts = await stopping
    await instance.start()
    const after = fastClient(instance, 16)
    await expectWhole(after)
    await after.close()
    console.log(`everything killed: ${JSON.stringify(counts)}`)
  }
  await expectNoMistakes()
})

/** Everybody is at it until `crashAfterMs`; without it nobody is, and every version is only looked at. Judged by all that was seen before, too. */
async function versionedLoad(bucket: string, recorder: Recorder<VersionedEvent>, crashAfterMs?: number): Promise<void> {
  const { endpoint: url, region, credentials, authority } = instance
  const endpoints = [{ url, region, credentials, authority }]
  const begin = performance.now()
  let crashing: Promise<void> | undefined
  const load = { endpoints, bucket, hasLock: true, clients: 8, seed, operationsMax: 20_000 }
  const untilCrash = {
    secondsMax: 60,
    isEnough: () => {
      if (crashAfterMs === undefined || performance.now() - begin < crashAfterMs) return false
      crashing = instance.crash()
      return true
    },
    async beforeLast() {
      await crashing
      await instance.start()
    },
  }
  await runVersionedLoad(
    { ...load, ...(crashAfterMs === undefined ? { clients: 0, secondsMax: 0 } : untilCrash) },
    recorder,
  )
  const { findings } = checkVersions(recorder.events)
  expect(findings.slice(0, 5).map(({ kind, sentence }) => `${kind}: ${sentence}`)).toEqual([])
  expect(recorder.events.some((event) => event.kind === 'list-versions' && event.isQuiet && event.listed)).toBe(true)
}

test('everything is killed at once while versions come and go: each is there, with its tags and its lock, or was deleted', {
  timeout: 120_000,
}, async () => {
  for (let round = 0; round < VERSIONED_POWER_CUTS; round++) {
    const bucket = `crash-versions-${round}`
    const { endpoint: url, region, credentials, authority } = instance
    expect(await createVersionedBucket({ url, region, credentials, authority }, bucket)).toEqual({ hasLock: true })
    const recorder = createRecorder<VersionedEvent>()
    versionedHistories.set(bucket, recorder)
    await versionedLoad(bucket, recorder, 2000 + random.below(2000))
    const unknown = recorder.events.filter(({ outcome }) => outcome === 'unknown').length
    console.log(`everything killed: ${recorder.events.length} calls to versions, ${unknown} unanswered`)
  }
  await expectNoMistakes()
})

test('what the killed have left behind is found and mended by check --repair, and touches no object', {
  timeout: 60_000,
}, async () => {
  const client = fastClient(instance, 16)
  const left = await temporaries(instance.tree)
  // Younger than a day it may belong to somebody who is still at it.
  const longAgo = new Date(Date.now() - 30 * 24 * 60 * 60 * 1000)
  for (const path of left) await utimes(join(instance.tree, path), longAgo, longAgo)
  await writeFile(join(instance.tree, 'crash/.s3-0-planted'), 'left by somebody')
  await utimes(join(instance.tree, 'crash/.s3-0-planted'), longAgo, longAgo)
  const found = await instance.causeway(['check'])
  console.log(`${left.length} temporaries left; check: ${found.stdout.split('\n').at(-1)}`)
  expect(found.exitCode).toBe(1)
  expect(found.stdout).toContain('.s3-0-planted')
  const repaired = await instance.causeway(['check', '--repair'])
  expect(repaired.exitCode, repaired.stdout).toBe(0)
  // An upload that nobody has completed or aborted is no left-over: its assembly file stays.
  expect((await temporaries(instance.tree)).filter((path) => !path.includes('/.s3-upload-'))).toEqual([])
  await expectWhole(client)
  for (const [bucket, recorder] of versionedHistories) await versionedLoad(bucket, recorder)
  await client.close()
})
