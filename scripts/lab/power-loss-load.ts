/** Writers who do all that changes a tree, until the power goes. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastClient } from '../../conformance/fast-client.ts'
import { crc32Of, md5, randomOf } from '../../conformance/random.ts'
import { bucket, bucketVersion, carryOut, headersOf, metadataOf, targetOf, versionOf } from './power-loss-client.ts'
import { absent, type Journal, type Part, type Version } from './power-loss-journal.ts'
import { isVersionName, versionDeeds, versionWeights } from './power-loss-versions-load.ts'
import { bytesOf, description, type Writer } from './power-loss-writer.ts'

const KiB = 1024
const MiB = 1024 * KiB
const WRITERS = 8
/** Of a writer who is alone, after each request. */
const PAUSE_MS = 500

export type LoadOptions = {
  readonly clients: readonly FastClient[]
  readonly journal: Journal
  readonly seed: number
  /** In the names of new keys and versions. */
  readonly boot: number
  /** What the keys were seen to hold. */
  readonly seen: ReadonlyMap<string, Version>
  readonly versions: Writer['versions']
}

const long = 'x'.repeat(254)
/** In each other's way: files step aside for directories of their names, and come back. */
const clashing = ['a', 'a/b', 'a/b/c', 'c/d/e', 'c', 'f', 'f/', 'g/h/', 'g', long, `${long}/below`]
const overwritten = ['one', 'two', 'three', 'deep/1/2/3/4', 'deep/1/x']
const sizes = [0, 1, 700, 5000, 64 * KiB, 64 * KiB + 1, 200 * KiB, MiB]

/** Announced and sent; known when acknowledged. `how` is for whoever reads the journal. */
async function put(writer: Writer, how: string, key: string, sizeBytes: number, condition = {}): Promise<void> {
  const about = description(writer)
  const body = bytesOf(about.id, sizeBytes)
  const version = versionOf(about, body)
  const headers = { ...headersOf(about), 'x-amz-checksum-crc32': version.crc32, ...condition }
  const operation = { id: about.id, does: 'write', how, key, version } as const
  const request = { method: 'PUT', target: targetOf(key), headers, body } as const
  if (await carryOut(writer.client, writer.journal, operation, request)) writer.known.set(key, version)
}

async function remove(writer: Writer, how: string, key: string, condition = {}): Promise<void> {
  const operation = { id: writer.nextId(), does: 'write', how, key, version: absent } as const
  const request = { method: 'DELETE', target: targetOf(key), headers: condition } as const
  if (await carryOut(writer.client, writer.journal, operation, request)) writer.known.delete(key)
}

/** The bytes of `source`, which is asked for by its ETag: who copies something else is refused. */
async function copy(writer: Writer, how: string, source: string, key: string): Promise<void> {
  const from = writer.known.get(source)
  // The copy of an object in parts has another ETag.
  if (from === undefined || from.eTag !== from.md5) return
  const about = description(writer)
  const own = headersOf(about)
  const version = { ...from, id: about.id, contentType: about.contentType, metadata: metadataOf(Object.entries(own)) }
  const headers = {
    ...own,
    'x-amz-copy-source': targetOf(source),
    'x-amz-copy-source-if-match': `"${from.eTag}"`,
    'x-amz-metadata-directive': 'REPLACE',
  }
  const operation = { id: about.id, does: 'write', how, key, version } as const
  const request = { method: 'PUT', target: targetOf(key), headers } as const
  if (await carryOut(writer.client, writer.journal, operation, request)) writer.known.set(key, version)
}

/** Parts of these sizes; then one in five stays pending, and one in five is given up. */
async function upload(writer: Writer, key: string, sizes: readonly number[]): Promise<void> {
  const { client, journal, nextId, random } = writer
  const about = description(writer)
  const bytes = sizes.map((sizeBytes, index) => bytesOf(`${about.id} ${index + 1}`, sizeBytes))
  const version = versionOf(about, Buffer.concat(bytes), bytes)
  const parts = bytes.map((body, index) => ({
    partNumber: index + 1,
    sizeBytes: body.length,
    eTag: md5(body).toString('hex'),
  }))
  const ofUpload = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' }
  const begin = { id: nextId(), does: 'begin', key, version, parts } as const
  const target = targetOf(key)
  const headers = { ...headersOf(about), ...ofUpload }
  const begun = await carryOut(client, journal, begin, { method: 'POST', target: `${target}?uploads`, headers })
  const uploadId = /<UploadId>([^<]+)</.exec(begun?.text ?? '')?.[1]
  if (uploadId === undefined) return
  const sent = await Promise.all(
    parts.map((part, index) => {
      const body = bytes[index] ?? Buffer.alloc(0)
      return carryOut(
        client,
        journal,
        { id: nextId(), does: 'part', uploadId, part },
        {
          method: 'PUT',
          target: `${target}?partNumber=${part.partNumber}&uploadId=${uploadId}`,
          headers: { 'x-amz-checksum-crc32': crc32Of(body) },
          body,
        },
      )
    }),
  )
  const fate = random.below(5)
  if (fate === 0 || sent.includes(undefined)) return
  if (fate === 1) await abort(client, journal, { id: nextId(), key, uploadId })
  else if (await complete(client, journal, { id: about.id, key, uploadId, version, parts }))
    writer.known.set(key, version)
}

type Ending = { readonly id: string; readonly key: string; readonly uploadId: string }

export const abort = (client: FastClient, journal: Journal, { id, key, uploadId }: Ending) =>
  carryOut(
    client,
    journal,
    { id, does: 'abort', key, uploadId },
    {
      method: 'DELETE',
      target: `${targetOf(key)}?uploadId=${uploadId}`,
    },
  )

type Completion = Ending & { readonly version: Version; readonly parts: readonly Part[] }

/** `of`: the id of the Complete that this one repeats. */
export function complete(client: FastClient, journal: Journal, completion: Completion, of?: string) {
  const { id, key, uploadId, version, parts } = completion
  const operation =
    of === undefined
      ? ({ id, does: 'complete', key, uploadId, version } as const)
      : ({ id, does: 'repeat', of } as const)
  const wanted = parts.map(
    ({ partNumber, eTag }) => `<Part><PartNumber>${partNumber}</PartNumber><ETag>"${eTag}"</ETag></Part>`,
  )
  return carryOut(client, journal, operation, {
    method: 'POST',
    target: `${targetOf(key)}?uploadId=${uploadId}`,
    headers: { 'x-amz-checksum-crc32': version.crc32, 'x-amz-checksum-type': 'FULL_OBJECT' },
    body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${wanted.join('')}</CompleteMultipartUpload>`,
  })
}

const someKey = (writer: Writer): string => writer.random.pick([...clashing, ...overwritten])
const knownKey = (writer: Writer): string =>
  writer.random.pick([...[...writer.known.keys()].filter((key) => !isVersionName(key)), 'one'])
const newKey = (writer: Writer): string => `new/${writer.random.below(40)}/${writer.nextId()}`
const uploadKey = (writer: Writer): string =>
  writer.random.pick(['up/1', 'up/2', 'up/3/4', 'a/b', 'c', 'f/', newKey(writer)])
const smallOrNot = (writer: Writer): number => writer.random.pick(sizes)

const deeds: Readonly<Record<string, (writer: Writer) => Promise<void>>> = {
  put: (writer) => put(writer, 'put', newKey(writer), smallOrNot(writer)),
  'put small': (writer) => put(writer, 'put small', newKey(writer), 700),
  overwrite: (writer) => put(writer, 'overwrite', someKey(writer), smallOrNot(writer)),
  'overwrite any': (writer) => put(writer, 'overwrite any', knownKey(writer), smallOrNot(writer)),
  create: (writer) => put(writer, 'create', newKey(writer), smallOrNot(writer), { 'if-none-match': '*' }),
  replace(writer) {
    const key = knownKey(writer)
    const eTag = writer.known.get(key)?.eTag
    return eTag === undefined ? sleep(1) : put(writer, 'replace', key, smallOrNot(writer), { 'if-match': `"${eTag}"` })
  },
  copy: (writer) => copy(writer, 'copy', knownKey(writer), newKey(writer)),
  metadata(writer) {
    const key = knownKey(writer)
    return copy(writer, 'metadata', key, key)
  },
  'directory object': (writer) =>
    put(writer, 'directory object', writer.random.pick(['d1/', 'd2/', 'a/', `${newKey(writer)}/`]), 0),
  'directory object with bytes': (writer) =>
    put(writer, 'directory object with bytes', writer.random.pick(['d1/', 'd2/', 'a/']), 5000),
  delete: (writer) => remove(writer, 'delete', writer.random.pick([someKey(writer), 'd1/', 'd2/', 'a/'])),
  'delete any': (writer) => remove(writer, 'delete any', knownKey(writer)),
  'delete if': (writer) => {
    const key = knownKey(writer)
    const eTag = writer.known.get(key)?.eTag
    return eTag === undefined ? sleep(1) : remove(writer, 'delete if', key, { 'if-match': `"${eTag}"` })
  },
  /** In slots of the assembly file, which becomes the object. */
  assembly: (writer) => upload(writer, uploadKey(writer), [5 * MiB, 70_000]),
  /** Parts beside it, copied by Complete. */
  copying: (writer) => upload(writer, uploadKey(writer), [5 * MiB + 1, 9]),
  'one part': (writer) => upload(writer, uploadKey(writer), [100_000]),
  async bucket(writer) {
    const key = `bucket:made-${writer.nextId().replaceAll('.', '-')}`
    const make = { id: writer.nextId(), does: 'write', how: 'create bucket', key, version: bucketVersion } as const
    const made = await carryOut(writer.client, writer.journal, make, { method: 'PUT', target: targetOf(key) })
    if (made && writer.random.below(2) === 0) await remove(writer, 'delete bucket', key)
  },
  ...versionDeeds,
}

const weights: Readonly<Record<string, number>> = {
  put: 6,
  'put small': 8,
  overwrite: 10,
  'overwrite any': 4,
  create: 4,
  replace: 4,
  copy: 4,
  metadata: 4,
  'directory object': 4,
  'directory object with bytes': 1,
  delete: 5,
  'delete any': 3,
  'delete if': 2,
  assembly: 1,
  copying: 1,
  'one part': 3,
  bucket: 1,
  ...versionWeights,
}

const drawn = Object.entries(weights).flatMap(([name, weight]) => Array.from({ length: weight }, () => name))

/**
 * Never resolves of itself. Throws when a writer does. In every other boot there is one writer, who pauses: whatever another one has
 * flushed after an answer also flushes what the answer should have waited for, by the file system's log.
 */
export async function runLoad({ clients, journal, seed, boot, seen, versions }: LoadOptions): Promise<void> {
  const known = new Map(seen)
  let counter = 0
  const nextId = () => `${boot}.${counter++}`
  const isLone = boot % 2 === 1
  journal.write({ at: 'loading' })
  await Promise.all(
    Array.from({ length: isLone ? 1 : WRITERS }, async (_, index) => {
      const random = randomOf(seed + boot * 100 + index)
      for (;;) {
        const client = isLone ? random.pick(clients) : clients[index % clients.length]
        if (client === undefined) return
        await deeds[random.pick(drawn)]?.({ random, client, journal, nextId, known, versions })
        if (isLone) await sleep(random.below(PAUSE_MS))
      }
    }),
  )
}

/** The bucket of the first boot. */
export async function createBucket(client: FastClient): Promise<void> {
  const { status, text } = await client.send({ method: 'PUT', target: `/${bucket}` })
  if (status !== 200) throw new Error(`The bucket could not be made: ${status} ${text}`)
}
