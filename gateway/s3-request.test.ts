import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isServiceForm, parseS3Request, type RawRequest, withForm } from './s3-request.ts'

const parse = (rawUrl: string, more: Partial<RawRequest> = {}) =>
  parseS3Request({ method: 'GET', rawUrl, headers: ['Host', 's3.test:8443'], ...more })

const place = (rawUrl: string, more: Partial<RawRequest> = {}) => {
  const { scope, bucket, key } = parse(rawUrl, more)
  return [scope, bucket, key]
}

describe('path style', () => {
  test.each([
    ['/', ['service', '', '']],
    ['', ['service', '', '']],
    ['*', ['service', '', '']],
    ['/photos', ['bucket', 'photos', '']],
    ['/photos/', ['bucket', 'photos', '']], // P-025
    ['/photos/?delete=', ['bucket', 'photos', '']],
    ['/photos/a', ['object', 'photos', 'a']],
    ['/photos/a/', ['object', 'photos', 'a/']],
    ['/photos//', ['object', 'photos', '/']],
    ['/photos//a//b', ['object', 'photos', '/a//b']],
    ['/photos/a/../b', ['object', 'photos', 'a/../b']], // P-010
    ['/photos/../../etc/passwd', ['object', 'photos', '../../etc/passwd']],
    ['/photos/%2e%2e/c', ['object', 'photos', '../c']],
    ['/photos/a%2Fb', ['object', 'photos', 'a/b']],
    ['/photos/a+b', ['object', 'photos', 'a+b']], // P-030
    ['/photos/a%252Fb', ['object', 'photos', 'a%2Fb']],
    ['/photos/%E2%82%AC', ['object', 'photos', '€']],
    ['/photos/a%00b', ['object', 'photos', 'a\0b']],
    ['/photos/a?versionId=x?y', ['object', 'photos', 'a']],
    ['http://s3.test:8443/photos/a?b', ['object', 'photos', 'a']],
    ['https://s3.test', ['service', '', '']],
  ])('%s', (rawUrl, expected) => {
    expect(place(rawUrl)).toEqual(expected)
  })

  test('bytes that a client left unencoded are the UTF-8 they are', () => {
    const latin1 = Buffer.from('/photos/grüße%20€', 'utf8').toString('latin1')
    expect(place(latin1)).toEqual(['object', 'photos', 'grüße €'])
  })

  test('any key comes back from its percent-encoding, decoded exactly once', () => {
    const keys = fc.string({ unit: 'binary', minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(keys, (key) => {
        fc.pre(Buffer.byteLength(key) <= 1024)
        expect(place(`/b/${encodeURIComponent(key)}`)).toEqual(['object', 'b', key])
      }),
    )
  })
})

describe('what cannot be a key', () => {
  test.each(['/b/%', '/b/%zz', '/b/%f', '/b/%ff%fe', '/b/%c0%af', '/b/%ed%a0%80', '/b?prefix=%ff', '/%ff'])(
    '%s is InvalidURI',
    (rawUrl) => {
      expect(() => parse(rawUrl)).toThrow(expect.objectContaining({ code: 'InvalidURI' }))
    },
  )

  test('P-137: 1,024 bytes of UTF-8 are a key, 1,025 are KeyTooLongError', () => {
    expect(place(`/b/${'é'.repeat(512)}`.replaceAll('é', '%C3%A9'))[2]).toHaveLength(512)
    expect(() => parse(`/b/${'%C3%A9'.repeat(512)}a`)).toThrow(
      expect.objectContaining({ code: 'KeyTooLongError', detail: { Size: 1025, MaxSizeAllowed: 1024 } }),
    )
  })

  test('a path without a bucket name names no bucket', () => {
    expect(() => parse('//key')).toThrow(expect.objectContaining({ code: 'InvalidBucketName' }))
  })
})

describe('virtual-host style (P-016)', () => {
  const at = (host: string, rawUrl: string) => place(rawUrl, { headers: [['Host', host]], domain: 's3.example.com' })

  test.each([
    ['photos.s3.example.com', '/', ['bucket', 'photos', '']],
    ['photos.s3.example.com:8443', '/a/b', ['object', 'photos', 'a/b']],
    ['PHOTOS.S3.Example.Com', '/a', ['object', 'photos', 'a']],
    ['a.b.s3.example.com', '//x', ['object', 'a.b', '/x']],
    ['s3.example.com', '/photos/a', ['object', 'photos', 'a']],
    ['10.0.0.1:8443', '/photos/a', ['object', 'photos', 'a']],
    ['xs3.example.com', '/photos/a', ['object', 'photos', 'a']],
  ])('%s%s', (host, rawUrl, expected) => {
    expect(at(host, rawUrl)).toEqual(expected)
  })

  test('without a domain every host is path style', () => {
    expect(place('/a/b', { headers: [['Host', 'photos.s3.example.com']] })).toEqual(['object', 'a', 'b'])
  })

  test('an absolute-form target stands in for a missing Host', () => {
    const request = parse('http://photos.s3.example.com/a', { headers: [], domain: 's3.example.com' })
    expect([request.bucket, request.key, request.host]).toEqual(['photos', 'a', 'photos.s3.example.com'])
  })
})

describe('query', () => {
  test('P-023: ?acl and ?acl= are the same, and the first of several values counts', () => {
    expect(parse('/b?acl').query.get('acl')).toBe('')
    expect(parse('/b?acl=').query.get('acl')).toBe('')
    expect(parse('/b?a=1&a=2&&c').query.get('a')).toBe('1')
    expect(parse('/b?a=1&a=2&&c').query.names()).toEqual(['a', 'c'])
    expect(parse('/b').query.has('acl')).toBe(false)
  })

  test('P-030: a plus in a value stays a plus', () => {
    expect(parse('/b?prefix=a+b%2Bc%20d').query.get('prefix')).toBe('a+b+c d')
  })

  test('raw path and raw query are what was sent', () => {
    const { rawPath, rawQuery } = parse('/b/a%2fb?x-id=PutObject&c=%41')
    expect([rawPath, rawQuery]).toEqual(['/b/a%2fb', 'x-id=PutObject&c=%41'])
  })
})

describe('headers', () => {
  test('names are lower-cased, duplicates joined, pairs kept as received', () => {
    const { headers, headerPairs } = parse('/', { headers: ['X-Amz-Meta-A', '1', 'x-amz-meta-a', '2', 'HOST', 'h'] })
    expect(headers.get('x-amz-meta-a')).toBe('1,2')
    expect(headers.startingWith('x-amz-meta-')).toEqual([['x-amz-meta-a', '1,2']])
    expect(headerPairs).toEqual([
      ['x-amz-meta-a', '1'],
      ['x-amz-meta-a', '2'],
      ['host', 'h'],
    ])
  })

  test('P-055: x-amz-* of a presigned URL count as headers, the signature itself does not', () => {
    const { headers } = parse(
      '/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab&X-Amz-Date=d&x-amz-meta-Name=%C3%BC&X-Amz-Acl=private&x-id=Get',
    )
    expect(headers.startingWith('x-amz-')).toEqual([
      ['x-amz-meta-name', 'Ã¼'], // as Latin-1, one character per byte
      ['x-amz-acl', 'private'],
    ])
    expect(headers.get('x-id')).toBeUndefined()
  })

  test('a header wins over a parameter of the same name', () => {
    const { headers } = parse('/b/k?x-amz-acl=public-read', { headers: [['x-amz-acl', 'private']] })
    expect(headers.get('x-amz-acl')).toBe('private')
  })
})

describe('a form posted to the service', () => {
  const posted = (rawUrl: string, headers: Readonly<Record<string, string>> = {}) =>
    parseS3Request({ method: 'POST', rawUrl, headers: Object.entries(headers) })
  const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', 'content-length': '9' }

  test.each([
    ['/', form, true],
    ['/?Action=A', { 'content-length': '0' }, true],
    ['/?Action=A', {}, true],
    ['/', { ...form, 'content-type': 'Application/X-WWW-Form-URLEncoded' }, true],
    ['/', { 'content-type': form['content-type'], 'transfer-encoding': 'chunked' }, true],
    ['/', { 'transfer-encoding': 'chunked' }, false],
    ['/', { ...form, 'content-type': 'application/x-www-form-urlencoded-not' }, false],
    ['/', { ...form, 'content-type': 'multipart/form-data; boundary=x' }, false],
    ['/bucket', form, false],
  ])('is known by place and type: %s %j: %s', (rawUrl, headers, known) => {
    expect(isServiceForm(posted(rawUrl, headers))).toBe(known)
    expect(isServiceForm({ ...posted(rawUrl, headers), method: 'PUT' })).toBe(false)
  })

  test('has its fields among the parameters, those of the query first, "+" a space in both', () => {
    const request = withForm(posted('/?a=1+2&b=%2B'), Buffer.from('a=3&c=x+%26+%C3%A4&d&e=ä'))
    expect(request.query.names().map((name) => [name, request.query.get(name)])).toEqual([
      ['a', '1 2'],
      ['b', '+'],
      ['c', 'x & ä'],
      ['d', ''],
      ['e', 'ä'],
    ])
    expect(request.rawQuery).toBe('a=1+2&b=%2B')
    expect(withForm(posted('/'), Buffer.alloc(0)).bodySha256).toMatch(/^e3b0c44298fc1c14/)
  })

  test.each(['a=%', 'a=%zz', 'a=%ff'])('that cannot be decoded is refused: %s', (body) => {
    expect(() => withForm(posted('/'), Buffer.from(body))).toThrow('InvalidURI')
  })
})
