/** In the lab's guest: nginx and pool on two gateway machines, one tree on NFS below them, and a file user on a third mount. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Instance, startInstance } from '../../conformance/instance.ts'
import { md5, randomBytesOf } from '../../conformance/random.ts'

const Bucket = 'lab'
const MiB = 2 ** 20

const place = (name: string): string => {
  const directory = process.env[name]
  if (directory === undefined) throw new Error(`${name} is not set; run this by npm run lab:nfs -- --only product.`)
  return join(directory, 'tree')
}

let gateways: readonly Instance[] = []
let one: S3Client
let two: S3Client
const ofUser = (...path: readonly string[]) => join(place('LAB_USER'), Bucket, ...path)

beforeAll(async () => {
  await mkdir(place('LAB_GATEWAY_1'))
  const first = await startInstance({ root: place('LAB_GATEWAY_1') })
  gateways = [first]
  const second = await startInstance({ root: place('LAB_GATEWAY_2'), beside: first })
  gateways = [second, first]
  one = first.s3()
  two = second.s3()
  await one.send(new CreateBucketCommand({ Bucket }))
})

afterAll(async () => {
  const errors: string[] = []
  for (const gateway of gateways) {
    errors.push(...(await gateway.errors()))
    await gateway.stop()
  }
  expect(errors).toEqual([])
})

const put = (s3: S3Client, Key: string, Body: string | Buffer, more = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))

async function get(s3: S3Client, Key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

const keys = async (s3: S3Client, Prefix: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).Contents ?? []).map(({ Key }) => Key)

const codeOf = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.name : error),
  )

describe('one gateway on NFS', () => {
  test('puts, heads, gets, copies, lists and deletes', async () => {
    const { ETag } = await put(one, 'a/b.txt', 'hello', { Metadata: { colour: 'red' } })
    expect(ETag).toBe('"5d41402abc4b2a76b9719d911017c592"')
    const head = await one.send(new HeadObjectCommand({ Bucket, Key: 'a/b.txt' }))
    expect([head.ContentLength, head.ETag, head.Metadata]).toEqual([5, ETag, { colour: 'red' }])
    await one.send(new CopyObjectCommand({ Bucket, Key: 'a/c.txt', CopySource: `${Bucket}/a/b.txt` }))
    expect((await get(one, 'a/c.txt')).toString()).toBe('hello')
    expect(await keys(one, 'a/')).toEqual(['a/b.txt', 'a/c.txt'])
    for (const Key of ['a/b.txt', 'a/c.txt']) await one.send(new DeleteObjectCommand({ Bucket, Key }))
    expect(await codeOf(get(one, 'a/b.txt'))).toBe('NoSuchKey')
    expect(await keys(one, 'a/')).toEqual([])
  })

  test('an object of many megabytes comes back byte by byte', async () => {
    const bytes = randomBytesOf(1, 24 * MiB)
    await put(one, 'large', bytes)
    expect(md5(await get(one, 'large'))).toEqual(md5(bytes))
  })
})

describe('two gateways on NFS', () => {
  test('what one has acknowledged the other shows at once: written, listed, overwritten, deleted', async () => {
    for (let round = 0; round < 20; round += 1) {
      const Key = `at-once/${round}`
      expect(await codeOf(get(two, Key)), Key).toBe('NoSuchKey') // and may now be remembered as absent
      await put(one, Key, 'first')
      expect((await get(two, Key)).toString(), Key).toBe('first')
      expect(await keys(two, 'at-once/'), Key).toEqual([Key])
      await put(two, Key, 'second')
      expect((await get(one, Key)).toString(), Key).toBe('second')
      await two.send(new DeleteObjectCommand({ Bucket, Key }))
      expect(await codeOf(get(one, Key)), Key).toBe('NoSuchKey')
      expect(await keys(one, 'at-once/'), Key).toEqual([])
    }
  })

  test('a multipart upload goes through both of them', async () => {
    const Key = 'multi/part'
    const { UploadId } = await one.send(new CreateMultipartUploadCommand({ Bucket, Key }))
    const bytes = [5 * MiB, 5 * MiB, 1000].map((sizeBytes, seed) => randomBytesOf(seed, sizeBytes))
    const Parts = await Promise.all(
      bytes.map(async (Body, index) => {
        const PartNumber = index + 1
        const through = index % 2 === 0 ? one : two
        const { ETag } = await through.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
        return { PartNumber, ETag }
      }),
    )
    await two.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }))
    expect(md5(await get(one, Key))).toEqual(md5(Buffer.concat(bytes)))
  })

  test('a key that one overwrites without a pause is always there for the other, in GET, HEAD and LIST', async () => {
    await put(one, 'busy/key', '0')
    let done = false
    const overwriting = (async () => {
      for (let round = 1; round <= 150; round += 1) await put(one, 'busy/key', `${round}`)
      done = true
    })()
    let latest = 0
    while (!done) {
      const value = Number(await get(two, 'busy/key'))
      expect(value).toBeGreaterThanOrEqual(latest)
      latest = value
      await two.send(new HeadObjectCommand({ Bucket, Key: 'busy/key' }))
      expect(await keys(two, 'busy/')).toEqual(['busy/key'])
    }
    await overwriting
    expect(latest).toBeGreaterThan(0)
  })

  test('of many creations at once through both, one wins', async () => {
    const codes = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        codeOf(put(index % 2 === 0 ? one : two, 'only', `${index}`, { IfNoneMatch: '*' })),
      ),
    )
    expect(codes.filter((code) => code === undefined)).toHaveLength(1)
    expect([...new Set(codes.filter((code) => code !== undefined))]).toEqual(['PreconditionFailed'])
  })

  test('no If-Match is lost between them', async () => {
    await put(one, 'counter', '0')
    const increment = async (s3: S3Client): Promise<void> => {
      for (;;) {
        const { ETag, Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'counter' }))
        const next = Number(await Body?.transformToString()) + 1
        if ((await codeOf(put(s3, 'counter', `${next}`, { IfMatch: ETag }))) === undefined) return
      }
    }
    await Promise.all(Array.from({ length: 12 }, (_, index) => increment(index % 2 === 0 ? one : two)))
    expect((await get(two, 'counter')).toString()).toBe('12')
  })
})

describe('a file user beside them', () => {
  test('reads an object as a file, and a file of theirs is an object at once', async () => {
    await put(one, 'shared/report.txt', 'from S3')
    expect(await readFile(ofUser('shared/report.txt'), 'utf8')).toBe('from S3')
    await writeFile(ofUser('shared/notes.txt'), 'from NFS')
    expect((await get(two, 'shared/notes.txt')).toString()).toBe('from NFS')
    expect(await keys(one, 'shared/')).toEqual(['shared/notes.txt', 'shared/report.txt'])
  })

  test('rewrites an object in place: the old ETag matches no more', async () => {
    const { ETag } = await put(one, 'shared/edited.txt', 'from S3')
    await writeFile(ofUser('shared/edited.txt'), 'by hand')
    expect((await stat(ofUser('shared/edited.txt'))).size).toBe(7)
    for (const s3 of [one, two]) expect((await get(s3, 'shared/edited.txt')).toString()).toBe('by hand')
    expect(await codeOf(put(two, 'shared/edited.txt', 'new', { IfMatch: ETag }))).toBe('PreconditionFailed')
  })
})
