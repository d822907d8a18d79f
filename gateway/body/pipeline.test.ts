import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Payload } from '#auth'
import { digestsOf } from '#namespace'
import { parseS3Request } from '../s3-request.ts'
import { type ObjectBody, objectBody, readSmallBody } from './pipeline.ts'

const UNSIGNED: Payload = { kind: 'unsigned' }
const TRAILER: Payload = { kind: 'unsigned-trailer' }
const MIB = 1024 * 1024

const inputOf = (
  headers: Record<string, string>,
  pieces: readonly (Buffer | string)[],
  payload: Payload = UNSIGNED,
) => ({
  payload,
  headers: parseS3Request({ method: 'PUT', rawUrl: '/b/k', headers: Object.entries(headers) }).headers,
  source: Readable.from(
    pieces.map((piece) => Buffer.from(piece)),
    { objectMode: false },
  ),
})
const bodyOf = (...input: Parameters<typeof inputOf>) => objectBody(inputOf(...input))

/** What a namespace does with a body. */
async function store(body: ObjectBody) {
  const chunks: Uint8Array[] = []
  for await (const chunk of body.bytes) chunks.push(Buffer.from(chunk))
  const bytes = Buffer.concat(chunks)
  const checksum = body.verify({ sizeBytes: bytes.length, digests: digestsOf(['MD5', ...body.digests], bytes) })
  return { bytes, checksum, chunks }
}

const base64 = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('base64')
const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const withCode = (code: string) => expect.objectContaining({ code })

describe('length', () => {
  test('is what Content-Length says', async () => {
    const body = bodyOf({ 'content-length': '5' }, ['hel', 'lo'])
    expect(body.sizeBytes).toBe(5)
    expect((await store(body)).bytes.toString()).toBe('hello')
  })

  test('P-006, P-206: is open when HTTP chunks the body', async () => {
    const body = bodyOf({ 'transfer-encoding': 'chunked' }, ['hello'])
    expect(body.sizeBytes).toBeUndefined()
    expect((await store(body)).bytes.toString()).toBe('hello')
  })

  test('P-006: neither is 411', () => {
    expect(() => bodyOf({}, [])).toThrow(withCode('MissingContentLength'))
  })

  test('P-007: of a framed body is x-amz-decoded-content-length, whatever HTTP does around it', async () => {
    const headers = { 'transfer-encoding': 'chunked', 'x-amz-decoded-content-length': '5' }
    const body = bodyOf(headers, ['5\r\nhello\r\n0\r\n\r\n'], TRAILER)
    expect(body.sizeBytes).toBe(5)
    expect((await store(body)).bytes.toString()).toBe('hello')
  })

  test('P-072: a framed body without it is 411, with nonsense 400', () => {
    expect(() => bodyOf({ 'content-length': '20' }, [], TRAILER)).toThrow(withCode('MissingContentLength'))
    for (const text of ['x', '-1', '1.5', '', '99999999999999999999']) {
      expect(() => bodyOf({ 'x-amz-decoded-content-length': text }, [], TRAILER)).toThrow(withCode('InvalidArgument'))
    }
  })

  test('P-014: more than 5 GiB is EntityTooLarge before a byte is read', () => {
    expect(bodyOf({ 'content-length': '5368709120' }, []).sizeBytes).toBe(5_368_709_120)
    expect(() => bodyOf({ 'content-length': '5368709121' }, [])).toThrow(
      expect.objectContaining({
        code: 'EntityTooLarge',
        detail: { ProposedSize: 5_368_709_121, MaxSizeAllowed: 5_368_709_120 },
      }),
    )
  })

  test('P-014: a body of unknown length is cut off at the limit', async () => {
    const body = objectBody({ ...inputOf({ 'transfer-encoding': 'chunked' }, ['hello', 'world']), maxBytes: 9 })
    await expect(store(body)).rejects.toThrow(withCode('EntityTooLarge'))
  })

  test.each([
    ['short', { 'content-length': '6' }, 'hello', UNSIGNED],
    ['long', { 'content-length': '4' }, 'hello', UNSIGNED],
    ['P-071: short and framed', { 'x-amz-decoded-content-length': '6' }, '5\r\nhello\r\n0\r\n\r\n', TRAILER],
    ['long and framed', { 'x-amz-decoded-content-length': '4' }, '5\r\nhello\r\n0\r\n\r\n', TRAILER],
    ['truncated', { 'x-amz-decoded-content-length': '5' }, '5\r\nhel', TRAILER],
  ] as const)('%s is IncompleteBody', async (_what, headers, text, payload) => {
    await expect(store(bodyOf(headers, [text], payload))).rejects.toThrow(withCode('IncompleteBody'))
  })

  test('a chunk that claims 2^63 bytes is refused at once', async () => {
    const source = new PassThrough()
    const input = { ...inputOf({ 'x-amz-decoded-content-length': '5' }, [], TRAILER), source }
    source.write('8000000000000000\r\nhello') // and it never ends
    await expect(store(objectBody(input))).rejects.toThrow(withCode('InvalidChunkSizeError'))
  })
})

describe('digests', () => {
  const text = 'hello'
  const length = { 'content-length': '5' }

  test('P-077: Content-MD5 is verified', async () => {
    const good = await store(bodyOf({ ...length, 'content-md5': base64('md5', text) }, [text]))
    expect(good.bytes.toString()).toBe(text)
    const bad = bodyOf({ ...length, 'content-md5': base64('md5', 'other') }, [text])
    await expect(store(bad)).rejects.toThrow(
      expect.objectContaining({
        code: 'BadDigest',
        detail: expect.objectContaining({
          ExpectedDigest: base64('md5', 'other'),
          CalculatedDigest: base64('md5', text),
        }),
      }),
    )
  })

  test.each(['', 'bad', 'AAAA', 'rL0Y20zC+Fzt72VPzMSk2', `${base64('sha1', 'x')}`])(
    'P-077: Content-MD5 %j is InvalidDigest before a byte is read',
    (value) => {
      expect(() => bodyOf({ ...length, 'content-md5': value }, [text])).toThrow(withCode('InvalidDigest'))
    },
  )

  test('P-035: the signed SHA-256 is verified', async () => {
    const sha256 = createHash('sha256').update(text).digest('hex')
    expect((await store(bodyOf(length, [text], { kind: 'signed', sha256 }))).bytes.toString()).toBe(text)
    const other = createHash('sha256').update('other').digest('hex')
    await expect(store(bodyOf(length, [text], { kind: 'signed', sha256: other }))).rejects.toThrow(
      expect.objectContaining({
        code: 'XAmzContentSHA256Mismatch',
        detail: { ClientComputedContentSHA256: other, S3ComputedContentSHA256: sha256 },
      }),
    )
  })

  test.each([
    ['CRC32', 'NhCmhg=='],
    ['CRC32C', 'mnG7TA=='],
    ['CRC64NVME', 'M3eFcAZSQlc='],
    ['SHA1', base64('sha1', text)],
    ['SHA256', base64('sha256', text)],
  ])('P-078: x-amz-checksum of %s is verified and kept', async (algorithm, value) => {
    const header = `x-amz-checksum-${algorithm.toLowerCase()}`
    const { checksum } = await store(bodyOf({ ...length, [header]: value }, [text]))
    expect(checksum).toEqual({ algorithm, type: 'FULL_OBJECT', value })
    await expect(store(bodyOf({ ...length, [header]: value }, ['hellp']))).rejects.toThrow(withCode('BadDigest'))
  })

  test('P-080: without one the namespace keeps CRC64NVME, or what it asks for', async () => {
    const body = bodyOf(length, [text])
    expect(body.checksumAlgorithm).toBeUndefined()
    expect((await store(body)).checksum).toEqual({ algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: 'M3eFcAZSQlc=' })
    const asked = await store(bodyOf(length, [text]).withChecksum('CRC32C'))
    expect(asked.checksum).toMatchObject({ algorithm: 'CRC32C', value: 'mnG7TA==' })
  })

  test("withChecksum leaves the client's own alone", async () => {
    const body = bodyOf({ ...length, 'x-amz-checksum-crc32': 'NhCmhg==' }, [text]).withChecksum('SHA1')
    expect(body.checksumAlgorithm).toBe('CRC32')
    expect((await store(body)).checksum).toMatchObject({ algorithm: 'CRC32', value: 'NhCmhg==' })
  })

  test('x-amz-sdk-checksum-algorithm alone says which one to keep', async () => {
    const { checksum } = await store(bodyOf({ ...length, 'x-amz-sdk-checksum-algorithm': 'CRC32' }, [text]))
    expect(checksum).toMatchObject({ algorithm: 'CRC32', value: 'NhCmhg==' })
  })

  describe('P-073, P-075: in a trailer', () => {
    const trailing = (value: string, announced = 'x-amz-checksum-crc32') =>
      bodyOf(
        { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': announced },
        [`5\r\nhello\r\n0\r\nx-amz-checksum-crc32:${value}\r\n\r\n`],
        TRAILER,
      )

    test('it is verified and kept', async () => {
      const body = trailing('NhCmhg==', ' X-Amz-Checksum-CRC32 ')
      expect(body.checksumAlgorithm).toBe('CRC32')
      expect((await store(body)).checksum).toMatchObject({ algorithm: 'CRC32', value: 'NhCmhg==' })
    })

    test('a wrong one is BadDigest, one that cannot be one InvalidRequest', async () => {
      await expect(store(trailing('AAAAAA=='))).rejects.toThrow(withCode('BadDigest'))
      await expect(store(trailing('bad'))).rejects.toThrow(withCode('InvalidRequest'))
    })

    test('announced as another one it is MalformedTrailerError', async () => {
      await expect(store(trailing('NhCmhg==', 'x-amz-checksum-sha1'))).rejects.toThrow(
        withCode('MalformedTrailerError'),
      )
    })
  })
})

describe('blocks', () => {
  test('many small pieces become few large blocks, in order, whatever their sizes', async () => {
    const bytes = randomBytes(2 * MIB + 12_345)
    const pieces = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, index) =>
      bytes.subarray(index * 1000, (index + 1) * 1000),
    )
    const stored = await store(bodyOf({ 'content-length': String(bytes.length) }, pieces))
    expect(stored.bytes.equals(bytes)).toBe(true)
    expect(stored.chunks.length).toBeLessThan(12)
    for (const chunk of stored.chunks.slice(0, -1)) expect(chunk.length).toBeGreaterThanOrEqual(256 * 1024)
  })

  test('an empty body has no block', async () => {
    expect((await store(bodyOf({ 'content-length': '0' }, []))).chunks).toEqual([])
  })

  test('a slow consumer holds the source back', async () => {
    const source = new PassThrough({ highWaterMark: 64 * 1024 })
    const body = objectBody({ ...inputOf({ 'content-length': String(64 * MIB) }, []), source })
    const blocks = body.bytes[Symbol.asyncIterator]()
    let offered = 0
    const offer = () => {
      while (offered < 64 * MIB && source.write(Buffer.alloc(16 * 1024))) offered += 16 * 1024
    }
    source.on('drain', offer)
    offer()
    await blocks.next()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(offered).toBeLessThan(2 * MIB)
    await blocks.return?.()
  })

  test('arbitrary pieces come out as they went in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 20 }), async (pieces) => {
        const whole = Buffer.concat(pieces)
        const stored = await store(
          bodyOf(
            { 'content-length': String(whole.length) },
            pieces.map((piece) => Buffer.from(piece)),
          ),
        )
        expect(stored.bytes.equals(whole)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })
})

describe('small bodies', () => {
  test('are read whole and verified like an object', async () => {
    const md5 = base64('md5', '<Delete/>')
    const good = inputOf({ 'content-length': '9', 'content-md5': md5 }, ['<Del', 'ete/>'])
    expect((await readSmallBody(good, 100)).toString()).toBe('<Delete/>')
    const bad = inputOf({ 'content-length': '9', 'content-md5': md5 }, ['<Delere/>'])
    await expect(readSmallBody(bad, 100)).rejects.toThrow(withCode('BadDigest'))
  })

  test('P-082: a checksum stands for Content-MD5, and nothing at all is fine', async () => {
    const good = inputOf({ 'content-length': '5', 'x-amz-checksum-crc32': 'NhCmhg==' }, ['hello'])
    expect((await readSmallBody(good, 100)).toString()).toBe('hello')
    const bad = inputOf({ 'content-length': '5', 'x-amz-checksum-crc32': 'AAAAAA==' }, ['hello'])
    await expect(readSmallBody(bad, 100)).rejects.toThrow(withCode('BadDigest'))
    expect((await readSmallBody(inputOf({ 'content-length': '5' }, ['hello']), 100)).toString()).toBe('hello')
  })

  test('a request with neither length nor chunks has an empty one', async () => {
    expect(await readSmallBody(inputOf({}, []), 100)).toHaveLength(0)
    const sha256 = createHash('sha256').update('').digest('hex')
    expect(await readSmallBody(inputOf({}, [], { kind: 'signed', sha256 }), 100)).toHaveLength(0)
  })

  test('framed ones are decoded', async () => {
    const headers = { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': 'x-amz-checksum-crc32' }
    const pieces = ['5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n']
    expect((await readSmallBody(inputOf(headers, pieces, TRAILER), 100)).toString()).toBe('hello')
  })

  test('too large ones are EntityTooLarge, announced or not', async () => {
    await expect(readSmallBody(inputOf({ 'content-length': '6' }, ['hellos']), 5)).rejects.toThrow(
      withCode('EntityTooLarge'),
    )
    const chunked = inputOf({ 'transfer-encoding': 'chunked' }, ['hel', 'los'])
    await expect(readSmallBody(chunked, 5)).rejects.toThrow(withCode('EntityTooLarge'))
  })

  test('ignoreChecksum: the checksum of CompleteMultipartUpload is not that of its XML', async () => {
    const input = inputOf({ 'content-length': '5', 'x-amz-checksum-sha256': `${base64('sha256', 'x')}-3` }, ['hello'])
    expect((await readSmallBody({ ...input, ignoreChecksum: true }, 100)).toString()).toBe('hello')
  })
})

describe('on a real connection', () => {
  const open: (() => void)[] = []
  afterEach(() => {
    for (const close of open.splice(0)) close()
  })

  async function serve(handle: (request: IncomingMessage) => Promise<string>) {
    const server = createServer((request, response) => {
      handle(request).then(
        (text) => response.end(text),
        (error) => {
          response.statusCode = 400
          response.end(error.code)
          request.resume()
        },
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // A TCP server's address is an object.
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    open.push(() => {
      socket.destroy()
      server.close()
    })
    let received = ''
    socket.on('data', (data) => {
      received += data
    })
    const until = async (text: string) => {
      while (!received.includes(text)) await once(socket, 'data')
      received = ''
    }
    return { socket, until }
  }

  const receive = (request: IncomingMessage) =>
    store(
      objectBody({
        payload: UNSIGNED,
        headers: parseS3Request({ method: 'PUT', rawUrl: '/b/k', headers: request.rawHeaders }).headers,
        source: request,
        maxBytes: 4 * MIB,
      }),
    )

  test('P-005: after a refused body the next request on the connection is answered', async () => {
    const { socket, until } = await serve(async (request) => String((await receive(request)).bytes.length))
    const put = (length: number, more = '') =>
      `PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n${more}\r\n`
    socket.write(`${put(3, 'Content-MD5: bad\r\n')}abc`)
    await until('InvalidDigest')
    socket.write('PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let piece = 0; piece < 80; piece++) socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)
    socket.write('0\r\n\r\n')
    await until('EntityTooLarge')
    socket.write(`${put(5)}hello`)
    await until('\r\n\r\n5')
  })

  test('a small body that came in many pieces is whole, and a block of a large one gives its memory back after the next', async () => {
    const blocksSeen: Uint8Array[] = []
    const { socket, until } = await serve(async (request) => {
      const headers = parseS3Request({ method: 'PUT', rawUrl: '/b/k', headers: request.rawHeaders }).headers
      const input = { payload: UNSIGNED, headers, source: request }
      if (Number(headers.get('content-length')) < MIB) return `small ${sha256Of(await readSmallBody(input, MIB))}`
      const hash = createHash('sha256')
      for await (const block of objectBody(input).bytes) {
        hash.update(block)
        blocksSeen.push(block)
      }
      return `large ${hash.digest('hex')}`
    })
    const send = (body: Buffer) => {
      socket.write(`PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n`)
      socket.write(body)
    }
    const small = randomBytes(700_000)
    send(small)
    await until(`small ${sha256Of(small)}`)
    const large = randomBytes(2 * MIB)
    send(large)
    await until(`large ${sha256Of(large)}`)
    expect(blocksSeen.length).toBeGreaterThan(2)
    expect(blocksSeen.map((block) => block.length)).toEqual(blocksSeen.map(() => 0))
  })

  test('a client that vanishes in the middle is IncompleteBody', async () => {
    let failed: (code: string) => void = () => {}
    const code = new Promise<string>((resolve) => {
      failed = resolve
    })
    const { socket } = await serve(async (request) => {
      await receive(request).catch((error) => failed(error.code))
      return ''
    })
    socket.write('PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf')
    setTimeout(() => socket.destroy(), 20)
    expect(await code).toBe('IncompleteBody')
  })
})
