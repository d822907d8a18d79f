/**
 * Who wins when many want the same key: 64 clients through nginx and four workers. Every answer is written down, and at the end the
 * whole history must be explained by some order of events (history.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Answer } from './connection.ts'
import { type FastClient, fastClient } from './fast-client.ts'
import { ABSENT, type Read, violations, type Write } from './history.ts'
import { type Instance, startInstance } from './instance.ts'
import { startKiller } from './killer.ts'
import { md5, type Random, randomBytesOf, randomOf, seedOf } from './random.ts'

const CLIENTS = 64
const INCREMENTS = 500

let instance: Instance
let client: FastClient
let random: Random

beforeAll(async () => {
  random = randomOf(seedOf('races'))
  instance = await startInstance({ workers: 4 })
  client = fastClient(instance, CLIENTS)
  expect((await client.send({ method: 'PUT', target: '/races' })).status).toBe(200)
}, 150_000)

afterAll(async () => {
  await client?.close()
  await instance?.stop()
})

/** `count` runs of `work`, CLIENTS at a time. */
async function byAll(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(CLIENTS, count) }, async () => {
      while (next < count) await work(next++)
    }),
  )
}

/** An answer, or undefined where none came or a server between could not get one: then nobody knows what happened. */
async function ask(request: Parameters<FastClient['send']>[0]): Promise<Answer | undefined> {
  try {
    const answer = await client.send(request)
    return answer.status >= 500 ? undefined : answer
  } catch {
    return undefined
  }
}

const isLost = ({ status }: Answer) => status === 412 || status === 409

test('of 64 creations by If-None-Match: * exactly one wins, every round', { timeout: 90_000 }, async () => {
  for (let round = 0; round < 24; round++) {
    // Every other round on a key, and in a directory, that has just been removed.
    const target = `/races/creations/${round >> 1}/key`
    const answers = await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) =>
        client.send({ method: 'PUT', target, headers: { 'if-none-match': '*' }, body: `${round} ${index}` }),
      ),
    )
    const winners = answers.flatMap(({ status }, index) => (status === 200 ? [index] : []))
    expect(winners, `round ${round}`).toHaveLength(1)
    expect(answers.filter((answer) => !isLost(answer) && answer.status !== 200)).toEqual([])
    const kept = await client.send({ method: 'GET', target })
    expect(kept.text).toBe(`${round} ${winners[0]}`)
    expect((await client.send({ method: 'DELETE', target })).status).toBe(204)
  }
})

test('of 16 completions by If-None-Match: * exactly one wins, every round', { timeout: 60_000 }, async () => {
  for (let round = 0; round < 4; round++) {
    const target = `/races/completions/${round}`
    const uploads = await Promise.all(
      Array.from({ length: 16 }, async (_, index) => {
        const created = await client.send({ method: 'POST', target: `${target}?uploads` })
        const id = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
        const body = Buffer.from(`${round} ${index}`)
        const part = await client.send({ method: 'PUT', target: `${target}?partNumber=1&uploadId=${id}`, body })
        expect(part.status).toBe(200)
        return { id, eTag: md5(body).toString('hex') }
      }),
    )
    const answers = await Promise.all(
      uploads.map(({ id, eTag }) =>
        client.send({
          method: 'POST',
          target: `${target}?uploadId=${id}`,
          headers: { 'if-none-match': '*' },
          body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${eTag}</ETag></Part></CompleteMultipartUpload>`,
        }),
      ),
    )
    const winners = answers.flatMap(({ status, code }, index) => (status === 200 && code === '' ? [index] : []))
    expect(winners, `round ${round}`).toHaveLength(1)
    expect((await client.send({ method: 'GET', target })).text).toBe(`${round} ${winners[0]}`)
  }
})

type Counted = { acknowledged: number; unknown: number; attempts: number }

/** One more, by If-Match, until it is acknowledged or nobody knows. */
async function increment(target: string, counted: Counted): Promise<void> {
  for (let tries = 0; ; tries++) {
    const current = await ask({ method: 'GET', target })
    if (current === undefined) continue
    expect(current.status).toBe(200)
    counted.attempts++
    const answer = await ask({
      method: 'PUT',
      target,
      headers: { 'if-match': current.headers.get('etag') ?? '' },
      body: String(Number(current.text) + 1),
    })
    if (answer === undefined) {
      counted.unknown++
      return
    }
    if (answer.status === 200) {
      counted.acknowledged++
      return
    }
    expect(isLost(answer), `${answer.status} ${answer.text}`).toBe(true)
    await sleep(random.next() * Math.min(250, 20 * tries))
  }
}

test('500 concurrent increments by If-Match end at exactly the number acknowledged, beside plain overwrites of other keys', {
  timeout: 120_000,
}, async () => {
  const target = '/races/counter'
  await client.send({ method: 'PUT', target, body: '0' })
  const counted: Counted = { acknowledged: 0, unknown: 0, attempts: 0 }
  let overwrites = 0
  let finished = false
  const overwriter = async () => {
    while (!finished) {
      const body = randomBytesOf(overwrites, random.below(20_000))
      const answer = await client.send({ method: 'PUT', target: `/races/other-${random.below(5)}`, body })
      expect(answer.status).toBe(200)
      overwrites++
    }
  }
  const overwriting = Promise.all([overwriter(), overwriter()])
  await byAll(INCREMENTS, () => increment(target, counted))
  finished = true
  await overwriting
  const final = Number((await client.send({ method: 'GET', target })).text)
  console.log(`increments: ${JSON.stringify(counted)}, ended at ${final}, ${overwrites} overwrites of other keys`)
  expect(counted).toMatchObject({ acknowledged: INCREMENTS, unknown: 0 })
  expect(final).toBe(INCREMENTS)
})

test('conditional and plain writers of the same key: each If-Match replaces exactly what it named, and nothing acknowledged is lost', {
  timeout: 90_000,
}, async () => {
  const target = '/races/mixed'
  const key = 'mixed'
  const [writes, reads]: [Write[], Read[]] = [[], []]
  const idOf = new Map<string, string>() // ETag → id: every body is unique
  const put = async (id: string, base?: { readonly eTag: string; readonly id: string }) => {
    const eTag = `"${md5(Buffer.from(id)).toString('hex')}"`
    idOf.set(eTag, id)
    const startMs = performance.now()
    const headers: Record<string, string> = base === undefined ? {} : { 'if-match': base.eTag }
    const answer = await client.send({ method: 'PUT', target, headers, body: id })
    const endMs = performance.now()
    if (answer.status === 200)
      writes.push({ key, id, startMs, endMs, ...(base === undefined ? {} : { basedOn: base.id }) })
    else expect(isLost(answer), `${answer.status} ${answer.text}`).toBe(true)
    return answer.status === 200
  }
  await put('first')
  let replaced = 0
  await byAll(400, async (index) => {
    if (index % 8 === 0) {
      await put(`plain ${index}`)
      return
    }
    for (let tries = 0; tries < 10; tries++) {
      const startMs = performance.now()
      const current = await client.send({ method: 'GET', target })
      const eTag = current.headers.get('etag') ?? ''
      expect(idOf.get(eTag)).toBe(current.text)
      reads.push({ key, saw: current.text, startMs, endMs: performance.now() })
      if (await put(`conditional ${index} ${tries}`, { eTag, id: current.text })) {
        replaced++
        return
      }
      await sleep(random.next() * 100)
    }
  })
  const startMs = performance.now()
  const final = await client.send({ method: 'GET', target })
  reads.push({ key, saw: final.text, startMs, endMs: performance.now() })
  expect(violations(writes, reads)).toEqual([])
  // Neither kind has starved the other one.
  expect(replaced).toBeGreaterThan(20)
  expect(writes.length - replaced).toBe(51)
})

test('the same with workers killed under way: the end lies between what was acknowledged and what may have been done', {
  timeout: 120_000,
}, async () => {
  const target = '/races/killed-counter'
  await client.send({ method: 'PUT', target, body: '0' })
  const counted: Counted = { acknowledged: 0, unknown: 0, attempts: 0 }
  const killer = startKiller(instance, random)
  await byAll(INCREMENTS, () => increment(target, counted))
  const kills = await killer.stop()
  const final = Number((await client.send({ method: 'GET', target })).text)
  console.log(`increments with ${kills} workers killed: ${JSON.stringify(counted)}, ended at ${final}`)
  expect(kills).toBeGreaterThan(0)
  expect(counted.acknowledged + counted.unknown).toBe(INCREMENTS)
  expect(final).toBeGreaterThanOrEqual(counted.acknowledged)
  expect(final).toBeLessThanOrEqual(counted.acknowledged + counted.unknown)
})

test('creations by If-None-Match: * with workers killed under way: never two winners, and what won is there', {
  timeout: 120_000,
}, async () => {
  const killer = startKiller(instance, random, 6)
  const [writes, reads]: [Write[], Read[]] = [[], []]
  for (let round = 0; round < 20; round++) {
    const key = `killed/${round}`
    const target = `/races/${key}`
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, index) => {
        const id = `${round} ${index}`
        const startMs = performance.now()
        const answer = await ask({ method: 'PUT', target, headers: { 'if-none-match': '*' }, body: id })
        const write = { key, id, startMs, basedOn: ABSENT }
        if (answer === undefined) writes.push({ ...write, endMs: Number.POSITIVE_INFINITY })
        else if (answer.status === 200) writes.push({ ...write, endMs: performance.now() })
        else expect(isLost(answer), `${answer.status} ${answer.text}`).toBe(true)
      }),
    )
  }
  const kills = await killer.stop()
  for (let round = 0; round < 20; round++) {
    const key = `killed/${round}`
    const startMs = performance.now()
    const answer = await client.send({ method: 'GET', target: `/races/${key}` })
    reads.push({ key, saw: answer.status === 404 ? ABSENT : answer.text, startMs, endMs: performance.now() })
    const winners = writes.filter((write) => write.key === key && write.endMs !== Number.POSITIVE_INFINITY)
    expect(winners.length, key).toBeLessThanOrEqual(1)
    if (winners[0] !== undefined) expect(answer.text, key).toBe(winners[0].id)
  }
  expect(kills).toBeGreaterThan(0)
  expect(violations(writes, reads)).toEqual([])
})
