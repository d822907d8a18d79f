import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeRecord, encodeRecord, isMade, madeMark, packParts, type StoredRecord, unpackParts } from './record.ts'

const key = Buffer.alloc(32, 1)

const record: StoredRecord = {
  v: 1,
  kind: 'object',
  sizeBytes: 11,
  mtimeNs: '1796000000123456789',
  eTag: '5eb63bbbe01eeed093cb22bb8f5acdc3',
  owner: { canonicalId: 'a'.repeat(64), displayName: 'Älice' },
  headers: { 'content-type': 'text/plain' },
  metadata: { colour: 'blå' },
}

test('a record comes back as it was, trusted', () => {
  expect(decodeRecord(encodeRecord(record, 'bucket', key), 'bucket', key)).toEqual({
    trusted: true,
    record: expect.objectContaining(record),
  })
})

test('no other byte of a record is believed', () => {
  const bytes = encodeRecord(record, 'bucket', key)
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ flip
      const trusted = decodeRecord(changed, 'bucket', key)?.trusted === true
      // The last character of a base64url value carries two bits that mean nothing: only those may differ.
      const same = trusted && decodeRecord(changed, 'bucket', key)?.record.eTag === record.eTag
      expect(trusted).toBe(same && at === bytes.length - 3)
    }),
  )
})

test('a record of another bucket or another master key is not believed', () => {
  const bytes = encodeRecord(record, 'bucket', key)
  expect(decodeRecord(bytes, 'other', key)?.trusted).toBe(false)
  expect(decodeRecord(bytes, 'bucket', Buffer.alloc(32, 2))?.trusted).toBe(false)
})

test('what is remembered of a record holds for its very text, its bucket and its key', () => {
  const other = Buffer.alloc(32, 2)
  const bytes = encodeRecord(record, 'bucket', key)
  const sameSize = encodeRecord({ ...record, eTag: record.eTag.replace('5', '6') }, 'bucket', key)
  expect(sameSize.length).toBe(bytes.length)
  for (let time = 0; time < 2; time += 1) {
    expect(decodeRecord(bytes, 'bucket', key)).toMatchObject({ trusted: true, record: { eTag: record.eTag } })
    expect(decodeRecord(sameSize, 'bucket', key)?.record.eTag).not.toBe(record.eTag)
    expect(decodeRecord(bytes, 'other', key)?.trusted).toBe(false)
    expect(decodeRecord(bytes, 'bucket', other)?.trusted).toBe(false)
    const forged = Buffer.from(bytes)
    forged[forged.indexOf('5eb6')] = 0x37
    expect(decodeRecord(forged, 'bucket', key)?.trusted).toBe(false)
  }
})

test('what is no record is none, and never an error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('{"v":1,"mac":""}')), (text) => {
      expect(decodeRecord(Buffer.from(text), 'bucket', key)?.trusted ?? false).toBe(false)
    }),
  )
})

test('the mark of a made directory is a mark and no record', () => {
  expect(isMade(madeMark)).toBe(true)
  expect(decodeRecord(madeMark, 'bucket', key)).toBeUndefined()
  expect(isMade(Buffer.from('{'))).toBe(false)
})

test('10,000 equal parts take one row, and every list of parts comes back', () => {
  const equal = Array.from({ length: 10_000 }, (_, index) => ({ partNumber: index + 1, sizeBytes: 8 * 2 ** 20 }))
  expect(packParts(equal)).toEqual([[1, 10_000, 8 * 2 ** 20]])
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 40 })), fc.array(fc.nat(3)), (numbers, sizes) => {
      const parts = numbers
        .sort((a, b) => a - b)
        .map((partNumber, index) => ({ partNumber, sizeBytes: sizes[index] ?? 0 }))
      expect(unpackParts(packParts(parts), undefined)).toEqual(parts)
    }),
  )
})
