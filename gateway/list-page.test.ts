import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  encodeKey,
  parseEncodingType,
  parseListV1,
  parseListV2,
  parseMax,
  parseMaxBuckets,
  parsePartNumberMarker,
} from './list-page.ts'
import { parseS3Request } from './s3-request.ts'

const query = (rawQuery: string) => parseS3Request({ method: 'GET', rawUrl: `/b?${rawQuery}`, headers: [] }).query
const invalidArgument = expect.objectContaining({ code: 'InvalidArgument' })

describe('P-106: max-keys', () => {
  test.each([
    ['', 1000],
    ['max-keys=', 1000],
    ['max-keys=0', 0],
    ['max-keys=7', 7],
    ['max-keys=1000', 1000],
    ['max-keys=1001', 1000],
    ['max-keys=2147483647', 1000],
  ])('%s is %i', (rawQuery, expected) => {
    expect(parseMax(query(rawQuery), 'max-keys')).toBe(expected)
  })

  test.each(['-1', 'blah', '1e3', '1.5', '2147483648', '99999999999999999999'])('%s is InvalidArgument', (value) => {
    expect(() => parseMax(query(`max-keys=${value}`), 'max-keys')).toThrow(invalidArgument)
  })
})

test('P-116: max-buckets is 1 to 10,000', () => {
  expect(parseMaxBuckets(query(''))).toBeUndefined()
  expect(parseMaxBuckets(query('max-buckets=10000'))).toBe(10_000)
  for (const value of ['0', '10001', '-1', 'x', '']) {
    expect(() => parseMaxBuckets(query(`max-buckets=${value}`))).toThrow(invalidArgument)
  }
})

test('P-119: an absent or empty part-number-marker is 0', () => {
  expect([undefined, '', '0', '10001'].map(parsePartNumberMarker)).toEqual([0, 0, 0, 10_001])
  expect(() => parsePartNumberMarker('x')).toThrow(invalidArgument)
})

describe('encoding-type', () => {
  test('P-095: only url; anything else, the empty value too, is refused', () => {
    expect(parseEncodingType(query('')).encode('a b')).toBe('a b')
    expect(parseEncodingType(query('encoding-type=url')).encode('a b')).toBe('a%20b')
    for (const value of ['', 'URL', 'base64']) {
      expect(() => parseEncodingType(query(`encoding-type=${value}`))).toThrow(
        expect.objectContaining({ message: 'Invalid Encoding Method specified in Request' }),
      )
    }
  })

  test.each([
    ['test_file(3).png', 'test_file%283%29.png'], // AWS's example
    ["a/b!c'd*e", 'a/b%21c%27d%2Ae'],
    ['a b+c', 'a%20b%2Bc'],
    ['\u0001\r\n', '%01%0D%0A'],
    ['é€😀', '%C3%A9%E2%82%AC%F0%9F%98%80'],
    ['A-z_0.9~/', 'A-z_0.9~/'],
  ])('P-096: %j is written %s', (key, expected) => {
    expect(encodeKey(key)).toBe(expected)
  })

  test('P-096: any key comes back, and only unreserved characters and slashes stand unencoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (key) => {
        expect(encodeKey(key)).toMatch(/^(?:[A-Za-z0-9\-_.~/]|%[0-9A-F]{2})*$/)
        expect(decodeURIComponent(encodeKey(key))).toBe(key)
      }),
    )
  })
})

describe('where a page begins', () => {
  const open = (token: string) => (token.startsWith('t:') ? token.slice(2) : undefined)

  test('P-107, P-111: version 1 goes by marker and ignores what is of version 2', () => {
    const page = parseListV1(query('marker=m&start-after=s&continuation-token=zzz&prefix=p&delimiter=%2F'))
    expect(page).toMatchObject({ after: 'm', marker: 'm', prefix: 'p', delimiter: '/', max: 1000 })
    expect(parseListV1(query(''))).toMatchObject({ after: '', marker: '', prefix: '', delimiter: '' })
  })

  test('P-109: a token wins over start-after, and both are echoed', () => {
    const page = parseListV2(query('start-after=s&continuation-token=t:x&fetch-owner=true'), open)
    expect(page).toMatchObject({ after: 'x', startAfter: 's', continuationToken: 't:x', fetchOwner: true })
  })

  test('P-109: an empty token counts as absent and is echoed as it is', () => {
    const page = parseListV2(query('start-after=s&continuation-token='), open)
    expect(page).toMatchObject({ after: 's', continuationToken: '', fetchOwner: false })
  })

  test('P-109: a token that is not ours is InvalidArgument', () => {
    expect(() => parseListV2(query('continuation-token=garbage'), open)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', message: 'The continuation token provided is incorrect' }),
    )
  })
})
