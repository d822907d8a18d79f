import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contentRange, parseCopyRange, parsePartNumber, parseRange, partRange } from './byte-range.ts'

const range = (offset: number, lengthBytes: number) => ({ offset, lengthBytes })

describe('Range', () => {
  test.each([
    ['bytes=0-0', range(0, 1)],
    ['bytes=2-4', range(2, 3)],
    ['bytes=2-', range(2, 8)],
    ['bytes=2-99', range(2, 8)], // clamped
    ['bytes=2-99999999999999999999999', range(2, 8)],
    ['bytes=-3', range(7, 3)],
    ['bytes=-10', range(0, 10)],
    ['bytes=-11', range(0, 10)], // P-121: whole, as 206
    ['Bytes=2-4', range(2, 3)],
    [' bytes=2-4 ', range(2, 3)],
  ])('P-121: %s of ten bytes', (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected)
  })

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=999-1000'])('P-121: %s is InvalidRange', (header) => {
    const detail = expect.objectContaining({ RangeRequested: header, ActualObjectSize: 10 })
    expect(() => parseRange(header, 10)).toThrow(expect.objectContaining({ code: 'InvalidRange', detail }))
  })

  test.each(['bytes=1-0', 'bytes=-', 'bytes=0--1', 'items=0-1', 'bytes=0-1,3-4', 'bytes 0-1', '0-1', 'bytes=a-b', ''])(
    'P-122: %s is ignored',
    (header) => {
      expect(parseRange(header, 10)).toBeUndefined()
    },
  )

  test.each(['bytes=0-', 'bytes=0-0', 'bytes=-1', 'bytes=-0', 'bytes=5-6'])('P-123: %s of nothing is 416', (header) => {
    expect(() => parseRange(header, 0)).toThrow(expect.objectContaining({ code: 'InvalidRange' }))
  })

  test('no header is the whole object', () => {
    expect(parseRange(undefined, 10)).toBeUndefined()
  })

  test('whatever is answered lies within the object and is what a slice would give', () => {
    const numbers = fc.nat(30)
    fc.assert(
      fc.property(numbers, fc.option(numbers), fc.nat(20), (first, last, sizeBytes) => {
        const bytes = Buffer.from(Array.from({ length: sizeBytes }, (_, index) => index))
        const wanted = last === null ? bytes.subarray(first) : bytes.subarray(first, last + 1)
        const parse = () => parseRange(`bytes=${first}-${last ?? ''}`, sizeBytes)
        if (last !== null && last < first) {
          expect(parse()).toBeUndefined()
        } else if (first >= sizeBytes) {
          expect(parse).toThrow(expect.objectContaining({ code: 'InvalidRange' }))
        } else {
          const { offset, lengthBytes } = parse() ?? range(-1, -1)
          expect(bytes.subarray(offset, offset + lengthBytes)).toEqual(wanted)
        }
      }),
    )
  })

  test('Content-Range names the first and the last byte', () => {
    expect(contentRange(range(0, 8), 8)).toBe('bytes 0-7/8')
  })
})

describe('P-162: x-amz-copy-source-range', () => {
  test('bytes=a-b is taken as it stands', () => {
    expect(parseCopyRange('bytes=2-9')(10)).toEqual(range(2, 8))
  })

  test('without one the whole source is taken, an empty one too', () => {
    expect(parseCopyRange(undefined)(10)).toEqual(range(0, 10))
    expect(parseCopyRange(undefined)(0)).toEqual(range(0, 0))
  })

  test.each(['bytes=2-', 'bytes=-2', '0-2', 'bytes=0', 'bytes=5-2', 'bytes=0-0,3-5', 'bytes=hello-world', ''])(
    '%s is refused before the source is looked at',
    (header) => {
      const detail = expect.objectContaining({ ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header })
      expect(() => parseCopyRange(header)).toThrow(expect.objectContaining({ code: 'InvalidArgument', detail }))
    },
  )

  test('a last byte past the end is InvalidArgument, a first byte past the end InvalidRequest', () => {
    expect(() => parseCopyRange('bytes=0-10')(10)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        message: 'Range specified is not valid for source object of size: 10',
      }),
    )
    expect(() => parseCopyRange('bytes=10-20')(10)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
  })
})

describe('partNumber', () => {
  const parts = [
    { partNumber: 1, sizeBytes: 5 },
    { partNumber: 2, sizeBytes: 5 },
    { partNumber: 7, sizeBytes: 3 },
  ]

  test('P-156: 1 to 10,000', () => {
    expect(parsePartNumber('1')).toBe(1)
    expect(parsePartNumber('10000')).toBe(10_000)
    expect(parsePartNumber(undefined, 'bytes=0-1')).toBeUndefined()
  })

  test.each(['0', '10001', '-1', '1.5', 'x', '', '99999999999'])('P-156: %s is InvalidArgument', (value) => {
    expect(() => parsePartNumber(value)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  test('P-124: together with Range it is InvalidRequest', () => {
    expect(() => parsePartNumber('1', 'bytes=0-1')).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
  })

  test('P-124: a part is where the parts before it end', () => {
    expect(partRange(2, { sizeBytes: 13, parts })).toEqual(range(5, 5))
    expect(partRange(3, { sizeBytes: 13, parts })).toEqual(range(10, 3))
  })

  test('P-124, P-212: out of range is 416 with the number of parts; a single PUT has one', () => {
    expect(partRange(1, { sizeBytes: 8, parts: undefined })).toEqual(range(0, 8))
    expect(() => partRange(4, { sizeBytes: 13, parts })).toThrow(
      expect.objectContaining({ code: 'InvalidPartNumber', detail: { PartNumberRequested: 4, ActualPartCount: 3 } }),
    )
    expect(() => partRange(2, { sizeBytes: 8, parts: undefined })).toThrow(
      expect.objectContaining({ detail: { PartNumberRequested: 2, ActualPartCount: 1 } }),
    )
  })
})
