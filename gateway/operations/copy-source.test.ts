import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkSourceSize, copySource } from './copy-source.ts'
import { headersOf } from './testing/call-operation.ts'

const parse = (value: string) => copySource(headersOf({ 'x-amz-copy-source': value }))

describe('a copy source (P-140)', () => {
  it.each([
    ['photos/cat.jpg', 'photos', 'cat.jpg', undefined],
    ['/photos/cat.jpg', 'photos', 'cat.jpg', undefined],
    ['/photos//cat', 'photos', '/cat', undefined],
    ['photos/2026/a%2Bb+c.jpg', 'photos', '2026/a+b+c.jpg', undefined],
    ['photos%2Fcat.jpg', 'photos', 'cat.jpg', undefined],
    ['photos/cat%2525.txt', 'photos', 'cat%25.txt', undefined],
    ['photos/100%.txt', 'photos', '100%.txt', undefined],
    ['photos/%3FversionId', 'photos', '?versionId', undefined],
    ['photos/%3FversionId=null', 'photos', '?versionId=null', undefined],
    ['photos/cat?versionId=null', 'photos', 'cat', 'null'],
    ['photos/cat?versionId=HPni', 'photos', 'cat', 'HPni'],
    ['photos/../etc/passwd', 'photos', '../etc/passwd', undefined],
    ['photos/a\nb', 'photos', 'a\nb', undefined],
    ['photos/\u00c3\u00a9', 'photos', 'é', undefined],
  ])('%j is bucket %j, key %j, version %j', (header, bucket, key, versionId) => {
    expect(parse(header)).toEqual({ bucket, key, versionId })
  })

  it.each(['', '/', 'photos', 'photos/', '/photos/', '//cat', 'photos/%ff'])('%j is refused (P-141)', (header) => {
    expect(() => parse(header)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  it('of an empty version is refused (P-168)', () => {
    expect(() => parse('photos/cat?versionId=')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  it('comes back as it was for every key that is percent-encoded once', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (key) => {
        const encoded = Buffer.from(key).reduce((text, byte) => `${text}%${byte.toString(16).padStart(2, '0')}`, '')
        expect(parse(`photos/${encoded}`).key).toBe(key)
      }),
    )
  })
})

it('of more than 5 GiB is too large to copy at once (P-145)', () => {
  expect(() => checkSourceSize(5 * 1024 ** 3)).not.toThrow()
  expect(() => checkSourceSize(5 * 1024 ** 3 + 1)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
})
