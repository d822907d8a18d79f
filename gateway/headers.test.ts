import { describe, expect, test } from 'vitest'
import type { ObjectStat } from '#namespace'
import { checkTags, descriptionFrom, objectHeaders, parseTagging, quoted, responseOverrides } from './headers.ts'
import { parseS3Request } from './s3-request.ts'

const request = (headers: Record<string, string>, rawUrl = '/b/k') =>
  parseS3Request({ method: 'PUT', rawUrl, headers: Object.entries(headers) })
const describeWith = (headers: Record<string, string>, rawUrl?: string) =>
  descriptionFrom(request(headers, rawUrl).headers)

const stat: ObjectStat = {
  bucket: 'b',
  key: 'k',
  sizeBytes: 3,
  eTag: '900150983cd24fb0d6963f7d28e17f72',
  lastModified: new Date('2026-11-20T21:50:56.987Z'),
  versionId: undefined,
  checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'NSRBwg==' },
  parts: undefined,
  owner: { canonicalId: 'o', displayName: 'O' },
  foreign: false,
  headers: {},
  metadata: {},
}

describe('what a request says of its object', () => {
  test('P-129: Content-Type is binary/octet-stream by default, may be empty, and Expires is kept verbatim', () => {
    expect(describeWith({})).toEqual({ headers: { 'content-type': 'binary/octet-stream' }, metadata: {} })
    expect(describeWith({ 'content-type': '' }).headers).toEqual({ 'content-type': '' })
    expect(describeWith({ Expires: '0, not a date' }).headers.expires).toBe('0, not a date')
  })

  test.each([
    ['aws-chunked', undefined],
    ['aws-chunked, aws-chunked', undefined],
    ['AWS-Chunked', undefined],
    ['gzip, aws-chunked', 'gzip'],
    ['aws-chunked, gzip', 'gzip'],
    ['aws-chunked,gzip,deflate', 'gzip,deflate'],
    ['deflate, gzip', 'deflate, gzip'],
    ['deflate, gzip,aws-chunked', 'deflate, gzip'],
    ['aws-chunked, gzip', 'gzip'],
    ['', ''],
  ])('P-076: Content-Encoding %j is kept as %j', (sent, kept) => {
    expect(describeWith({ 'content-encoding': sent }).headers['content-encoding']).toBe(kept)
  })

  test('P-130: metadata names are lower-cased, empty values kept, UTF-8 bytes untouched', () => {
    const latin1 = Buffer.from('grüße', 'utf8').toString('latin1')
    expect(describeWith({ 'X-Amz-Meta-Some_Name.x': latin1, 'x-amz-meta-none': '' }).metadata).toEqual({
      'some_name.x': latin1,
      none: '',
    })
  })

  test('metadata may be called like anything of JavaScript', () => {
    expect(Object.keys(describeWith({ 'x-amz-meta-__proto__': 'a', 'x-amz-meta-constructor': 'b' }).metadata)).toEqual([
      '__proto__',
      'constructor',
    ])
  })

  test('P-013: 2 KB of metadata are taken, one byte more is MetadataTooLarge', () => {
    expect(describeWith({ 'x-amz-meta-ab': 'x'.repeat(2046) }).metadata.ab).toHaveLength(2046)
    expect(() => describeWith({ 'x-amz-meta-ab': 'x'.repeat(2047) })).toThrow(
      expect.objectContaining({ code: 'MetadataTooLarge', detail: { Size: 2049, MaxSizeAllowed: 2048 } }),
    )
  })

  test('P-055: what a presigned URL smuggles into headers is refused before it is stored', () => {
    const invalid = expect.objectContaining({ code: 'InvalidArgument' })
    expect(() => describeWith({}, '/b/k?x-amz-meta-a=x%0d%0aSet-Cookie:%20y')).toThrow(invalid)
    expect(() => describeWith({}, '/b/k?x-amz-meta-a%20b=x')).toThrow(invalid)
    expect(() => describeWith({}, '/b/k?x-amz-meta-a=%00')).toThrow(invalid)
  })

  test('P-150: storage classes that nobody knows, and those that cannot be read at once, are refused', () => {
    expect(describeWith({ 'x-amz-storage-class': 'STANDARD_IA' }).headers['x-amz-storage-class']).toBe('STANDARD_IA')
    for (const storageClass of ['OUTPOSTS', 'standard', 'GLACIER', '']) {
      expect(() => describeWith({ 'x-amz-storage-class': storageClass })).toThrow(
        expect.objectContaining({ code: 'InvalidStorageClass' }),
      )
    }
  })

  test('P-151: a redirect begins with /, http:// or https://', () => {
    for (const location of ['/other', 'http://a/', 'https://a/']) {
      expect(describeWith({ 'x-amz-website-redirect-location': location }).headers).toMatchObject({
        'x-amz-website-redirect-location': location,
      })
    }
    for (const location of ['other', 'ftp://a', '']) {
      expect(() => describeWith({ 'x-amz-website-redirect-location': location })).toThrow(
        expect.objectContaining({ code: 'InvalidRedirectLocation' }),
      )
    }
  })
})

describe('P-192: tags', () => {
  test('of a header come in the order of their keys, form-decoded', () => {
    expect(parseTagging('b=2&a=1+1&c&d=%C3%BC%2F')).toEqual([
      { key: 'a', value: '1 1' },
      { key: 'b', value: '2' },
      { key: 'c', value: '' },
      { key: 'd', value: 'ü/' },
    ])
    expect(parseTagging('')).toEqual([])
    expect(parseTagging(undefined)).toBeUndefined()
    expect(describeWith({ 'x-amz-tagging': 'a=b' }).tags).toEqual([{ key: 'a', value: 'b' }])
  })

  test.each(['a=1&a=2', '=x', 'a=b=c', 'a=%zz'])('%s in the header is InvalidArgument', (header) => {
    expect(() => parseTagging(header)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  test.each([
    ['eleven tags', Array.from({ length: 11 }, (_, index) => ({ key: `k${index}`, value: '' }))],
    ['a key of 129 characters', [{ key: 'k'.repeat(129), value: '' }]],
    ['a value of 257 characters', [{ key: 'k', value: 'v'.repeat(257) }]],
    ['an empty key', [{ key: '', value: '' }]],
    ['a character outside the set', [{ key: 'k?', value: '' }]],
    ['a value outside the set', [{ key: 'k', value: 'a\nb' }]],
    ['the prefix aws:', [{ key: 'aws:x', value: '' }]],
    [
      'a key twice',
      [
        { key: 'k', value: '1' },
        { key: 'k', value: '2' },
      ],
    ],
  ])('%s is InvalidTag', (_what, tags) => {
    expect(() => checkTags(tags, 10)).toThrow(expect.objectContaining({ code: 'InvalidTag' }))
  })

  test('limits count characters, not bytes', () => {
    const tags = [{ key: '𠀀'.repeat(128), value: 'é'.repeat(256) }]
    expect(() => checkTags(tags, 10)).not.toThrow()
  })
})

describe('P-132: headers of an object', () => {
  test('ETag is quoted, Last-Modified in whole seconds', () => {
    expect(objectHeaders(stat)).toEqual({
      'last-modified': 'Fri, 20 Nov 2026 21:50:56 GMT',
      etag: '"900150983cd24fb0d6963f7d28e17f72"',
      'accept-ranges': 'bytes',
      'content-type': 'binary/octet-stream',
    })
    expect(quoted('a')).toBe('"a"')
  })

  test('metadata, version and number of tags are there when the object has them', () => {
    const rich = {
      ...stat,
      versionId: 'v1',
      headers: { 'content-type': 'text/plain', 'cache-control': 'no-cache', 'x-amz-storage-class': 'STANDARD_IA' },
      metadata: { a: '', b: 'Ã¼' },
      tags: [{ key: 'k', value: 'v' }],
    }
    expect(objectHeaders(rich)).toMatchObject({
      'content-type': 'text/plain',
      'cache-control': 'no-cache',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-meta-a': '',
      'x-amz-meta-b': 'Ã¼',
      'x-amz-version-id': 'v1',
      'x-amz-tagging-count': 1,
    })
  })

  test('P-150: STANDARD is not said', () => {
    expect(objectHeaders({ ...stat, headers: { 'x-amz-storage-class': 'STANDARD' } })).not.toHaveProperty(
      'x-amz-storage-class',
    )
  })

  test('P-081: a checksum is told only when asked for', () => {
    expect(objectHeaders(stat)).not.toHaveProperty('x-amz-checksum-crc32')
    expect(objectHeaders(stat, { checksum: true })).toMatchObject({
      'x-amz-checksum-crc32': 'NSRBwg==',
      'x-amz-checksum-type': 'FULL_OBJECT',
    })
  })

  test('what a planted record says can never break a header', () => {
    const planted = {
      ...stat,
      headers: { 'content-type': 'a\r\nSet-Cookie: b', 'cache-control': '\u20ac' },
      metadata: { 'a b': 'x', ok: 'y', bad: '\n' },
    }
    expect(Object.keys(objectHeaders(planted))).toEqual([
      'last-modified',
      'etag',
      'accept-ranges',
      'content-type',
      'x-amz-meta-ok',
    ])
    expect(objectHeaders(planted)['content-type']).toBe('binary/octet-stream')
  })
})

describe('P-128: response-* parameters', () => {
  const overrides = (rawQuery: string, signed = true) =>
    responseOverrides(request({}, `/b/k?${rawQuery}`).query, signed)

  test('override the headers of signed requests, response-expires with any text', () => {
    const rawQuery =
      'response-content-type=text%2Fplain&response-content-language=de&response-expires=123&response-cache-control=c&response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%22&response-content-encoding=e'
    expect(overrides(rawQuery)).toEqual({
      'content-type': 'text/plain',
      'content-language': 'de',
      expires: '123',
      'cache-control': 'c',
      'content-disposition': 'attachment; filename="ü"',
      'content-encoding': 'e',
    })
  })

  test('are InvalidRequest for the anonymous', () => {
    expect(overrides('versionId=1', false)).toEqual({})
    expect(() => overrides('response-expires=1', false)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
  })

  test.each(['%E2%82%AC', 'a%0d%0aX:%20y', '%00'])('%s is InvalidArgument', (value) => {
    expect(() => overrides(`response-content-type=${value}`)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
  })
})
