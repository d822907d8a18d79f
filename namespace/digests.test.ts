import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestBits, digestsOf } from './digests.ts'
import { native } from './native/native.ts'

test('the check values of the CRC catalogue come out, big-endian', () => {
  const digests = digestsOf(['CRC32', 'CRC32C', 'CRC64NVME'], Buffer.from('123456789'))
  expect(digests.CRC32?.toString('hex')).toBe('cbf43926')
  expect(digests.CRC32C?.toString('hex')).toBe('e3069283')
  expect(digests.CRC64NVME?.toString('hex')).toBe('ae8b14860a799888')
})

test('only what is asked for is answered, once, in any order', () => {
  expect(digestsOf([], Buffer.from('x'))).toEqual({})
  expect(Object.keys(digestsOf(['SHA256', 'MD5', 'SHA256'], Buffer.from('x')))).toEqual(['MD5', 'SHA256'])
  expect(digestsOf(['SHA1'], Buffer.alloc(0)).SHA1).toEqual(createHash('sha1').digest())
})

test('digests are those of node:crypto and node:zlib', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), (bytes) => {
      const digests = digestsOf(['MD5', 'SHA1', 'SHA256', 'CRC32'], bytes)
      expect(digests.MD5).toEqual(createHash('md5').update(bytes).digest())
      expect(digests.SHA1).toEqual(createHash('sha1').update(bytes).digest())
      expect(digests.SHA256).toEqual(createHash('sha256').update(bytes).digest())
      expect(digests.CRC32?.readUInt32BE()).toBe(crc32(bytes))
    }),
    { numRuns: 50 },
  )
})

test('the processor’s CRC instructions and the portable tables agree, at every length and offset', () => {
  const which = digestBits(['CRC32C', 'CRC64NVME'])
  const bytes = randomBytes(200_000)
  const agree = (from: number, to: number) => {
    const piece = bytes.subarray(from, to)
    expect(native.digest(which, piece, false).equals(native.digest(which, piece, true)), `${from} … ${to}`).toBe(true)
  }
  for (let length = 0; length < 600; length++) agree(length % 17, (length % 17) + length)
  for (let i = 0; i < 100; i++) agree(i * 3, 200_000 - i * 1001)
})
