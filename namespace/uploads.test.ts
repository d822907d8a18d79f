import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { alice, bodyOf, codeOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'
import type { CompletePart, Namespace, PartStat } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const mebibyte = 2 ** 20
const fill = (letter: string, sizeBytes: number): Buffer => Buffer.alloc(sizeBytes, letter)
const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest()

const begin = async (key: string): Promise<string> =>
  (await namespace.uploads.begin({ bucket: 'docs', key }, plain, undefined)).uploadId

const putPart = (key: string, uploadId: string, partNumber: number, bytes: Buffer, through = namespace) =>
  through.uploads.putPart({ bucket: 'docs', key, uploadId }, partNumber, bodyOf(bytes, mebibyte))

const wanted = (parts: readonly PartStat[]): CompletePart[] =>
  parts.map(({ partNumber, eTag }) => ({ partNumber, eTag, checksums: {} }))

const complete = (key: string, uploadId: string, parts: readonly PartStat[], through = namespace) =>
  through.uploads.complete({ bucket: 'docs', key, uploadId }, wanted(parts), {})

const inBucket = (...path: readonly string[]): string => fixture.inBucket(...path)

test('equal parts lie in their places already: the object is the assembly file, renamed', async () => {
  const uploadId = await begin('deep/er/key')
  const bytes = [fill('a', 5 * mebibyte), fill('b', 5 * mebibyte), fill('c', 1000)]
  // Out of order, as clients send them.
  const third = await putPart('deep/er/key', uploadId, 3, bytes[2] ?? Buffer.alloc(0))
  const second = await putPart('deep/er/key', uploadId, 2, bytes[1] ?? Buffer.alloc(0))
  const first = await putPart('deep/er/key', uploadId, 1, bytes[0] ?? Buffer.alloc(0))
  expect(await listAll(namespace, 'docs')).toEqual([])
  const inode = statSync(inBucket(`deep/er/.s3-upload-${uploadId}`)).ino
  const { stat } = await complete('deep/er/key', uploadId, [first, second, third])
  expect(statSync(inBucket('deep/er/key')).ino).toBe(inode)
  const whole = Buffer.concat(bytes)
  expect((await readFile(inBucket('deep/er/key'))).equals(whole)).toBe(true)
  expect(stat.eTag).toBe(`${md5(Buffer.concat(bytes.map(md5))).toString('hex')}-3`)
  expect(stat.parts?.map(({ sizeBytes }) => sizeBytes)).toEqual([5 * mebibyte, 5 * mebibyte, 1000])
  expect(stat.checksum).toMatchObject({ algorithm: 'CRC64NVME', type: 'FULL_OBJECT' })
  expect(await fixture.leftOvers()).toEqual([])
  const single = await put(namespace, 'docs', 'same', whole)
  expect(single.stat.checksum).toEqual(stat.checksum)
})

test('odd sizes, gaps and re-sent parts make the same object by copying', async () => {
  const uploadId = await begin('odd')
  await putPart('odd', uploadId, 1, fill('x', 5 * mebibyte))
  const first = await putPart('odd', uploadId, 1, fill('a', 5 * mebibyte + 1))
  const seventh = await putPart('odd', uploadId, 7, fill('b', 5 * mebibyte))
  const ninth = await putPart('odd', uploadId, 9, fill('c', 10))
  await putPart('odd', uploadId, 8, fill('?', 5 * mebibyte))
  await complete('odd', uploadId, [first, seventh, ninth])
  const expected = Buffer.concat([fill('a', 5 * mebibyte + 1), fill('b', 5 * mebibyte), fill('c', 10)])
  expect((await readFile(inBucket('odd'))).equals(expected)).toBe(true)
  expect(await fixture.leftOvers()).toEqual([])
})

test('a full-object CRC32 and a composite SHA256 are those of AWS', async () => {
  const target = { bucket: 'docs', key: 'crc' }
  const full = await namespace.uploads.begin(target, plain, { algorithm: 'CRC32', type: 'FULL_OBJECT' })
  const bytes = [fill('a', 5 * mebibyte), fill('b', 77)]
  const parts = []
  for (const [index, piece] of bytes.entries()) {
    const body = {
      ...bodyOf(piece, mebibyte),
      digests: ['CRC32' as const],
      verify: ({ digests }: { digests: { CRC32?: Buffer } }) =>
        digests.CRC32 && {
          algorithm: 'CRC32' as const,
          type: 'FULL_OBJECT' as const,
          value: digests.CRC32.toString('base64'),
        },
    }
    parts.push(await namespace.uploads.putPart({ ...target, uploadId: full.uploadId }, index + 1, body))
  }
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32(Buffer.concat(bytes)))
  const { stat } = await complete('crc', full.uploadId, parts)
  expect(stat.checksum).toEqual({ algorithm: 'CRC32', type: 'FULL_OBJECT', value: crc.toString('base64') })

  const composite = await namespace.uploads.begin(target, plain, { algorithm: 'SHA256', type: 'COMPOSITE' })
  const sha = (piece: Buffer): Buffer => createHash('sha256').update(piece).digest()
  const body = {
    ...bodyOf('small'),
    digests: ['SHA256' as const],
    verify: ({ digests }: { digests: { SHA256?: Buffer } }) =>
      digests.SHA256 && {
        algorithm: 'SHA256' as const,
        type: 'FULL_OBJECT' as const,
        value: digests.SHA256.toString('base64'),
      },
  }
  const part = await namespace.uploads.putPart({ ...target, uploadId: composite.uploadId }, 1, body)
  const upload = { ...target, uploadId: composite.uploadId }
  const bare = [{ partNumber: 1, eTag: part.eTag, checksums: {} }]
  expect(await codeOf(namespace.uploads.complete(upload, bare, {}))).toBe('InvalidRequest')
  const given = [{ partNumber: 1, eTag: part.eTag, checksums: { SHA256: part.checksum ?? '' } }]
  const done = await namespace.uploads.complete(upload, given, {})
  expect(done.stat.checksum?.value).toBe(`${sha(sha(Buffer.from('small'))).toString('base64')}-1`)
})

test('a multipart upload completed twice answers the same ETag and publishes once', async () => {
  const uploadId = await begin('twice')
  const part = await putPart('twice', uploadId, 1, fill('a', 10))
  const { stat } = await complete('twice', uploadId, [part])
  expect((await complete('twice', uploadId, [part])).stat.eTag).toBe(stat.eTag)
  await put(namespace, 'docs', 'twice', 'newer')
  expect((await complete('twice', uploadId, [part])).stat.eTag).toBe(stat.eTag)
  expect(await get(namespace, 'docs', 'twice')).toBe('newer')
  await namespace.objects.remove({ bucket: 'docs', key: 'twice' }, {})
  expect((await complete('twice', uploadId, [part])).stat.eTag).toBe(stat.eTag)
  expect(await listAll(namespace, 'docs')).toEqual([])
})

test.each<{ what: string; change: (namespace: Namespace) => Promise<unknown> }>([
  { what: 'and left alone', change: async () => undefined },
  {
    what: 'and given tags',
    change: ({ objects }) => objects.amend({ bucket: 'docs', key: 'k' }, () => ({ tags: [{ key: 'a', value: 'b' }] })),
  },
  {
    what: 'and archived',
    change: async (through) => {
      await through.documents.write('docs', 'versioning', { status: 'Enabled' })
      await put(through, 'docs', 'k', 'next')
    },
  },
])(
  'a Complete repeated after the object was rewritten by a file user $what answers as before, and publishes nothing',
  async ({ change }) => {
    const uploadId = await begin('k')
    const part = await putPart('k', uploadId, 1, fill('a', 10))
    const { stat } = await complete('k', uploadId, [part])
    await writeFile(inBucket('k'), 'by a file user')
    await change(namespace)
    const before = await get(namespace, 'docs', 'k')
    const again = await complete('k', uploadId, [part])
    expect(again.stat).toMatchObject({ eTag: stat.eTag, checksum: stat.checksum, sizeBytes: 10 })
    expect(await get(namespace, 'docs', 'k')).toBe(before)
    expect(await fixture.leftOvers()).toEqual([])
  },
)

test('after Complete or Abort a late part is NoSuchUpload and changes nothing', async () => {
  const done = await begin('k')
  const part = await putPart('k', done, 1, fill('a', 5 * mebibyte))
  await complete('k', done, [part])
  expect(await codeOf(putPart('k', done, 2, fill('z', 5 * mebibyte)))).toBe('NoSuchUpload')
  const gone = await begin('dir/l')
  await putPart('dir/l', gone, 1, fill('a', 5 * mebibyte))
  await namespace.uploads.abort({ bucket: 'docs', key: 'dir/l', uploadId: gone })
  expect(await codeOf(putPart('dir/l', gone, 1, fill('z', 10)))).toBe('NoSuchUpload')
  expect(await codeOf(complete('dir/l', gone, [part]))).toBe('NoSuchUpload')
  expect(existsSync(inBucket('dir'))).toBe(false)
  expect(await fixture.leftOvers()).toEqual([])
})

test('a part whose writer is still there when Complete comes cannot reach the published object', async () => {
  const uploadId = await begin('late')
  const first = await putPart('late', uploadId, 1, fill('a', 5 * mebibyte))
  let go = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  const slow = {
    ...bodyOf(''),
    sizeBytes: 5 * mebibyte,
    bytes: (async function* () {
      yield fill('z', mebibyte)
      await gate
      yield fill('z', 4 * mebibyte)
    })(),
  }
  const late = codeOf(namespace.uploads.putPart({ bucket: 'docs', key: 'late', uploadId }, 2, slow))
  while (!existsSync(inBucket(`.s3/uploads/${uploadId}/claim.2`)))
    await new Promise((resolve) => setTimeout(resolve, 5))
  await complete('late', uploadId, [first])
  go()
  expect(await late).toBe('NoSuchUpload')
  expect((await readFile(inBucket('late'))).equals(fill('a', 5 * mebibyte))).toBe(true)
})

test('the part that is acknowledged last wins, through whichever worker', async () => {
  const other = (await fixture.another()).as(alice)
  const uploadId = await begin('resent')
  await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      putPart('resent', uploadId, 1, fill(String(index), 5 * mebibyte), index % 2 === 0 ? other : namespace),
    ),
  )
  const last = await putPart('resent', uploadId, 1, fill('L', 5 * mebibyte), other)
  const second = await putPart('resent', uploadId, 2, fill('2', 5 * mebibyte))
  const { parts } = await other.uploads.listParts({ bucket: 'docs', key: 'resent', uploadId }, { after: 0, max: 10 })
  expect(parts.map(({ eTag }) => eTag)).toEqual([last.eTag, second.eTag])
  await complete('resent', uploadId, [last, second], other)
  const expected = Buffer.concat([fill('L', 5 * mebibyte), fill('2', 5 * mebibyte)])
  expect((await readFile(inBucket('resent'))).equals(expected)).toBe(true)
})

test('two Completes at once publish one object; Complete against Abort is one or the other', async () => {
  const other = (await fixture.another()).as(alice)
  for (let round = 0; round < 10; round += 1) {
    const key = `race-${round}`
    const uploadId = await begin(key)
    const part = await putPart(key, uploadId, 1, fill('a', 5 * mebibyte))
    const both = await Promise.all([
      codeOf(complete(key, uploadId, [part])),
      codeOf(complete(key, uploadId, [part], other)),
    ])
    expect(both).toEqual([undefined, undefined])
    const second = await begin(key)
    const again = await putPart(key, second, 1, fill('b', 5 * mebibyte))
    const [completed, aborted] = await Promise.all([
      codeOf(complete(key, second, [again])),
      codeOf(other.uploads.abort({ bucket: 'docs', key, uploadId: second })),
    ])
    expect([completed, aborted].filter((each) => each === undefined)).toHaveLength(1)
    const letter = completed === undefined ? 'b' : 'a'
    expect((await readFile(inBucket(key))).equals(fill(letter, 5 * mebibyte))).toBe(true)
  }
})

test('what is asked for must be what was uploaded', async () => {
  const uploadId = await begin('x')
  const small = await putPart('x', uploadId, 1, fill('a', 100))
  const last = await putPart('x', uploadId, 2, fill('b', 100))
  const target = { bucket: 'docs', key: 'x', uploadId }
  const tries: readonly [string, () => Promise<unknown>][] = [
    ['EntityTooSmall', () => complete('x', uploadId, [small, last])],
    ['InvalidPartOrder', () => complete('x', uploadId, [last, small])],
    ['InvalidPart', () => complete('x', uploadId, [{ ...small, eTag: 'f'.repeat(32) }])],
    ['InvalidPart', () => complete('x', uploadId, [{ ...small, partNumber: 3 }])],
    ['InvalidRequest', () => complete('x', uploadId, [])],
    ['InvalidRequest', () => namespace.uploads.complete(target, wanted([small]), { sizeBytes: 99 })],
    ['BadDigest', () => namespace.uploads.complete(target, wanted([small]), { checksum: { algorithm: 'CRC64NVME', value: 'AAAAAAAAAAA=' } })],
    ['NoSuchUpload', () => complete('other-key', uploadId, [small])],
    ['NoSuchUpload', () => complete('x', 'nonsense/../..', [small])],
  ] // biome-ignore format: one try a line
  for (const [expected, work] of tries) expect(await codeOf(work())).toBe(expected)
  expect(await listAll(namespace, 'docs')).toEqual([])
})

test('a copy of a range is a part', async () => {
  await put(namespace, 'docs', 'source', 'hello world')
  const uploadId = await begin('copied')
  const part = await namespace.uploads.copyPart(
    { bucket: 'docs', key: 'source' },
    { bucket: 'docs', key: 'copied', uploadId },
    1,
    { select: () => ({ offset: 6, lengthBytes: 5 }) },
  )
  await complete('copied', uploadId, [part])
  expect(await get(namespace, 'docs', 'copied')).toBe('world')
})

test('pending uploads are listed by key, then by initiation; completed ones are not, and are swept after a week', async () => {
  const second = await begin('b')
  // Two of one millisecond have no order.
  await new Promise((resolve) => setTimeout(resolve, 2))
  const third = await begin('b')
  const first = await begin('a')
  const done = await begin('c')
  const part = await putPart('c', done, 1, fill('a', 10))
  await complete('c', done, [part])
  const listed = await namespace.uploads.list('docs', '')
  expect(listed.map(({ uploadId }) => uploadId)).toEqual([first, second, third])
  expect((await namespace.uploads.list('docs', 'b')).map(({ key }) => key)).toEqual(['b', 'b'])
  const longAgo = new Date(Date.now() - 8 * 86_400_000)
  await utimes(inBucket(`.s3/uploads/${done}/completed.json`), longAgo, longAgo)
  expect((await fixture.open.sweep()).uploads).toBe(1)
  expect((await readdir(inBucket('.s3/uploads'))).sort()).toEqual([second, third, first].sort())
})

test('an upload for a key below an object steps over it only when it publishes its first byte', async () => {
  await put(namespace, 'docs', 'a', 'file')
  const uploadId = await begin('a/b')
  const part = await putPart('a/b', uploadId, 1, fill('b', 5 * mebibyte))
  await complete('a/b', uploadId, [part])
  expect(await listAll(namespace, 'docs')).toEqual(['a', 'a/b'])
  expect(await get(namespace, 'docs', 'a')).toBe('file')
})

test('an object is whose its description says, also when it comes in parts; the upload tells who began it', async () => {
  const bob = { canonicalId: 'b'.repeat(64), displayName: 'Bob' }
  const target = { bucket: 'docs', key: 'given' }
  const given = await namespace.objects.put(target, { ...plain, owner: bob }, bodyOf(fill('a', 3)), {})
  expect(given.stat.owner).toEqual(bob)
  expect((await namespace.objects.stat(target)).owner).toEqual(bob)

  const { uploadId } = await namespace.uploads.begin(target, { ...plain, owner: bob }, undefined)
  const upload = await namespace.uploads.stat({ ...target, uploadId })
  const began = { canonicalId: alice.canonicalId, displayName: alice.displayName }
  expect([upload.owner, upload.initiator]).toEqual([bob, began])
  await complete('given', uploadId, [await putPart('given', uploadId, 1, fill('b', 3))])
  expect((await namespace.objects.stat(target)).owner).toEqual(bob)

  const copied = await namespace.objects.copy(target, { bucket: 'docs', key: 'copy' }, { describe: () => plain })
  expect(copied.stat.owner).toEqual(began)
})
