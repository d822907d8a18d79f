/** What real clients send, and by hand what only some of them do: through https, nginx and the pool, down to the files. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Agent as Dispatcher, fetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  chunkedRequest,
  SIGNED_CHUNKS,
  SIGNED_CHUNKS_TRAILER,
  signedChunks,
  UNSIGNED_TRAILER,
  unsignedChunks,
} from './chunked.ts'
import { type Answer, openConnection, type RawRequest, requestText, sendOnce } from './connection.ts'
import type { Instance } from './instance.ts'
import { crc32Of, md5, randomBytesOf } from './random.ts'
import { encodePath, type Signed } from './sign.ts'
import { type SuiteUsers, suiteUsers } from './suite-users.ts'

const run = promisify(execFile)
const MiB = 1024 * 1024
const Bucket = 'clients'

let users: SuiteUsers
let instance: Instance
let s3: S3Client

beforeAll(async () => {
  users = await suiteUsers()
  instance = await users.start({ config: { listen: { domain: 's3.localhost' } } })
  s3 = instance.s3()
  await s3.send(new CreateBucketCommand({ Bucket }))
}, 150_000)

afterAll(async () => {
  const errors = await instance?.errors()
  await instance?.stop()
  await users?.stop()
  expect(errors).toEqual([])
})

const bytesOf = async (key: string) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

describe('the JavaScript SDK', () => {
  test('puts, heads, gets, copies, lists and deletes', async () => {
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key: 'a/b.txt', Body: 'hello', Metadata: { colour: 'red' } }),
    )
    expect(put.ETag).toBe('"5d41402abc4b2a76b9719d911017c592"')
    expect(await readFile(join(instance.tree, Bucket, 'a/b.txt'), 'utf8')).toBe('hello')
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a/b.txt' }))
    expect([head.ContentLength, head.ETag, head.Metadata]).toEqual([5, put.ETag, { colour: 'red' }])
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'a/c.txt', CopySource: `${Bucket}/a/b.txt` }))
    expect((await bytesOf('a/c.txt')).toString()).toBe('hello')
    const attributes = await s3.send(
      new GetObjectAttributesCommand({ Bucket, Key: 'a/c.txt', ObjectAttributes: ['ETag', 'ObjectSize', 'Checksum'] }),
    )
    expect([attributes.ETag, attributes.ObjectSize]).toEqual(['5d41402abc4b2a76b9719d911017c592', 5])
    expect((await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([Bucket])
    const deleted = await s3.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: [{ Key: 'a/b.txt' }, { Key: 'a/c.txt' }, { Key: 'none' }] },
      }),
    )
    expect(deleted.Deleted?.length).toBe(3)
    expect((await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/' }))).KeyCount).toBe(0)
  })

  test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
    'a stream goes up in chunks with a trailing %s',
    async (algorithm) => {
      const body = randomBytesOf(1, 300_000)
      const sent: string[] = []
      const client = instance.s3()
      client.middlewareStack.add(
        (next) => (args) => {
          // The request as it goes out, which the SDK's types leave open here.
          const { headers } = args.request as { headers: Record<string, string> }
          sent.push(headers['x-amz-content-sha256'] ?? '', headers['x-amz-trailer'] ?? '')
          return next(args)
        },
        { step: 'finalizeRequest', priority: 'low' },
      )
      const put = await client.send(
        new PutObjectCommand({
          Bucket,
          Key: 'stream',
          Body: Readable.from([body.subarray(0, 100_000), body.subarray(100_000)]),
          ContentLength: body.length,
          ChecksumAlgorithm: algorithm,
        }),
      )
      expect(sent).toEqual([UNSIGNED_TRAILER, `x-amz-checksum-${algorithm.toLowerCase()}`])
      expect(put[`Checksum${algorithm}`]).toBeTruthy()
      // The SDK itself compares body and checksum on the way back.
      const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }))
      expect(got[`Checksum${algorithm}`]).toBe(put[`Checksum${algorithm}`])
      expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true)
      expect(got.ContentEncoding).toBeUndefined()
    },
  )

  test('lib-storage uploads a stream of unknown length in parts', async () => {
    const body = randomBytesOf(2, 12 * MiB + 1)
    const pieces = Array.from({ length: 13 }, (_, index) => body.subarray(index * MiB, (index + 1) * MiB))
    const upload = new Upload({
      client: s3,
      partSize: 5 * MiB,
      queueSize: 3,
      params: { Bucket, Key: 'large', Body: Readable.from(pieces), Metadata: { kind: 'large' } },
    })
    const { ETag } = await upload.done()
    expect(ETag).toMatch(/^"[0-9a-f]{32}-3"$/)
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'large' }))
    expect([got.ETag, got.ContentLength, got.Metadata]).toEqual([ETag, body.length, { kind: 'large' }])
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true)
    const second = await s3.send(new GetObjectCommand({ Bucket, Key: 'large', PartNumber: 2 }))
    expect([second.PartsCount, second.ContentRange]).toEqual([3, `bytes ${5 * MiB}-${10 * MiB - 1}/${body.length}`])
    expect(
      Buffer.from((await second.Body?.transformToByteArray()) ?? []).equals(body.subarray(5 * MiB, 10 * MiB)),
    ).toBe(true)
  })

  test('speaks virtual-host style', async () => {
    const httpsAgent = new Agent({
      ca: instance.authority,
      // All names are this machine.
      lookup: (_host, options, found) =>
        options.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4),
    })
    const virtual = instance.s3({
      endpoint: `https://s3.localhost:${instance.port}`,
      forcePathStyle: false,
      requestHandler: { httpsAgent },
    })
    await virtual.send(new PutObjectCommand({ Bucket, Key: 'virtual//a b', Body: 'by its own host' }))
    expect((await bytesOf('virtual//a b')).toString()).toBe('by its own host')
    const listed = await virtual.send(new ListObjectsV2Command({ Bucket, Prefix: 'virtual' }))
    expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['virtual//a b'])
    await expect(virtual.send(new HeadObjectCommand({ Bucket: 'nowhere', Key: 'k' }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 404 },
    })
  })
})

describe('presigned URLs', () => {
  const dispatcher = () => new Dispatcher({ connect: { ca: instance.authority } })

  test('put and get, with a content type and overrides of the response', async () => {
    // Else the SDK signs the checksum of no body at all into the URL.
    const plain = instance.s3({ requestChecksumCalculation: 'WHEN_REQUIRED' })
    const putUrl = await getSignedUrl(
      plain,
      new PutObjectCommand({ Bucket, Key: 'pre signed', ContentType: 'text/x-own' }),
      { expiresIn: 60 },
    )
    const put = await fetch(putUrl, {
      method: 'PUT',
      body: 'by url',
      headers: { 'content-type': 'text/x-own' },
      dispatcher: dispatcher(),
    })
    expect([put.status, await put.text()]).toEqual([200, ''])
    const getUrl = await getSignedUrl(
      s3,
      new GetObjectCommand({
        Bucket,
        Key: 'pre signed',
        ResponseContentType: 'text/x-other',
        ResponseContentDisposition: 'attachment; filename="a.txt"',
      }),
      { expiresIn: 60 },
    )
    const got = await fetch(getUrl, { dispatcher: dispatcher() })
    expect([got.status, await got.text(), got.headers.get('content-type')]).toEqual([200, 'by url', 'text/x-other'])
    expect(got.headers.get('content-disposition')).toBe('attachment; filename="a.txt"')
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'pre signed' }))).ContentType).toBe('text/x-own')
  })

  test('expired, changed, or for another method: 403 (P-050, P-057)', async () => {
    const command = new GetObjectCommand({ Bucket, Key: 'pre signed' })
    const url = await getSignedUrl(s3, command, { expiresIn: 60 })
    const old = await getSignedUrl(s3, command, { expiresIn: 60, signingDate: new Date(Date.now() - 120_000) })
    const tooLong = url.replace('X-Amz-Expires=60', 'X-Amz-Expires=604801')
    const cases: readonly (readonly [string, string, RegExp])[] = [
      [old, 'GET', /<Code>AccessDenied<.*expired/s],
      [url.replace('pre%20signed', 'other'), 'GET', /<Code>SignatureDoesNotMatch</],
      [url.replace('X-Amz-Expires=60', 'X-Amz-Expires=61'), 'GET', /<Code>SignatureDoesNotMatch</],
      [tooLong, 'GET', /<Code>AuthorizationQueryParametersError</],
      [url, 'DELETE', /<Code>SignatureDoesNotMatch</],
    ]
    for (const [asked, method, sentence] of cases) {
      const answer = await fetch(asked, { method, dispatcher: dispatcher() })
      expect([400, 403]).toContain(answer.status)
      expect(await answer.text()).toMatch(sentence)
    }
    expect((await fetch(url, { method: 'HEAD', dispatcher: dispatcher() })).status).toBe(403)
    expect((await fetch(url, { dispatcher: dispatcher() })).status).toBe(200)
  })
})

describe('curl --aws-sigv4', () => {
  test('puts, gets and lists', async () => {
    const signed = [
      '--silent',
      '--show-error',
      '--max-time',
      '20',
      '--cacert',
      instance.caFile,
      '--aws-sigv4',
      `aws:amz:${instance.region}:s3`,
    ]
    const user = ['--user', `${instance.credentials.accessKeyId}:${instance.credentials.secretAccessKey}`]
    const curl = async (...options: readonly string[]) =>
      (await run('curl', [...signed, ...user, '-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD', ...options])).stdout
    const file = join(instance.directory, 'for-curl')
    await writeFile(file, randomBytesOf(3, 2 * MiB)) // above the size from which curl asks with Expect: 100-continue
    expect(
      await curl('--upload-file', file, `${instance.endpoint}/${Bucket}/by-curl`, '--write-out', '%{http_code}'),
    ).toBe('200')
    expect((await bytesOf('by-curl')).equals(await readFile(file))).toBe(true)
    await curl('--output', `${file}.back`, `${instance.endpoint}/${Bucket}/by-curl`)
    expect((await readFile(`${file}.back`)).equals(await readFile(file))).toBe(true)
    expect(await curl(`${instance.endpoint}/${Bucket}?list-type=2&prefix=by-`)).toContain('<Key>by-curl</Key>')
    expect(await curl('--head', `${instance.endpoint}/${Bucket}/by-curl`)).toMatch(/^HTTP\/[12](?:\.\d)? 200/)
  })
})

/** Keys that lose their way in other gateways; `u/` goes before them. */
const unusual: readonly (readonly [string, string])[] = [
  ['two slashes', 'a//b'],
  ['many slashes', 'a////b'],
  ['a slash at the end', 'slash/'],
  ['two slashes at the end', 'slash//'],
  ['a slash at the beginning', '/leading'],
  ['slashes only', '//'],
  ['a dot', 'dots/./x'],
  ['two dots', 'dots/sub/../x'],
  ['dots at the end', 'dots/..'],
  ['three dots', '.../x'],
  ['a space', 'with space/ and more '],
  ['plus, percent, question, hash', 'a+b%20c?d#e&f=g'],
  ['what looks like an escape', '%2F%00%zz'],
  ['quotes and brackets', `'"<>&{}[]()!*;:@$,|\\^\`~`],
  ['tab, newline, return', 'c\t\n\rd'],
  ['control characters', 'c\x01\x1f\x7fd'],
  ['German', 'Größe/Ärger'],
  ['Chinese', '文档/文件'],
  ['beyond the BMP', '💾/🗂️'],
  ['composed', 'caf\u00e9'],
  ['decomposed', 'cafe\u0301'],
  ['small', 'case/readme'],
  ['large', 'case/README'],
  ['1,024 bytes in one piece', 'k'.repeat(1022)],
  ['1,023 bytes of two each and one', `${'ä'.repeat(510)}x`],
  ['a piece of 256 bytes', `long/${'p'.repeat(256)}/x`],
  ['a piece of 255 bytes', `long/${'q'.repeat(255)}`],
  ['200 directories', `${'d/'.repeat(200)}x`],
  ['our own names', '.s3/locks'],
  ["the gateway's own name", '.causeway/format'],
  ['a temporary of ours', '.s3-0-0'],
  ['an encoded name', '.%e.%2e'],
  ['a stepped aside name', '.%=a'],
  ['a name of NFS', '.nfs000'],
  ['an object', 'both'],
  ['and objects below its name', 'both/below'],
]

describe('unusual keys', () => {
  const contents = new Map(unusual.map(([name, key], index) => [key, `${index}: ${name}`]))

  test.each(unusual)(
    '%s: stored, read and copied',
    async (_name, key) => {
      const body = contents.get(key) ?? ''
      await s3.send(new PutObjectCommand({ Bucket, Key: `u/${key}`, Body: body }))
      expect((await bytesOf(`u/${key}`)).toString()).toBe(body)
      expect((await s3.send(new HeadObjectCommand({ Bucket, Key: `u/${key}` }))).ContentLength).toBe(body.length)
      const CopySource = encodePath(`${Bucket}/u/${key}`)
      if (Buffer.byteLength(key) < 1000) {
        await s3.send(new CopyObjectCommand({ Bucket, Key: `copies/${key}`, CopySource }))
        expect((await bytesOf(`copies/${key}`)).toString()).toBe(body)
      }
    },
    20_000,
  )

  test('a listing names them all, in the order of their bytes, whatever the page', async () => {
    const expected = [...contents.keys()].map((key) => `u/${key}`)
    expected.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    for (const MaxKeys of [1000, 7]) {
      const keys: string[] = []
      let token: string | undefined
      do {
        const page = await s3.send(
          new ListObjectsV2Command({ Bucket, Prefix: 'u/', EncodingType: 'url', MaxKeys, ContinuationToken: token }),
        )
        keys.push(...(page.Contents ?? []).map(({ Key }) => decodeURIComponent((Key ?? '').replaceAll('+', ' '))))
        token = page.NextContinuationToken
      } while (token !== undefined)
      expect(keys).toEqual(expected)
    }
  })

  test('each is deleted, alone and with others, and nothing is left of them', async () => {
    for (const [, key] of unusual.slice(0, 6)) await s3.send(new DeleteObjectCommand({ Bucket, Key: `u/${key}` }))
    const rest = ['u/', 'copies/'].flatMap((prefix) => [...contents.keys()].map((key) => ({ Key: prefix + key })))
    // XML 1.0 cannot say control characters; those go alone.
    const sayable = rest.filter(({ Key }) => !/[\x00-\x1f]/.test(Key))
    const deleted = await s3.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: sayable.filter(({ Key }) => Buffer.byteLength(Key) <= 1024) },
      }),
    )
    expect(deleted.Errors).toBeUndefined()
    for (const { Key } of rest.filter((each) => !sayable.includes(each)))
      await s3.send(new DeleteObjectCommand({ Bucket, Key }))
    for (const Prefix of ['u/', 'copies/']) {
      expect((await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).KeyCount, Prefix).toBe(0)
    }
    await expect(stat(join(instance.tree, Bucket, 'u'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('ranges (P-121, P-122, P-123)', () => {
  const content = '0123456789'
  beforeAll(async () => {
    for (const [Key, Body] of [
      ['range/ten', content],
      ['range/empty', ''],
      ['range/large', randomBytesOf(4, 200_000)],
    ] as const)
      await s3.send(new PutObjectCommand({ Bucket, Key, Body }))
  })
  const get = (key: string, range: string) =>
    sendOnce(instance, { method: 'GET', target: `/${Bucket}/range/${key}`, headers: { range } })

  test.each([
    ['bytes=0-0', '0', '0-0'],
    ['bytes=2-4', '234', '2-4'],
    ['bytes=7-', '789', '7-9'],
    ['bytes=-3', '789', '7-9'],
    ['bytes=5-100', '56789', '5-9'],
    ['bytes=-100', content, '0-9'],
    ['bytes=0-', content, '0-9'],
    ['BYTES=1-1', '1', '1-1'],
  ])('%s is a part', async (range, body, contentRange) => {
    const answer = await get('ten', range)
    expect([answer.status, answer.text, answer.headers.get('content-range')]).toEqual([
      206,
      body,
      `bytes ${contentRange}/10`,
    ])
    expect(answer.headers.get('content-length')).toBe(String(body.length))
  })

  test.each(['bytes=1-0', 'bytes=-', 'bytes=0--1', 'lines=0-1', 'bytes=0-1,3-4', 'bytes', 'bytes=a-b', ''])(
    '%j is ignored',
    async (range) => {
      const answer = await get('ten', range)
      expect([answer.status, answer.text]).toEqual([200, content])
    },
  )

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0'])('%s is not there', async (range) => {
    const answer = await get('ten', range)
    expect([answer.status, answer.code]).toEqual([416, 'InvalidRange'])
    expect(answer.text).toContain('<ActualObjectSize>10</ActualObjectSize>')
  })

  test.each(['bytes=0-', 'bytes=-1', 'bytes=0-0'])('%s of nothing is not there', async (range) => {
    expect((await get('empty', range)).status).toBe(416)
  })

  test('of a file that is sent by the kernel', async () => {
    const bytes = randomBytesOf(4, 200_000)
    for (const [from, to] of [
      [0, 0],
      [65_535, 65_536],
      [100_000, 199_999],
      [199_999, 199_999],
    ] as const) {
      const answer = await get('large', `bytes=${from}-${to}`)
      expect([answer.status, answer.body.equals(bytes.subarray(from, to + 1))]).toEqual([206, true])
    }
  })
})

describe('headers', () => {
  test('response-* overrides, an expiry that is no date among them (P-128)', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'overrides', Body: 'x', CacheControl: 'no-cache' }))
    const query = {
      'response-cache-control': 'max-age%3D9',
      'response-content-disposition': 'inline',
      'response-content-encoding': 'x-own',
      'response-content-language': 'de',
      'response-content-type': 'text%2Fx-own',
      'response-expires': '123',
    }
    const target = `/${Bucket}/overrides?${Object.entries(query)
      .map((pair) => pair.join('='))
      .join('&')}`
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await sendOnce(instance, { method, target })
      expect(status).toBe(200)
      for (const [name, value] of Object.entries(query))
        expect(headers.get(name.slice('response-'.length))).toBe(decodeURIComponent(value))
    }
  })

  test('metadata: UTF-8 bytes, underscores, dots, empty values and blanks come back as they were (P-011, P-130, P-205)', async () => {
    const headers = {
      'x-amz-meta-utf8': Buffer.from('Größe 文档').toString('latin1'),
      'x-amz-meta-under_score': '1',
      'x-amz-meta-d.ot': '2',
      'x-amz-meta-empty': '',
      'X-Amz-Meta-CASE': 'Upper',
      'content-language': 'de, en',
      'content-disposition': 'attachment; filename="a b.txt"',
      'cache-control': 'no-store',
      expires: 'soon',
      'content-type': 'text/x; charset=utf-8',
    }
    expect((await sendOnce(instance, { method: 'PUT', target: `/${Bucket}/meta`, headers, body: 'x' })).status).toBe(
      200,
    )
    const copy = { 'x-amz-copy-source': `/${Bucket}/meta` }
    expect((await sendOnce(instance, { method: 'PUT', target: `/${Bucket}/meta-copy`, headers: copy })).status).toBe(
      200,
    )
    for (const key of ['meta', 'meta-copy']) {
      const answer = await sendOnce(instance, { method: 'HEAD', target: `/${Bucket}/${key}` })
      for (const [name, value] of Object.entries(headers))
        expect(answer.headers.get(name.toLowerCase()), name).toBe(value)
    }
  })

  test('a HEAD says what the GET would, and a 304 keeps ETag and Last-Modified (P-015, P-019)', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'head', Body: randomBytesOf(5, 100_000) }))
    const target = `/${Bucket}/head`
    const [got, head] = [
      await sendOnce(instance, { method: 'GET', target }),
      await sendOnce(instance, { method: 'HEAD', target }),
    ]
    for (const name of ['content-length', 'etag', 'last-modified', 'content-type', 'accept-ranges'])
      expect(head.headers.get(name)).toBe(got.headers.get(name))
    const same = await sendOnce(instance, {
      method: 'GET',
      target,
      headers: { 'if-none-match': got.headers.get('etag') ?? '' },
    })
    expect([same.status, same.headers.get('etag'), same.headers.get('last-modified')]).toEqual([
      304,
      got.headers.get('etag'),
      got.headers.get('last-modified'),
    ])
  })
})

describe('bodies as only some clients send them', () => {
  const data = randomBytesOf(6, 200_000)
  const chunks = [data.subarray(0, 65_536), data.subarray(65_536, 131_072), data.subarray(131_072)]

  async function send(
    request: RawRequest,
    body: (signed: Signed) => Buffer,
    framing: 'length' | 'http chunks' = 'length',
  ): Promise<Answer> {
    const connection = await openConnection(instance)
    try {
      const { text, signed } = requestText(instance, {
        ...request,
        after:
          framing === 'length'
            ? { 'content-length': String(body(requestText(instance, request).signed).length) }
            : { 'transfer-encoding': 'chunked' },
      })
      await connection.write(text)
      const bytes = body(signed)
      if (framing === 'length') await connection.write(bytes)
      else {
        for (let at = 0; at < bytes.length; at += 50_000) {
          const piece = bytes.subarray(at, at + 50_000)
          await connection.write(
            Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
          )
        }
        await connection.write('0\r\n\r\n')
      }
      return await connection.read('PUT')
    } finally {
      connection.destroy()
    }
  }

  async function expectStored(answer: Answer, key: string): Promise<void> {
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(answer.headers.get('etag')).toBe(`"${md5(data).toString('hex')}"`)
    expect((await bytesOf(key)).equals(data)).toBe(true)
  }

  test.each(['length', 'http chunks'] as const)('signed chunks, with %s (P-070)', async (framing) => {
    const answer = await send(
      chunkedRequest(`/${Bucket}/signed`, SIGNED_CHUNKS, data.length),
      (signed) => signedChunks(signed, chunks),
      framing,
    )
    await expectStored(answer, 'signed')
  })

  test.each(['length', 'http chunks'] as const)('signed chunks with a signed trailer, with %s', async (framing) => {
    const request = chunkedRequest(`/${Bucket}/signed-trailer`, SIGNED_CHUNKS_TRAILER, data.length, {
      'x-amz-trailer': 'x-amz-checksum-crc32',
    })
    const answer = await send(
      request,
      (signed) => signedChunks(signed, chunks, { 'x-amz-checksum-crc32': crc32Of(data) }),
      framing,
    )
    await expectStored(answer, 'signed-trailer')
    expect(answer.headers.get('x-amz-checksum-crc32')).toBe(crc32Of(data))
  })

  test.each(['length', 'http chunks'] as const)('unsigned chunks with a trailer, with %s (P-007)', async (framing) => {
    const request = chunkedRequest(`/${Bucket}/unsigned-trailer`, UNSIGNED_TRAILER, data.length, {
      'x-amz-trailer': 'x-amz-checksum-crc32',
    })
    const answer = await send(request, () => unsignedChunks(chunks, { 'x-amz-checksum-crc32': crc32Of(data) }), framing)
    await expectStored(answer, 'unsigned-trailer')
  })

  test('HTTP chunks without a length and without aws-chunked (P-006)', async () => {
    await expectStored(
      await send({ method: 'PUT', target: `/${Bucket}/http-chunks` }, () => data, 'http chunks'),
      'http-chunks',
    )
  })

  test.each([
    ['aws-chunked', null],
    ['gzip, aws-chunked', 'gzip'],
    ['aws-chunked, gzip', 'gzip'],
    ['aws-chunked, aws-chunked', null],
  ])('Content-Encoding %s is stored as %s (P-076)', async (encoding, stored) => {
    const request = chunkedRequest(`/${Bucket}/encoded`, SIGNED_CHUNKS, data.length, { 'content-encoding': encoding })
    await expectStored(await send(request, (signed) => signedChunks(signed, chunks)), 'encoded')
    const head = await sendOnce(instance, { method: 'HEAD', target: `/${Bucket}/encoded` })
    expect(head.headers.get('content-encoding') ?? null).toBe(stored)
  })

  test('Expect: 100-continue: a large body is asked for, or refused before it is sent (P-001, P-005)', async () => {
    const large = randomBytesOf(7, 2 * MiB)
    const request = { method: 'PUT', target: `/${Bucket}/expected` }
    const after = { expect: '100-Continue', 'content-length': String(large.length) }
    const allowed = await openConnection(instance)
    let said = ''
    allowed.socket.on('data', (piece: Buffer) => {
      said += piece.toString('latin1')
    })
    await allowed.write(requestText(instance, { ...request, after }).text)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(said).toMatch(/^HTTP\/1\.1 100 /)
    await allowed.write(large)
    expect((await allowed.read('PUT')).status).toBe(200)
    allowed.destroy()
    expect((await bytesOf('expected')).equals(large)).toBe(true)

    const refused = await openConnection(instance)
    said = ''
    refused.socket.on('data', (piece: Buffer) => {
      said += piece.toString('latin1')
    })
    await refused.write(requestText(instance, { ...request, after: { ...after, authorization: undefined } }).text)
    const answer = await refused.read('PUT')
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    expect(said).not.toContain(' 100 ')
    refused.destroy()
  })

  test.each(['200', ''])('Expect: %j is ignored (P-003)', async (expectation) => {
    const answer = await sendOnce(instance, {
      method: 'PUT',
      target: `/${Bucket}/odd-expect`,
      body: 'x',
      after: { expect: expectation },
    })
    expect(answer.status).toBe(200)
  })
})

describe('files and objects are the same', () => {
  test('a file that somebody drops, edits or removes is an object at once', async () => {
    const directory = join(instance.tree, Bucket, 'by-hand')
    await mkdir(directory)
    await writeFile(join(directory, 'note.txt'), 'first')
    const first = await s3.send(new GetObjectCommand({ Bucket, Key: 'by-hand/note.txt' }))
    expect([await first.Body?.transformToString(), first.ContentType]).toEqual(['first', 'text/plain; charset=utf-8'])
    expect(first.ETag).toMatch(/^"[0-9a-f]{32}-0"$/)
    const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'by-hand/' }))
    expect(listed.Contents?.map(({ Key, Size, ETag }) => [Key, Size, ETag])).toEqual([
      ['by-hand/note.txt', 5, first.ETag],
    ])
    await writeFile(join(directory, 'note.txt'), 'again')
    const second = await s3.send(new GetObjectCommand({ Bucket, Key: 'by-hand/note.txt' }))
    expect([await second.Body?.transformToString(), second.ETag === first.ETag]).toEqual(['again', false])
    await expect(
      s3.send(new PutObjectCommand({ Bucket, Key: 'by-hand/note.txt', Body: 'x', IfMatch: first.ETag })),
    ).rejects.toMatchObject({ name: 'PreconditionFailed' })
    await s3.send(new PutObjectCommand({ Bucket, Key: 'by-hand/note.txt', Body: 'by S3', IfMatch: second.ETag }))
    expect(await readFile(join(directory, 'note.txt'), 'utf8')).toBe('by S3')
  })
})
