/**
 * Bodies of every payload mode, sent in pieces of any size and with pauses, while other clients vanish in the middle of theirs: whatever was
 * acknowledged holds exactly its bytes. The worker gives the memory of a body back by hand (gateway/body/blocks.ts): what it gave back too early
 * would show here as bytes of somebody else. CAUSEWAY_SOAK_MS makes it longer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  chunkedRequest,
  SIGNED_CHUNKS,
  SIGNED_CHUNKS_TRAILER,
  signedChunks,
  UNSIGNED_TRAILER,
  unsignedChunks,
} from './chunked.ts'
import { type Connection, openConnection, type RawRequest, requestText, sendOn } from './connection.ts'
import { type Instance, startInstance } from './instance.ts'
import { crc32Of, md5, type Random, randomBytesOf, randomOf, seedOf } from './random.ts'
import { type Signed, sha256 } from './sign.ts'

const SOAK_MS = Number(process.env.CAUSEWAY_SOAK_MS ?? 10_000)
const CLIENTS = 8
/** Around the worker's blocks, the pieces of the network, and memory that Node takes from its pool. */
const SIZES = [1, 4000, 65_536, 262_143, 262_144, 262_145, 700_001, 3 * 1024 * 1024]

let instance: Instance
let seed: number

beforeAll(async () => {
  seed = seedOf('uploads-under-aborts')
  instance = await startInstance()
  const connection = await openConnection(instance)
  expect((await sendOn(connection, instance, { method: 'PUT', target: '/load' })).status).toBe(200)
  connection.destroy()
}, 150_000)

afterAll(() => instance?.stop())

type Upload = { readonly request: RawRequest; readonly body: (signed: Signed) => Buffer }

/** Cut where chance wants it: a chunk may be smaller than a block, or several. */
function cut(bytes: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = random.pick([8192, 65_536, 131_072, 1_000_000])
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

const modes: readonly ((target: string, bytes: Buffer, random: Random) => Upload)[] = [
  (target, bytes) => ({ request: { method: 'PUT', target, body: bytes }, body: () => bytes }),
  (target, bytes) => ({ request: { method: 'PUT', target, body: bytes, payload: sha256(bytes) }, body: () => bytes }),
  (target, bytes, random) =>
    framed(target, SIGNED_CHUNKS, bytes, {}, (signed) => signedChunks(signed, cut(bytes, random))),
  (target, bytes, random) =>
    framed(target, SIGNED_CHUNKS_TRAILER, bytes, trailer, (signed) =>
      signedChunks(signed, cut(bytes, random), { 'x-amz-checksum-crc32': crc32Of(bytes) }),
    ),
  (target, bytes, random) =>
    framed(target, UNSIGNED_TRAILER, bytes, trailer, () =>
      unsignedChunks(cut(bytes, random), { 'x-amz-checksum-crc32': crc32Of(bytes) }),
    ),
]

const trailer = { 'x-amz-trailer': 'x-amz-checksum-crc32' }

/** The length has to be known before the headers are signed; a signature is as long as any other. */
function framed(
  target: string,
  payload: string,
  bytes: Buffer,
  headers: Readonly<Record<string, string>>,
  bodyOf: (signed: Signed) => Buffer,
): Upload {
  const request = chunkedRequest(target, payload, bytes.length, headers)
  let body: Buffer | undefined
  const once = (signed: Signed) => (body ??= bodyOf(signed))
  return {
    request: { ...request, after: { 'transfer-encoding': 'chunked' } },
    body: (signed) => httpChunks(once(signed)),
  }
}

const httpChunks = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')])

/** Sends as much of the body as chance allows; undefined when the client has vanished. */
async function upload(connection: Connection, { request, body }: Upload, random: Random, isAborted: boolean) {
  const { text, signed } = requestText(instance, request)
  const bytes = body(signed)
  const end = isAborted ? random.below(bytes.length) : bytes.length
  await connection.write(text)
  for (let at = 0; at < end; ) {
    const size = Math.min(end - at, random.pick([1000, 16_384, 65_536, 300_000]))
    await connection.write(bytes.subarray(at, at + size))
    at += size
    if (random.next() < 0.1) await sleep(random.below(15))
  }
  if (!isAborted) return connection.read('PUT')
  connection.destroy()
  return undefined
}

test('what was acknowledged holds its bytes, whatever the others break off', {
  timeout: SOAK_MS + 60_000,
}, async () => {
  const deadline = Date.now() + SOAK_MS
  const wrong: string[] = []
  const counts = { acknowledged: 0, aborted: 0 }
  const client = async (index: number) => {
    const random = randomOf(seed + index)
    let connection = await openConnection(instance)
    for (let round = 0; Date.now() < deadline; round += 1) {
      const target = `/load/client-${index}`
      const bytes = randomBytesOf(seed + index * 1_000_003 + round, random.pick(SIZES))
      const isAborted = random.next() < 0.3
      const answer = await upload(connection, random.pick(modes)(target, bytes, random), random, isAborted)
      if (answer === undefined) {
        counts.aborted += 1
        connection = await openConnection(instance)
        continue
      }
      if (answer.status !== 200) wrong.push(`round ${round}: ${answer.status} ${answer.text}`)
      const read = await sendOn(connection, instance, { method: 'GET', target })
      if (!md5(read.body).equals(md5(bytes))) wrong.push(`round ${round}: ${bytes.length} other bytes came back`)
      counts.acknowledged += 1
    }
    connection.destroy()
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)))
  console.log(`uploads-under-aborts: ${JSON.stringify(counts)}`)
  expect(wrong).toEqual([])
  expect(counts.acknowledged).toBeGreaterThan(CLIENTS)
  expect(counts.aborted).toBeGreaterThan(0)
  expect(await instance.errors()).toEqual([])
})
