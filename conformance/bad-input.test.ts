/**
 * Malformed and hostile requests, byte by byte through the real nginx. Each is answered within five seconds by S3's XML with the right code
 * and a request id, leaves no temporary behind, and changes nothing: the object that was there still is.
 */
import { execFileSync } from 'node:child_process'
import { link as hardLink, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  chunkedRequest,
  SIGNED_CHUNKS,
  SIGNED_CHUNKS_TRAILER,
  signedChunk,
  signedChunks,
  UNSIGNED_TRAILER,
  unsignedChunks,
} from './chunked.ts'
import { type Answer, openConnection, type RawRequest, requestText, sendOn, sendOnce } from './connection.ts'
import { type Instance, openDescriptors, startInstance, temporaries, until } from './instance.ts'
import { crc32Of, md5, randomBytesOf } from './random.ts'
import { type Credentials, encodePath, type Signed, sha256 } from './sign.ts'

const QUICK_MS = 5000
const SILENCE_SECONDS = 2
const KiB = 1024
const MiB = 1024 * KiB

let instance: Instance
let bucketDirectory: string
let stranger: Credentials

beforeAll(async () => {
  instance = await startInstance({
    config: { limits: { header_timeout_seconds: SILENCE_SECONDS, body_timeout_seconds: SILENCE_SECONDS } },
  })
  bucketDirectory = join(instance.tree, 'bad')
  stranger = await instance.createKey('stranger')
  await until('the new key is known to every worker', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => sendOnce(instance, { method: 'GET', target: '/', credentials: stranger })),
    )
    return answers.every(({ status }) => status === 200)
  })
  expect((await sendOnce(instance, { method: 'PUT', target: '/bad' })).status).toBe(200)
}, 150_000)

afterAll(async () => {
  await instance?.stop()
})

let errorsBefore: number
beforeEach(async () => {
  errorsBefore = (await instance.errors()).length
  expect((await sendOnce(instance, { method: 'PUT', target: '/bad/old', body: 'old bytes' })).status).toBe(200)
})

afterEach(async () => {
  await until('no temporary is left', async () => (await temporaries(instance.tree)).length === 0)
  const old = await sendOnce(instance, { method: 'GET', target: '/bad/old' })
  expect([old.status, old.text]).toEqual([200, 'old bytes'])
  expect((await instance.errors()).slice(errorsBefore)).toEqual([])
})

/** Status and code, S3's XML, the same request id in header and body, and all that quickly. */
function expectRefusal(answer: Answer, status: number, code: string, startedMs: number): void {
  expect({ status: answer.status, code: answer.code, text: answer.text }).toMatchObject({ status, code })
  expect(answer.headers.get('content-type')).toBe('application/xml')
  expect(answer.requestId).toMatch(/^[0-9A-Fa-f]{16}$/)
  expect(answer.text).toContain(`<RequestId>${answer.requestId}</RequestId>`)
  expect(answer.headers.get('x-amz-id-2')).toBeTruthy()
  expect(Date.now() - startedMs).toBeLessThan(QUICK_MS)
}

/** Sends bytes as they are and reads one answer. */
async function sendRaw(text: string | Buffer, method = 'GET'): Promise<Answer> {
  const connection = await openConnection(instance)
  try {
    await connection.write(text)
    return await connection.read(method, QUICK_MS)
  } finally {
    connection.destroy()
  }
}

/** Headers signed as said, then a body that may be made from the signature. */
async function sendWith(request: RawRequest, body: (signed: Signed) => Buffer): Promise<Answer> {
  const length = body(requestText(instance, request).signed).length
  const { text, signed } = requestText(instance, {
    ...request,
    after: { 'content-length': String(length), ...request.after },
  })
  return sendRaw(Buffer.concat([Buffer.from(text, 'latin1'), body(signed)]), request.method)
}

const OLD = '/bad/old'
const minutes = (count: number) => new Date(Date.now() + count * 60_000)

describe('who is asking', () => {
  const get = { method: 'GET', target: OLD }
  const scope = (text: string) => ({ authorization: text })
  test.each<[string, () => RawRequest, number, string]>([
    [
      'a wrong secret',
      () => ({ ...get, credentials: { ...instance.credentials, secretAccessKey: 'x' } }),
      403,
      'SignatureDoesNotMatch',
    ],
    [
      'an unknown key',
      () => ({ ...get, credentials: { accessKeyId: 'NOBODY', secretAccessKey: 'x' } }),
      403,
      'InvalidAccessKeyId',
    ],
    ['another user', () => ({ ...get, credentials: stranger }), 403, 'AccessDenied'],
    ['nobody', () => ({ ...get, after: { authorization: undefined } }), 403, 'AccessDenied'],
    ['a clock that is 16 minutes slow', () => ({ ...get, date: minutes(-16) }), 403, 'RequestTimeTooSkewed'],
    ['a clock that is 16 minutes fast', () => ({ ...get, date: minutes(16) }), 403, 'RequestTimeTooSkewed'],
    ['a date that is none', () => ({ ...get, after: { 'x-amz-date': 'yesterday' } }), 403, 'AccessDenied'],
    ['another region', () => ({ ...get, region: 'mars-east-1' }), 400, 'AuthorizationHeaderMalformed'],
    ['a signature of other headers', () => ({ ...get, after: { 'x-amz-meta-added': '1' } }), 403, 'AccessDenied'],
    [
      'an authorization that is cut',
      () => ({ ...get, after: scope('AWS4-HMAC-SHA256 Credential=') }),
      400,
      'AuthorizationHeaderMalformed',
    ],
    [
      'an authorization of 20 kB',
      () => ({ ...get, after: scope(`AWS4-HMAC-SHA256 ${'a'.repeat(20_000)}`) }),
      400,
      'AuthorizationHeaderMalformed',
    ],
    ['the old signature version', () => ({ ...get, after: scope('AWS key:c2lnbmF0dXJl') }), 400, 'InvalidRequest'],
    [
      'header and query at once',
      () => ({ ...get, target: `${OLD}?X-Amz-Algorithm=AWS4-HMAC-SHA256` }),
      400,
      'InvalidArgument',
    ],
    [
      'a presigned URL with half of its parameters',
      () => ({
        ...get,
        target: `${OLD}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60`,
        after: { authorization: undefined },
      }),
      400,
      'AuthorizationQueryParametersError',
    ],
  ])('%s is refused', async (_name, request, status, code) => {
    const started = Date.now()
    expectRefusal(await sendOnce(instance, request()), status, code, started)
    // The same of a write, body and all.
    const write = { ...request(), method: 'PUT', body: 'new bytes' }
    expectRefusal(await sendOnce(instance, write), status, code, started)
  })

  test('the secret is in no answer', async () => {
    const answer = await sendOnce(instance, {
      method: 'GET',
      target: OLD,
      credentials: { ...instance.credentials, secretAccessKey: 'other' },
    })
    expect(answer.text).toContain('<StringToSign>')
    expect(answer.text).not.toContain(instance.credentials.secretAccessKey)
  })
})

describe('bodies that are not what the headers say', () => {
  const body = randomBytesOf(1, 100_000)
  const other = randomBytesOf(2, 100_000)
  test.each<[string, RawRequest, number, string]>([
    [
      'the digest of the signature',
      { method: 'PUT', target: OLD, payload: sha256(other), body },
      400,
      'XAmzContentSHA256Mismatch',
    ],
    ['a digest that is none', { method: 'PUT', target: OLD, payload: 'abc', body }, 400, 'InvalidArgument'],
    [
      'Content-MD5',
      { method: 'PUT', target: OLD, headers: { 'content-md5': md5(other).toString('base64') }, body },
      400,
      'BadDigest',
    ],
    [
      'a Content-MD5 that is none',
      { method: 'PUT', target: OLD, headers: { 'content-md5': 'abc' }, body },
      400,
      'InvalidDigest',
    ],
    [
      'x-amz-checksum-crc32',
      { method: 'PUT', target: OLD, headers: { 'x-amz-checksum-crc32': crc32Of(other) }, body },
      400,
      'BadDigest',
    ],
    [
      'a checksum that is none',
      { method: 'PUT', target: OLD, headers: { 'x-amz-checksum-crc32': 'AAAA' }, body },
      400,
      'InvalidRequest',
    ],
    [
      'a digest header without a body',
      { method: 'PUT', target: OLD, payload: sha256(other), body: '' },
      400,
      'XAmzContentSHA256Mismatch',
    ],
    ['no length at all', { method: 'PUT', target: OLD }, 411, 'MissingContentLength'],
    [
      'a length above what S3 takes',
      { method: 'PUT', target: OLD, after: { 'content-length': String(5 * 1024 ** 3 + 1) } },
      400,
      'EntityTooLarge',
    ],
  ])('%s', async (_name, request, status, code) => {
    const started = Date.now()
    expectRefusal(await sendOnce(instance, request), status, code, started)
  })

  test.each([
    ['negative', '-1'],
    ['empty', ''],
    ['no number', 'many'],
    ['beyond 2^63', '9223372036854775808'],
    ['two of them', '3, 4'],
  ])('a Content-Length that is %s', async (_name, length) => {
    const started = Date.now()
    const answer = await sendOnce(instance, { method: 'PUT', target: OLD, after: { 'content-length': length } })
    expectRefusal(answer, 400, 'BadRequest', started)
  })

  test('Content-Length and Transfer-Encoding at once, which is how requests are smuggled', async () => {
    const { text } = requestText(instance, {
      method: 'PUT',
      target: OLD,
      after: { 'content-length': '4', 'transfer-encoding': 'chunked' },
    })
    const started = Date.now()
    expectRefusal(await sendRaw(`${text}0\r\n\r\nGET / HTTP/1.1\r\n\r\n`, 'PUT'), 400, 'BadRequest', started)
  })

  test('an HTTP chunk whose size is none', async () => {
    const { text } = requestText(instance, { method: 'PUT', target: OLD, after: { 'transfer-encoding': 'chunked' } })
    const started = Date.now()
    expectRefusal(await sendRaw(`${text}xyz\r\nabc\r\n`, 'PUT'), 400, 'BadRequest', started)
  })
})

describe('bodies in chunks', () => {
  const data = randomBytesOf(3, 64 * KiB)
  const more = randomBytesOf(4, 1000)
  const signedPut = (decoded = data.length) => chunkedRequest(OLD, SIGNED_CHUNKS, decoded)
  const trailer = (value: string, payload = UNSIGNED_TRAILER) => ({
    ...chunkedRequest(OLD, payload, data.length, { 'x-amz-trailer': 'x-amz-checksum-crc32' }),
    value,
  })

  test.each<[string, RawRequest, (signed: Signed) => Buffer, number, string]>([
    [
      'a chunk size of 2^63',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data, { size: '8000000000000000' }).text,
      400,
      'InvalidChunkSizeError',
    ],
    [
      'a chunk size of 2^64',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data, { size: '10000000000000000' }).text,
      400,
      'InvalidChunkSizeError',
    ],
    [
      'a negative chunk size',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data, { size: '-1' }).text,
      400,
      'InvalidChunkSizeError',
    ],
    [
      'a chunk size that is no number',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data, { size: 'zz' }).text,
      400,
      'InvalidChunkSizeError',
    ],
    ['a size line without an end', signedPut(), () => Buffer.alloc(200 * KiB, '1'), 400, 'InvalidChunkSizeError'],
    [
      'a chunk with the signature of another',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data, { signature: '0'.repeat(64) }).text,
      403,
      'SignatureDoesNotMatch',
    ],
    ['chunks without signatures', signedPut(), () => unsignedChunks([data], {}), 403, 'SignatureDoesNotMatch'],
    [
      'a chunk that is changed on its way',
      signedPut(),
      (signed) => changed(signedChunks(signed, [data])),
      403,
      'SignatureDoesNotMatch',
    ],
    [
      'two chunks that have changed places',
      signedPut(2 * data.length),
      (signed) => {
        const first = signedChunk(signed, signed.signature, data)
        const second = signedChunk(signed, first.signature, Buffer.from(data).reverse())
        return Buffer.concat([second.text, first.text])
      },
      403,
      'SignatureDoesNotMatch',
    ],
    [
      'a body cut before its last chunk',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data).text,
      400,
      'IncompleteBody',
    ],
    [
      'a body cut within a chunk',
      signedPut(),
      (signed) => signedChunk(signed, signed.signature, data).text.subarray(0, 30_000),
      400,
      'IncompleteBody',
    ],
    [
      'less than the decoded length',
      signedPut(data.length + 1),
      (signed) => signedChunks(signed, [data]),
      400,
      'IncompleteBody',
    ],
    [
      'more than the decoded length',
      signedPut(data.length - 1),
      (signed) => signedChunks(signed, [data]),
      400,
      'IncompleteBody',
    ],
    [
      'a small chunk that is not the last one',
      signedPut(2 * more.length),
      (signed) => signedChunks(signed, [more, more]),
      400,
      'InvalidChunkSizeError',
    ],
    [
      'a decoded length that is no number',
      chunkedRequest(OLD, SIGNED_CHUNKS, Number.NaN),
      (signed) => signedChunks(signed, [data]),
      400,
      'InvalidArgument',
    ],
    [
      'a trailer that is wrong',
      trailer(''),
      () => unsignedChunks([data], { 'x-amz-checksum-crc32': crc32Of(more) }),
      400,
      'BadDigest',
    ],
    [
      'a trailer that is announced and does not come',
      trailer(''),
      () => unsignedChunks([data], {}),
      400,
      'MalformedTrailerError',
    ],
    [
      'a trailer that nobody has announced',
      trailer(''),
      () => unsignedChunks([data], { 'x-amz-checksum-crc32': crc32Of(data), 'x-amz-meta-a': 'b' }),
      400,
      'MalformedTrailerError',
    ],
    [
      'a trailer of 100 kB',
      trailer(''),
      () => unsignedChunks([data], { 'x-amz-checksum-crc32': 'A'.repeat(100 * KiB) }),
      400,
      'MalformedTrailerError',
    ],
    [
      'a signed trailer that is wrong',
      trailer('', SIGNED_CHUNKS_TRAILER),
      (signed) => signedChunks(signed, [data], { 'x-amz-checksum-crc32': crc32Of(more) }),
      400,
      'BadDigest',
    ],
    [
      'a signed trailer with the signature of another',
      trailer('', SIGNED_CHUNKS_TRAILER),
      (signed) => {
        const text = signedChunks(signed, [data], { 'x-amz-checksum-crc32': crc32Of(data) }).toString('latin1')
        return Buffer.from(text.replace(/(x-amz-trailer-signature:)[0-9a-f]{64}/, `$1${'0'.repeat(64)}`), 'latin1')
      },
      403,
      'SignatureDoesNotMatch',
    ],
  ])('%s', async (_name, request, body, status, code) => {
    const started = Date.now()
    expectRefusal(await sendWith(request, body), status, code, started)
  })

  test('no decoded length', async () => {
    const request = { ...chunkedRequest(OLD, UNSIGNED_TRAILER, 0), headers: { 'content-encoding': 'aws-chunked' } }
    const started = Date.now()
    expectRefusal(await sendWith(request, () => unsignedChunks([data], {})), 411, 'MissingContentLength', started)
  })
})

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[5000] = (copy[5000] ?? 0) ^ 1
  return copy
}

describe('XML', () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "${'lol'.repeat(20)}">${[...'bcdefgh'].map((name, index) => `<!ENTITY ${name} "${`&${'abcdefg'[index]};`.repeat(10)}">`).join('')}]><Delete><Object><Key>&h;</Key></Object></Delete>`
  test.each<[string, string]>([
    ['a bomb of entities', bomb],
    ['a DOCTYPE', '<!DOCTYPE Delete><Delete><Object><Key>old</Key></Object></Delete>'],
    [
      'an entity from a file',
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
    ],
    ['an entity that is not there', '<Delete><Object><Key>&nothing;</Key></Object></Delete>'],
    ['a document that is cut', '<Delete><Object><Key>old</Key>'],
    ['another document', '<Other/>'],
    ['no document', 'hello'],
    ['nothing', ''],
    ['no keys', '<Delete></Delete>'],
    ['bytes that are not UTF-8', '<Delete><Object><Key>\xff\xfe</Key></Object></Delete>'],
    ['20,000 levels', `${'<Delete>'.repeat(20_000)}${'</Delete>'.repeat(20_000)}`],
    ['__proto__', '<Delete><__proto__><Key>old</Key></__proto__></Delete>'],
    ['1,001 keys', `<Delete>${'<Object><Key>none</Key></Object>'.repeat(1001)}</Delete>`],
  ])('%s is MalformedXML', async (_name, xml) => {
    const started = Date.now()
    const body = Buffer.from(xml, 'latin1')
    const answer = await sendOnce(instance, {
      method: 'POST',
      target: '/bad?delete=',
      body,
      headers: { 'content-md5': md5(body).toString('base64') },
    })
    expectRefusal(answer, 400, 'MalformedXML', started)
  })

  test('a document of 9 MiB is not even read', async () => {
    const started = Date.now()
    const answer = await sendOnce(instance, {
      method: 'POST',
      target: '/bad?delete=',
      body: Buffer.alloc(9 * MiB, ' '),
    })
    expect(answer.status).toBe(400)
    expect(['EntityTooLarge', 'MaxMessageLengthExceeded', 'MalformedXML']).toContain(answer.code)
    expect(Date.now() - started).toBeLessThan(QUICK_MS)
  })

  test('a bucket is not created by a bomb', async () => {
    const started = Date.now()
    const xml =
      '<!DOCTYPE a [<!ENTITY x "us-east-1">]><CreateBucketConfiguration><LocationConstraint>&x;</LocationConstraint></CreateBucketConfiguration>'
    expectRefusal(await sendOnce(instance, { method: 'PUT', target: '/bomb', body: xml }), 400, 'MalformedXML', started)
    expect((await sendOnce(instance, { method: 'HEAD', target: '/bomb' })).status).toBe(404)
  })
})

describe('uploads', () => {
  let uploadId: string
  beforeEach(async () => {
    const created = await sendOnce(instance, { method: 'POST', target: `${OLD}?uploads` })
    uploadId = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
    expect(uploadId).not.toBe('')
  })
  afterEach(async () => {
    await sendOnce(instance, { method: 'DELETE', target: `${OLD}?uploadId=${uploadId}` })
  })

  const part = (number: number) => `<Part><PartNumber>${number}</PartNumber><ETag>"${'a'.repeat(32)}"</ETag></Part>`
  const complete = (parts: string) => ({
    method: 'POST',
    target: `${OLD}?uploadId=${uploadId}`,
    body: `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`,
  })

  test.each<[string, () => RawRequest, number, readonly string[]]>([
    [
      'part number 0',
      () => ({ method: 'PUT', target: `${OLD}?partNumber=0&uploadId=${uploadId}`, body: 'x' }),
      400,
      ['InvalidArgument'],
    ],
    [
      'part number 10001',
      () => ({ method: 'PUT', target: `${OLD}?partNumber=10001&uploadId=${uploadId}`, body: 'x' }),
      400,
      ['InvalidArgument'],
    ],
    [
      'a part number that is none',
      () => ({ method: 'PUT', target: `${OLD}?partNumber=one&uploadId=${uploadId}`, body: 'x' }),
      400,
      ['InvalidArgument'],
    ],
    [
      '10,001 parts',
      () => complete(Array.from({ length: 10_001 }, (_, index) => part(index + 1)).join('')),
      400,
      ['InvalidArgument', 'MalformedXML'],
    ],
    [
      '10,000 parts that are not there',
      () => complete(Array.from({ length: 10_000 }, (_, index) => part(index + 1)).join('')),
      400,
      ['InvalidPart'],
    ],
    ['parts in the wrong order', () => complete(part(2) + part(1)), 400, ['InvalidPartOrder']],
    ['a part twice', () => complete(part(1) + part(1)), 400, ['InvalidPartOrder', 'InvalidPart']],
    ['no parts', () => complete(''), 400, ['InvalidRequest', 'MalformedXML']],
    [
      'a bomb',
      () => ({ ...complete(''), body: `<!DOCTYPE a [<!ENTITY x "1">]>${complete('').body}` }),
      400,
      ['MalformedXML'],
    ],
    [
      'another upload',
      () => ({ ...complete(part(1)), target: `${OLD}?uploadId=${'a'.repeat(32)}` }),
      404,
      ['NoSuchUpload'],
    ],
    [
      'an upload that is a path',
      () => ({ ...complete(part(1)), target: `${OLD}?uploadId=..%2F..%2F..%2Fetc` }),
      404,
      ['NoSuchUpload'],
    ],
    [
      'an upload with NUL',
      () => ({ method: 'PUT', target: `${OLD}?partNumber=1&uploadId=a%00b`, body: 'x' }),
      404,
      ['NoSuchUpload'],
    ],
    [
      'an upload of 3 kB',
      () => ({ method: 'PUT', target: `${OLD}?partNumber=1&uploadId=${'a'.repeat(3000)}`, body: 'x' }),
      404,
      ['NoSuchUpload'],
    ],
  ])('%s', async (_name, request, status, codes) => {
    const started = Date.now()
    const answer = await sendOnce(instance, request())
    expect(codes).toContain(answer.code)
    expectRefusal(answer, status, answer.code, started)
  })

  test('a part with a wrong digest is no part', async () => {
    const started = Date.now()
    const headers = { 'content-md5': md5(Buffer.from('other')).toString('base64') }
    const target = `${OLD}?partNumber=1&uploadId=${uploadId}`
    expectRefusal(
      await sendOnce(instance, { method: 'PUT', target, headers, body: 'bytes' }),
      400,
      'BadDigest',
      started,
    )
    const listed = await sendOnce(instance, { method: 'GET', target: `${OLD}?uploadId=${uploadId}` })
    expect(listed.text).not.toContain('<Part>')
  })
})

describe('names', () => {
  test.each<[string, string, number, string]>([
    ['a path above the root', '/bad/../../etc/passwd', 400, 'BadRequest'],
    ['a path above the root, encoded', '/%2e%2e/%2e%2e/etc/passwd', 400, 'BadRequest'],
    ['NUL', '/bad/a%00b', 400, 'BadRequest'],
    ['half an escape', '/bad/a%2', 400, 'BadRequest'],
    ['an escape that is none', '/bad/a%zz', 400, 'BadRequest'],
    ['bytes that are not UTF-8', '/bad/a%ff', 400, 'InvalidURI'],
    ['a surrogate', '/bad/a%ed%a0%80', 400, 'InvalidURI'],
    ['an overlong slash', '/bad/..%c0%af..%c0%afetc', 400, 'InvalidURI'],
    ['a key of 1,025 bytes', `/bad/${'k'.repeat(1025)}`, 400, 'KeyTooLongError'],
    ["the gateway's own directory as a bucket", '/.causeway/format', 400, 'InvalidBucketName'],
    ['a bucket that is a path', '/..%2f..%2fetc/passwd', 400, 'BadRequest'],
    ['a bucket with a slash', '/bad%2fold', 400, 'InvalidBucketName'],
    ['an empty bucket', '//etc/passwd', 400, 'InvalidBucketName'],
    ['a bad escape in the query', '/bad?prefix=%zz', 400, 'InvalidURI'],
  ])('%s', async (_name, target, status, code) => {
    const started = Date.now()
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await sendOnce(instance, {
        method,
        target,
        ...(method === 'PUT' && !target.includes('%2fold') ? { body: 'x' } : {}),
      })
      // A bucket that cannot be is as missing as any other, where it is only asked for.
      if (answer.code === 'NoSuchBucket' && code === 'InvalidBucketName')
        expectRefusal(answer, 404, 'NoSuchBucket', started)
      else expectRefusal(answer, status, code, started)
    }
  })

  test.each([
    ['up and out', 'a/../../../../../etc/passwd'],
    ['dots', '..'],
    ['a dot', '.'],
    ['many dots', '../../../../etc/passwd'],
    ["the bucket's own directory", '.s3/locks'],
    ['records', '.s3/records/x'],
    ["the gateway's state", '.causeway/format'],
    ['a temporary', '.s3-abc-def'],
    ['a name that is encoded already', '.%e..'],
    ['a backslash', '..\\..\\x'],
  ])('a key that looks like a way out is a key like any other: %s', async (_name, key) => {
    const before = await outside()
    // Slashes are not escaped, and nginx refuses what climbs above its root; a client escapes the dots' neighbour.
    const target = `/bad/${encodePath(key).replaceAll('/', '%2F')}`
    const signedTarget = `/bad/${encodePath(key)}`
    const send = async (method: string, body?: string) => {
      // Signed over the canonical form, sent in the other one (P-028, P-029).
      const { text } = requestText(instance, { method, target: signedTarget, ...(body === undefined ? {} : { body }) })
      return sendRaw(text.replace(`${method} ${signedTarget} `, `${method} ${target} `) + (body ?? ''), method)
    }
    const put = await send('PUT', `bytes of ${key}`)
    if (put.status === 400) {
      // nginx resolves the dots before it looks what to do, and refuses to climb above the root: nothing was done.
      expect(put.code).toBe('BadRequest')
    } else {
      expect([put.status, put.text]).toEqual([200, ''])
      expect((await send('GET')).text).toBe(`bytes of ${key}`)
      const listed = await sendOnce(instance, { method: 'GET', target: '/bad?list-type=2&encoding-type=url' })
      expect(listed.text).toContain(`<Key>${encodePath(key)}</Key>`)
      expect((await send('DELETE')).status).toBe(204)
    }
    expect(await outside()).toEqual(before)
  })

  /** What a key must never reach: names beside the bucket, and within its `.s3`. */
  async function outside(): Promise<unknown> {
    const [root, own, records, format] = await Promise.all([
      readdir(instance.tree),
      readdir(join(bucketDirectory, '.s3')),
      readdir(join(bucketDirectory, '.s3/records')).catch(() => []),
      readFile(join(instance.tree, '.causeway/format'), 'utf8'),
    ])
    return { root: root.sort(), own: own.sort(), records, format }
  }

  test.each<[string, string, number, string]>([
    ['above the bucket', '/bad/../../etc/passwd', 404, 'NoSuchKey'],
    ['above the bucket, encoded', 'bad/%2e%2e%2f%2e%2e%2fetc%2fpasswd', 404, 'NoSuchKey'],
    ['a bucket of dots', '/../etc/passwd', 404, 'NoSuchBucket'],
    ["the gateway's state", '/.causeway/format', 404, 'NoSuchBucket'],
    ["the bucket's own directory", '/bad/.s3/locks', 404, 'NoSuchKey'],
    ['NUL', '/bad/old%00', 404, 'NoSuchKey'],
    ['a path that is absolute', '//etc/passwd', 400, 'InvalidArgument'],
    ['no key', '/bad', 400, 'InvalidArgument'],
    ['no key after the slash', '/bad/', 400, 'InvalidArgument'],
    ['bytes that are not UTF-8', '/bad/%ff', 400, 'InvalidArgument'],
    ['a version that is none', '/bad/old?versionId=../../x', 400, 'InvalidArgument'],
  ])('a copy source that tries to leave: %s', async (_name, source, status, code) => {
    const started = Date.now()
    const answer = await sendOnce(instance, {
      method: 'PUT',
      target: '/bad/copy',
      headers: { 'x-amz-copy-source': source },
    })
    expectRefusal(answer, status, code, started)
    expect((await sendOnce(instance, { method: 'HEAD', target: '/bad/copy' })).status).toBe(404)
  })

  test("another user's bucket is no copy source, and nobody's target", async () => {
    const started = Date.now()
    expect((await sendOnce(instance, { method: 'PUT', target: '/strangers', credentials: stranger })).status).toBe(200)
    const headers = { 'x-amz-copy-source': '/bad/old' }
    expectRefusal(
      await sendOnce(instance, { method: 'PUT', target: '/strangers/k', headers, credentials: stranger }),
      403,
      'AccessDenied',
      started,
    )
    expectRefusal(
      await sendOnce(instance, { method: 'PUT', target: '/strangers/k', headers }),
      403,
      'AccessDenied',
      started,
    )
  })
})

describe('what somebody has planted in the tree', () => {
  const secret = () => join(instance.directory, 'secret')
  beforeAll(async () => {
    await mkdir(secret())
    await writeFile(join(secret(), 'file'), 'not for you')
    await symlink(join(secret(), 'file'), join(bucketDirectory, 'link'))
    await symlink(secret(), join(bucketDirectory, 'door'))
    await symlink('../.causeway', join(bucketDirectory, 'inside'))
    await symlink('loop', join(bucketDirectory, 'loop'))
    execFileSync('mkfifo', [join(bucketDirectory, 'fifo')])
  })
  const keys = ['link', 'door', 'door/', 'door/file', 'inside/format', 'loop', 'loop/x', 'fifo']

  test.each(keys)('%s is not read, copied or listed', async (key) => {
    const started = Date.now()
    expectRefusal(await sendOnce(instance, { method: 'GET', target: `/bad/${key}` }), 404, 'NoSuchKey', started)
    expect((await sendOnce(instance, { method: 'HEAD', target: `/bad/${key}` })).status).toBe(404)
    const headers = { 'x-amz-copy-source': `/bad/${key}` }
    expectRefusal(await sendOnce(instance, { method: 'PUT', target: '/bad/copy', headers }), 404, 'NoSuchKey', started)
    const listed = await sendOnce(instance, { method: 'GET', target: `/bad?list-type=2&prefix=${key}` })
    expect([listed.status, listed.text.includes('<Contents>')]).toEqual([200, false])
    const grouped = await sendOnce(instance, { method: 'GET', target: '/bad?list-type=2&delimiter=%2F' })
    expect(grouped.text).not.toMatch(/<(?:Key|Prefix)>(?:link|door|inside|loop|fifo)/)
  })

  test.each(['door/file', 'door/new', 'inside/format', 'inside/new', 'loop/x'])(
    '%s is not written or removed',
    async (key) => {
      const put = await sendOnce(instance, { method: 'PUT', target: `/bad/${key}`, body: 'over' })
      expect([400, 403, 409]).toContain(put.status)
      expect((await sendOnce(instance, { method: 'DELETE', target: `/bad/${key}` })).status).toBe(204)
      expect(await readdir(secret())).toEqual(['file'])
      expect(await readFile(join(secret(), 'file'), 'utf8')).toBe('not for you')
      expect(await readdir(join(instance.tree, '.causeway'))).not.toContain('new')
    },
  )

  test('an object takes the place of a link, and what the link pointed to stays', async () => {
    await symlink(join(secret(), 'file'), join(bucketDirectory, 'link-2'))
    expect((await sendOnce(instance, { method: 'PUT', target: '/bad/link-2', body: 'object' })).status).toBe(200)
    expect((await sendOnce(instance, { method: 'GET', target: '/bad/link-2' })).text).toBe('object')
    expect(await readFile(join(secret(), 'file'), 'utf8')).toBe('not for you')
  })
})

test('a file of somebody else under a second name is not read or copied, and stays when its name here goes', async () => {
  const theirs = join(instance.directory, 'theirs')
  await writeFile(theirs, 'not for you')
  await hardLink(theirs, join(bucketDirectory, 'second'))
  const started = Date.now()
  const got = await sendOnce(instance, { method: 'GET', target: '/bad/second' })
  expectRefusal(got, 403, 'AccessDenied', started)
  expect(got.text).toMatch(/<Message>This file has another name .*<Links>2<\/Links>/)
  expect((await sendOnce(instance, { method: 'HEAD', target: '/bad/second' })).status).toBe(403)
  const headers = { 'x-amz-copy-source': '/bad/second' }
  expectRefusal(await sendOnce(instance, { method: 'PUT', target: '/bad/copy', headers }), 403, 'AccessDenied', started)
  const listed = await sendOnce(instance, { method: 'GET', target: '/bad?list-type=2&prefix=second' })
  expect(listed.text).toContain('<Key>second</Key>')
  expect((await sendOnce(instance, { method: 'DELETE', target: '/bad/second' })).status).toBe(204)
  expect(await readFile(theirs, 'utf8')).toBe('not for you')
})

describe('HTTP that is none', () => {
  const host = () => `Host: 127.0.0.1:${instance.port}\r\n`
  test.each<[string, () => string, number, readonly string[]]>([
    ['no Host', () => 'GET / HTTP/1.1\r\n\r\n', 400, ['BadRequest']],
    [
      'a header of 40 kB',
      () => `GET / HTTP/1.1\r\n${host()}x-a: ${'a'.repeat(40_000)}\r\n\r\n`,
      400,
      ['RequestHeaderSectionTooLarge'],
    ],
    [
      'headers of 300 kB',
      () => `GET / HTTP/1.1\r\n${host()}${`x-a: ${'a'.repeat(30_000)}\r\n`.repeat(10)}\r\n`,
      400,
      ['RequestHeaderSectionTooLarge'],
    ],
    [
      '50,000 small headers',
      () => `GET / HTTP/1.1\r\n${host()}${'a: b\r\n'.repeat(50_000)}\r\n`,
      400,
      ['RequestHeaderSectionTooLarge'],
    ],
    ['a target of 40 kB', () => `GET /${'a'.repeat(40_000)} HTTP/1.1\r\n${host()}\r\n`, 414, ['RequestURITooLong']],
    [
      'an unknown transfer coding',
      () => `PUT /bad/old HTTP/1.1\r\n${host()}Transfer-Encoding: gzip\r\n\r\n`,
      501,
      ['NotImplemented'],
    ],
    // nginx takes the line for a name without a value, so this is a request like any other, and unsigned.
    ['a header without a colon', () => `GET / HTTP/1.1\r\n${host()}hello\r\n\r\n`, 403, ['AccessDenied']],
    ['NUL in a header', () => `GET / HTTP/1.1\r\n${host()}x-a: a\0b\r\n\r\n`, 400, ['BadRequest']],
    ['a space in the target', () => `GET /bad/o ld HTTP/1.1\r\n${host()}\r\n`, 400, ['BadRequest']],
    ['HTTP 3', () => `GET / HTTP/3.0\r\n${host()}\r\n`, 505, ['BadRequest']],
    ['a method that nobody knows', () => `FOO /bad/old HTTP/1.1\r\n${host()}\r\n`, 400, ['BadRequest']],
    ['a method in small letters', () => `get /bad/old HTTP/1.1\r\n${host()}\r\n`, 400, ['BadRequest']],
    ['CONNECT', () => `CONNECT / HTTP/1.1\r\n${host()}\r\n`, 405, ['MethodNotAllowed']],
    ['TRACE', () => `TRACE / HTTP/1.1\r\n${host()}\r\n`, 405, ['MethodNotAllowed']],
    ['PATCH', () => `PATCH /bad/old HTTP/1.1\r\n${host()}\r\n`, 405, ['MethodNotAllowed']],
    ['PROPFIND', () => `PROPFIND /bad/old HTTP/1.1\r\n${host()}Content-Length: 0\r\n\r\n`, 405, ['MethodNotAllowed']],
  ])('%s', async (_name, text, status, codes) => {
    const started = Date.now()
    const answer = await sendRaw(text())
    expect(codes).toContain(answer.code)
    expectRefusal(answer, status, answer.code, started)
  })

  test('metadata beyond 2 KB, and more headers than Node counts', async () => {
    const started = Date.now()
    const meta = (count: number, value: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-amz-meta-${index}`, value]))
    for (const headers of [meta(1, 'm'.repeat(2049)), meta(400, '123456'), meta(2500, 'm')]) {
      const answer = await sendOnce(instance, { method: 'PUT', target: OLD, headers, body: 'x' })
      const many = Object.keys(headers).length > 2000 && answer.code === 'RequestHeaderSectionTooLarge'
      expectRefusal(answer, 400, many ? answer.code : 'MetadataTooLarge', started)
    }
  })

  test('garbage instead of TLS, and TLS with garbage inside', async () => {
    const { connect } = await import('node:net')
    const socket = connect(instance.port, '127.0.0.1')
    const said: Buffer[] = []
    socket.on('data', (piece) => said.push(piece)).on('error', () => {})
    socket.write(Buffer.concat([Buffer.from([22, 3, 1, 255, 255]), randomBytesOf(9, 5000)]))
    await until('the connection has been closed', () => socket.closed || socket.readableEnded, QUICK_MS)
    socket.destroy()
    const connection = await openConnection(instance)
    await connection.write(randomBytesOf(10, 5000).filter((byte) => byte !== 10 && byte !== 13))
    await connection.write('\r\n\r\n')
    const answer = await connection.read('GET', QUICK_MS).catch(() => undefined)
    if (answer !== undefined) expect([answer.status, answer.code]).toEqual([400, 'BadRequest'])
    connection.destroy()
  })
})

describe('clients that are slow or go away', () => {
  test('headers that never end are cut off', async () => {
    const connection = await openConnection(instance)
    await connection.write('GET / HTTP/1.1\r\nHost: x\r\n')
    expect(await connection.ends((SILENCE_SECONDS + 3) * 1000)).toBe(true)
  })

  test('a body that stops in the middle is answered RequestTimeout', async () => {
    const connection = await openConnection(instance)
    const started = Date.now()
    const { text } = requestText(instance, { method: 'PUT', target: OLD, after: { 'content-length': '1000000' } })
    await connection.write(text)
    await connection.write(randomBytesOf(5, 300_000))
    await until('the upload has begun', async () => (await temporaries(instance.tree)).length === 1)
    const answer = await connection.read('PUT', (SILENCE_SECONDS + 3) * 1000)
    expectRefusal(answer, 400, 'RequestTimeout', started)
    connection.destroy()
  })

  test('40 slow uploads and 40 slow readers do not keep anybody else waiting', async () => {
    const body = randomBytesOf(6, 4 * MiB)
    expect((await sendOnce(instance, { method: 'PUT', target: '/bad/large', body })).status).toBe(200)
    const slow = await Promise.all(
      Array.from({ length: 80 }, async (_, index) => {
        const connection = await openConnection(instance)
        connection.socket.pause()
        const request =
          index % 2 === 0
            ? { method: 'GET', target: '/bad/large' }
            : { method: 'PUT', target: `/bad/slow-${index}`, after: { 'content-length': '1000000' } }
        await connection.write(requestText(instance, request).text)
        return connection
      }),
    )
    const times: number[] = []
    for (let index = 0; index < 50; index++) {
      const started = performance.now()
      expect((await sendOnce(instance, { method: 'GET', target: OLD })).status).toBe(200)
      times.push(performance.now() - started)
    }
    expect(times.toSorted((one, other) => one - other)[45]).toBeLessThan(1000)
    for (const connection of slow) connection.destroy()
  })

  /** Files of the tree that workers have open, beyond the roots and lock files that they keep. */
  const openFiles = () =>
    instance
      .workerPids()
      .flatMap((pid) =>
        openDescriptors(pid).filter((path) => path.startsWith(`${instance.tree}/bad/`) && !path.endsWith('/.s3/locks')),
      )
  const descriptors = () => instance.workerPids().reduce((sum, pid) => sum + openDescriptors(pid).length, 0)

  async function expectBackTo(before: number): Promise<void> {
    await until('no file is open', () => openFiles().length === 0)
    await until('no temporary is left', async () => (await temporaries(instance.tree)).length === 0)
    // nginx keeps a few idle connections to the workers, so the number is not exactly what it was.
    await until(`${descriptors()} descriptors fall back to about ${before}`, () => descriptors() <= before + 24)
  }

  test('30 clients that vanish in the middle of an upload leave no temporary and no open file', async () => {
    const before = descriptors()
    const uploads = [
      (index: number) => ({ method: 'PUT', target: `/bad/vanished-${index}` }),
      (index: number) => ({ ...chunkedRequest(`/bad/vanished-${index}`, UNSIGNED_TRAILER, 50 * MiB) }),
    ]
    const connections = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const connection = await openConnection(instance)
        const request = uploads[index % uploads.length]?.(index) ?? { method: 'PUT', target: '/bad/x' }
        const { text } = requestText(instance, { ...request, after: { 'content-length': String(50 * MiB) } })
        await connection.write(index % 2 === 1 ? `${text}3000000\r\n` : text)
        await connection.write(randomBytesOf(index, 200_000))
        return connection
      }),
    )
    await until('all uploads have begun', async () => (await temporaries(instance.tree)).length === 30)
    for (const connection of connections) connection.destroy()
    await expectBackTo(before)
    const listed = await sendOnce(instance, { method: 'GET', target: '/bad?list-type=2&prefix=vanished' })
    expect(listed.text).toContain('<KeyCount>0</KeyCount>')
  })

  test('30 clients that vanish in the middle of a part leave nothing but the upload', async () => {
    const created = await sendOnce(instance, { method: 'POST', target: '/bad/parts?uploads' })
    const uploadId = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
    const before = descriptors()
    const connections = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const connection = await openConnection(instance)
        const target = `/bad/parts?partNumber=${index + 1}&uploadId=${uploadId}`
        await connection.write(
          requestText(instance, { method: 'PUT', target, after: { 'content-length': String(5 * MiB) } }).text,
        )
        await connection.write(randomBytesOf(index, 200_000))
        return connection
      }),
    )
    await until('some parts have begun', () => openFiles().length >= 30)
    for (const connection of connections) connection.destroy()
    await until('no file is open', () => openFiles().length === 0)
    const listed = await sendOnce(instance, { method: 'GET', target: `/bad/parts?uploadId=${uploadId}` })
    expect([listed.status, listed.text.includes('<Part>')]).toEqual([200, false])
    expect((await sendOnce(instance, { method: 'DELETE', target: `/bad/parts?uploadId=${uploadId}` })).status).toBe(204)
    await expectBackTo(before)
    expect(await readdir(join(bucketDirectory, '.s3/uploads'))).toEqual([])
  })

  test('30 clients that vanish in the middle of a download, or stop reading, leave no open file', async () => {
    const body = randomBytesOf(7, 32 * MiB)
    expect((await sendOnce(instance, { method: 'PUT', target: '/bad/large', body }, 20_000)).status).toBe(200)
    const before = descriptors()
    const connections = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const connection = await openConnection(instance)
        connection.socket.pause()
        await connection.write(requestText(instance, { method: 'GET', target: '/bad/large' }).text)
        return connection
      }),
    )
    await until('all downloads have begun', () => openFiles().length === 30)
    for (const connection of connections.slice(0, 20)) connection.destroy()
    await until('the files of those that went are closed', () => openFiles().length <= 10)
    // The others just do not read; nginx gives up on them after send_timeout.
    await sleep(SILENCE_SECONDS * 1000)
    await expectBackTo(before)
    for (const connection of connections) connection.destroy()
  })

  test('a client that asks and goes at once, 200 times', async () => {
    const before = descriptors()
    for (let round = 0; round < 4; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const connection = await openConnection(instance)
          const target = ['/bad/large', '/bad?list-type=2', OLD, '/bad/none'][index % 4] ?? OLD
          await connection.write(requestText(instance, { method: 'GET', target }).text)
          connection.destroy()
        }),
      )
    }
    await expectBackTo(before)
    const connection = await openConnection(instance)
    expect((await sendOn(connection, instance, { method: 'GET', target: OLD })).status).toBe(200)
    connection.destroy()
  })
})
