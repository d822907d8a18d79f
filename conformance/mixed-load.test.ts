/**
 * Readers look while writers overwrite: whatever a reader gets must be one object, whole, with its own length, ETag, checksum and metadata. And
 * one connection carries ten thousand requests of all kinds, none of whose answers may be taken for another's.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, openConnection, type RawRequest, requestText, sendOn } from './connection.ts'
import { type FastClient, fastClient } from './fast-client.ts'
import { ABSENT, type Read, violations, type Write } from './history.ts'
import { type Instance, startInstance } from './instance.ts'
import {
  copy,
  mismatch,
  type Payload,
  payloadOf,
  put,
  putInParts,
  rangeMismatch,
  type Version,
  versionInOnePiece,
  versionInParts,
} from './payloads.ts'
import { randomBytesOf, randomOf, seedOf } from './random.ts'

const LOAD_MS = 15_000
const REQUESTS = 10_000
const KiB = 1024
const MiB = 1024 * KiB
/** Around each border on the way: the small read of the look-up, buffers of nginx, blocks of the worker, parts. */
const SIZES = [0, 1, 4 * KiB, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 300 * KiB, MiB, 2 * MiB + 7]
const PART_SIZES = [5 * MiB + 1, 6 * MiB]

let instance: Instance
let client: FastClient
let seed: number

beforeAll(async () => {
  seed = seedOf('mixed-load')
  instance = await startInstance()
  client = fastClient(instance, 24)
  expect((await client.send({ method: 'PUT', target: '/load' })).status).toBe(200)
}, 150_000)

afterAll(async () => {
  await client?.close()
  await instance?.stop()
})

test('body, length, ETag, checksum and metadata always belong together while writers overwrite', {
  timeout: LOAD_MS + 60_000,
}, async () => {
  const random = randomOf(seed)
  const keys = ['a', 'b', 'b/below', 'deep/er/c', 'd', 'e']
  const payloads = SIZES.flatMap((size, index) => [0, 1].map((twin) => payloadOf(seed + index * 2 + twin, size)))
  const large = PART_SIZES.map((size, index) => payloadOf(seed + 100 + index, size))
  const versions = new Map<string, Version>()
  const [writes, reads, wrong]: [Write[], Read[], string[]] = [[], [], []]
  const counts: Record<string, number> = {}

  for (const [index, payload] of payloads.entries()) {
    const source = versionInOnePiece(`source ${index}`, payload)
    expect((await put(client, `/load/source-${index}`, source)).status).toBe(200)
  }
  const deadline = performance.now() + LOAD_MS
  const isOver = () => performance.now() > deadline

  type Kind = { readonly name: string; write(target: string, id: string): Promise<Answer> | undefined }
  const announced = (version: Version) => {
    versions.set(version.id, version) // before it is sent: a reader may see it before its writer hears of it
    return version
  }
  const kinds: readonly Kind[] = [
    ...Array.from({ length: 6 }, () => ({
      name: 'put',
      write: (target: string, id: string) =>
        put(client, target, announced(versionInOnePiece(id, random.pick(payloads)))),
    })),
    {
      name: 'copy',
      write(target, id) {
        const index = random.below(payloads.length)
        const payload: Payload | undefined = payloads[index]
        return payload && copy(client, target, `/load/source-${index}`, announced(versionInOnePiece(id, payload)))
      },
    },
    {
      name: 'multipart',
      write: (target, id) => putInParts(client, target, announced(versionInParts(id, random.pick(large)))),
    },
    { name: 'delete', write: (target) => client.send({ method: 'DELETE', target }) },
  ]

  async function writer(name: number): Promise<void> {
    for (let number = 0; !isOver(); number++) {
      const key = random.pick(keys)
      const kind = random.pick(kinds)
      const id = kind.name === 'delete' ? ABSENT : `${kind.name} ${name}.${number}`
      const startMs = performance.now()
      const answer = await kind.write(`/load/${key}`, id)
      if (answer === undefined || answer.status >= 300 || answer.code !== '')
        wrong.push(`${id} of ${key}: ${answer?.status} ${answer?.text}`)
      writes.push({ key, id, startMs, endMs: performance.now() })
      counts[kind.name] = (counts[kind.name] ?? 0) + 1
    }
  }

  async function reader(): Promise<void> {
    while (!isOver()) {
      const key = random.pick(keys)
      const from = random.below(3 * 64 * KiB)
      const to = from + random.below(64 * KiB)
      const how = random.pick(['GET', 'GET', 'HEAD', 'range'] as const)
      const method = how === 'HEAD' ? 'HEAD' : 'GET'
      const headers: Record<string, string> =
        how === 'range' ? { range: `bytes=${from}-${to}` } : { 'x-amz-checksum-mode': 'ENABLED' }
      const startMs = performance.now()
      const answer = await client.send({ method, target: `/load/${key}`, headers })
      const endMs = performance.now()
      counts[how] = (counts[how] ?? 0) + 1
      const version = versions.get(answer.headers.get('x-amz-meta-id') ?? '')
      if (answer.status === 404) reads.push({ key, saw: ABSENT, startMs, endMs })
      else if (answer.status === 416 && how === 'range') continue
      else {
        const found =
          how === 'range' && answer.status === 206
            ? rangeMismatch(answer, version, from, to)
            : answer.status === 200
              ? mismatch(answer, version, method)
              : `${answer.status} ${answer.text}`
        if (found !== undefined) wrong.push(`${how} ${key}: ${found}`)
        if (version !== undefined) reads.push({ key, saw: version.id, startMs, endMs })
      }
    }
  }

  await Promise.all([...[1, 2, 3, 4].map(writer), ...Array.from({ length: 10 }, reader)])
  console.log(`mixed load: ${JSON.stringify(counts)}`)
  expect(wrong.slice(0, 10)).toEqual([])
  expect(violations(writes, reads).slice(0, 10)).toEqual([])
  expect(Object.keys(counts).sort()).toEqual(['GET', 'HEAD', 'copy', 'delete', 'multipart', 'put', 'range'])
  expect(reads.length).toBeGreaterThan(200)
  expect(await instance.errors()).toEqual([])
})

test('a GET that began before an overwrite ends with the old bytes and length (P-133)', async () => {
  const [old, young] = [payloadOf(seed + 200, 32 * MiB), payloadOf(seed + 201, 32 * MiB)]
  expect((await put(client, '/load/replaced', versionInOnePiece('old', old))).status).toBe(200)
  const connection = await openConnection(instance)
  try {
    connection.socket.pause() // takes what fits into the buffers on the way, and no more
    await connection.write(requestText(instance, { method: 'GET', target: '/load/replaced' }).text)
    const reading = connection.read('GET', 20_000)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await put(client, '/load/replaced', versionInOnePiece('young', young))).status).toBe(200)
    connection.socket.resume()
    const answer = await reading
    expect([answer.headers.get('x-amz-meta-id'), answer.body.equals(old.bytes)]).toEqual(['old', true])
    expect((await client.send({ method: 'GET', target: '/load/replaced' })).body.equals(young.bytes)).toBe(true)
  } finally {
    connection.destroy()
  }
})

type Mixed = {
  readonly name: string
  readonly weight: number
  readonly request: (index: number) => RawRequest
  readonly status: number
  readonly check?: (answer: Answer, index: number) => void
}

test('10,000 mixed requests on one kept-alive TLS connection never fall out of step', {
  timeout: 120_000,
}, async () => {
  const random = randomOf(seed)
  const small = (index: number) => `small ${index} ${'.'.repeat(index * 7)}`
  const middle = randomBytesOf(seed, 90_000)
  const big = randomBytesOf(seed + 1, 700_000)
  for (let index = 0; index < 20; index++)
    await client.send({ method: 'PUT', target: `/load/small-${index}`, body: small(index) })
  const { headers } = await client.send({ method: 'PUT', target: '/load/middle', body: middle })
  await client.send({ method: 'PUT', target: '/load/big', body: big })
  const eTag = headers.get('etag') ?? ''
  const stranger = { accessKeyId: instance.credentials.accessKeyId, secretAccessKey: 'wrong' }
  const code = (expected: string) => (answer: Answer) => expect(answer.code).toBe(expected)

  const mix: readonly Mixed[] = [
    {
      name: 'small GET',
      weight: 20,
      request: (index) => ({ method: 'GET', target: `/load/small-${index % 20}` }),
      status: 200,
      check: (answer, index) => expect(answer.text).toBe(small(index % 20)),
    },
    {
      name: 'GET by sendfile',
      weight: 6,
      request: () => ({ method: 'GET', target: '/load/middle' }),
      status: 200,
      check: ({ body }) => expect(body.equals(middle)).toBe(true),
    },
    {
      name: 'larger GET',
      weight: 1,
      request: () => ({ method: 'GET', target: '/load/big' }),
      status: 200,
      check: ({ body }) => expect(body.equals(big)).toBe(true),
    },
    {
      name: 'range',
      weight: 8,
      request: (index) => ({
        method: 'GET',
        target: '/load/middle',
        headers: { range: `bytes=${index}-${index + 999}` },
      }),
      status: 206,
      check: ({ body }, index) => expect(body.equals(middle.subarray(index, index + 1000))).toBe(true),
    },
    {
      name: 'range past the end',
      weight: 4,
      request: () => ({ method: 'GET', target: '/load/middle', headers: { range: 'bytes=90000-' } }),
      status: 416,
      check: code('InvalidRange'),
    },
    {
      name: 'HEAD',
      weight: 10,
      request: () => ({ method: 'HEAD', target: '/load/middle' }),
      status: 200,
      check: (answer) => expect(answer.headers.get('content-length')).toBe('90000'),
    },
    { name: 'HEAD of nothing', weight: 5, request: () => ({ method: 'HEAD', target: '/load/none' }), status: 404 },
    {
      name: 'GET of nothing',
      weight: 6,
      request: (index) => ({ method: 'GET', target: `/load/none-${index}` }),
      status: 404,
      check: (answer, index) => {
        expect(answer.code).toBe('NoSuchKey')
        expect(answer.text).toContain(`none-${index}<`)
      },
    },
    {
      name: 'not modified',
      weight: 6,
      request: () => ({ method: 'GET', target: '/load/middle', headers: { 'if-none-match': eTag } }),
      status: 304,
    },
    {
      name: 'a failed precondition',
      weight: 5,
      request: () => ({ method: 'GET', target: '/load/middle', headers: { 'if-match': '"0"' } }),
      status: 412,
      check: code('PreconditionFailed'),
    },
    {
      name: 'a PUT that is refused for its signature, with its body',
      weight: 5,
      request: (index) => ({
        method: 'PUT',
        target: '/load/no',
        credentials: stranger,
        body: 'b'.repeat(index % 5000),
      }),
      status: 403,
      check: code('SignatureDoesNotMatch'),
    },
    {
      name: 'a PUT that is refused for its condition, with its body',
      weight: 5,
      request: (index) => ({
        method: 'PUT',
        target: '/load/middle',
        headers: { 'if-none-match': '*' },
        body: `GET /load/small-1 HTTP/1.1\r\n\r\n${'c'.repeat(index % 3000)}`, // would show if taken for a request
      }),
      status: 412,
      check: code('PreconditionFailed'),
    },
    {
      name: 'a PUT to a bucket that is none, with its body',
      weight: 4,
      request: (index) => ({ method: 'PUT', target: '/nowhere/k', body: 'd'.repeat(index % 4000) }),
      status: 404,
      check: code('NoSuchBucket'),
    },
    {
      name: 'PUT',
      weight: 5,
      request: (index) => ({ method: 'PUT', target: `/load/put-${index % 10}`, body: 'e'.repeat(index % 2000) }),
      status: 200,
    },
    {
      name: 'DELETE',
      weight: 4,
      request: (index) => ({ method: 'DELETE', target: `/load/put-${index % 10}` }),
      status: 204,
    },
    {
      name: 'listing',
      weight: 3,
      request: () => ({ method: 'GET', target: '/load?list-type=2&max-keys=5&prefix=small-' }),
      status: 200,
      check: ({ text }) => expect(text).toContain('<KeyCount>5</KeyCount>'),
    },
    {
      name: 'malformed XML',
      weight: 2,
      request: () => ({ method: 'POST', target: '/load?delete=', body: '<Delete><Object>' }),
      status: 400,
      check: code('MalformedXML'),
    },
    {
      name: 'a method that is not allowed',
      weight: 1,
      request: () => ({ method: 'PATCH', target: '/load/middle' }),
      status: 405,
    },
  ]
  const lots = mix.flatMap((one) => Array.from({ length: one.weight }, () => one))

  const connection = await openConnection(instance)
  const requestIds = new Set<string>()
  try {
    for (let index = 0; index < REQUESTS; index++) {
      const one = random.pick(lots)
      const at = random.below(20_000)
      const what = `request ${index}: ${one.name}`
      const answer = await sendOn(connection, instance, one.request(at)).catch((error: unknown) => {
        throw new Error(`${what}: ${error}`)
      })
      if (answer.status !== one.status) expect.fail(`${what}: ${answer.status} ${answer.text}`)
      one.check?.(answer, at)
      requestIds.add(answer.requestId)
    }
    expect(requestIds.size).toBe(REQUESTS)
  } finally {
    connection.destroy()
  }
  expect(await instance.errors()).toEqual([])
})

test('a large PUT that is refused early is answered, and what follows on the connection, if it lives, is in step (P-005, P-021)', async () => {
  const body = Buffer.alloc(3 * MiB, 'GET /load HTTP/1.1\r\n\r\n')
  const stranger = { accessKeyId: instance.credentials.accessKeyId, secretAccessKey: 'wrong' }
  await client.send({ method: 'PUT', target: '/load/after', body: 'after' })
  for (let round = 0; round < 20; round++) {
    const connection = await openConnection(instance)
    const refused = await sendOn(connection, instance, {
      method: 'PUT',
      target: '/load/no',
      credentials: stranger,
      body,
    })
    expect([refused.status, refused.code]).toEqual([403, 'SignatureDoesNotMatch'])
    const next = await sendOn(connection, instance, { method: 'GET', target: '/load/after' }).catch(
      (error: Error) => error,
    )
    if (next instanceof Error) expect(next.message).toMatch(/^the connection ended/)
    else expect([next.status, next.text]).toEqual([200, 'after'])
    connection.destroy()
  }
})
