import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalPath, canonicalQuery, canonicalRequest, rawQueryWithout } from './canonical-request.ts'
import { receivedHeaders } from './received-headers.ts'

describe('the canonical path', () => {
  it.each([
    ['/', '/'],
    ['/photos/2026/cat.jpg', '/photos/2026/cat.jpg'],
    ['/a+b@c:(d)', '/a%2Bb%40c%3A%28d%29'],
    ['/a%2bb%40c', '/a%2Bb%40c'],
    ['/a%7Eb', '/a~b'],
    ['/a b', '/a%20b'],
    ['//a//b/', '//a//b/'],
    ['/a/../b/./c', '/a/../b/./c'],
    ['/a%2Fb', '/a%2Fb'],
    ['/%C3%A9', '/%C3%A9'],
    ['/\xc3\xa9', '/%C3%A9'],
    ['/a%2541', '/a%2541'],
    ['/100%', '/100%25'],
    ['/%zz%4', '/%25zz%254'],
  ])('of %s is %s (P-028, P-030)', (rawPath, expected) => {
    expect(canonicalPath(rawPath)).toBe(expected)
  })

  it('stays itself when it is made canonical again', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('/', '%', '2', 'F', 'a', '+', ' ', '\xe9') }), (rawPath) => {
        const once = canonicalPath(rawPath)
        expect(canonicalPath(once)).toBe(once)
      }),
    )
  })
})

describe('the canonical query', () => {
  it.each([
    ['', ''],
    ['acl', 'acl='],
    ['uploads=', 'uploads='],
    ['b=2&a=1', 'a=1&b=2'],
    ['a=2&a=1&a', 'a=&a=1&a=2'],
    ['a-b=1&a=2', 'a=2&a-b=1'],
    ['B=1&a=2', 'B=1&a=2'],
    ['prefix=a%20b', 'prefix=a%20b'],
    ['prefix=a+b', 'prefix=a%2Bb'],
    ['prefix=a%2bb/c', 'prefix=a%2Bb%2Fc'],
    ['a=b=c', 'a=b%3Dc'],
    ['a=1&&b=2&', 'a=1&b=2'],
    ['a=%zz', 'a=%25zz'],
  ])('of %s is %s (P-031)', (rawQuery, expected) => {
    expect(canonicalQuery(rawQuery)).toBe(expected)
  })

  it('leaves out the signature', () => {
    expect(canonicalQuery('X-Amz-Signature=ab&a=1', 'X-Amz-Signature')).toBe('a=1')
    expect(rawQueryWithout('b=2&X-Amz-Signature=ab&a', 'X-Amz-Signature')).toBe('b=2&a')
  })

  it('stays itself when it is made canonical again', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('&', '=', '%', '2', '6', 'a', '-', '+', ' ', '\xe9') }), (raw) => {
        const once = canonicalQuery(raw)
        expect(canonicalQuery(once)).toBe(once)
      }),
    )
  })
})

it('canonical headers are trimmed and collapsed, duplicates joined, absent ones empty (P-032, P-054)', () => {
  const headers = receivedHeaders([
    ['x-amz-meta-b', '  two   words\t here '],
    ['host', 'example.com'],
    ['x-amz-meta-a', ' one '],
    ['x-amz-meta-a', ''],
    ['x-amz-meta-a', 'é'],
  ])
  const signedHeaders = ['expect', 'host', 'x-amz-meta-a', 'x-amz-meta-b', 'x-amz-meta-c']
  expect(canonicalRequest({ method: 'PUT', path: '/', query: '', headers, signedHeaders, payloadHash: 'P' })).toBe(
    'PUT\n/\n\nexpect:100-continue\nhost:example.com\nx-amz-meta-a:one,,é\nx-amz-meta-b:two words here\nx-amz-meta-c:\n' +
      '\nexpect;host;x-amz-meta-a;x-amz-meta-b;x-amz-meta-c\nP',
  )
})
