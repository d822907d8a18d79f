import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Crc, combineCrcs } from './crc-combine.ts'
import { digestsOf } from './digests.ts'

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

const crcOf = (crc: Crc, piece: Buffer): Buffer => digestsOf([crc], piece)[crc] ?? Buffer.alloc(0)

test.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)('the %s of pieces in a row is that of the whole', (crc) => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 6 }), (pieces) => {
      const combined = combineCrcs(
        crc,
        pieces.map((piece) => ({ value: crcOf(crc, piece), lengthBytes: piece.length })),
      )
      expect(combined).toEqual(crcOf(crc, Buffer.concat(pieces)))
    }),
  )
})

test('a length beyond 32 bits is taken whole', () => {
  const a = { value: crcOf('CRC32', Buffer.from('a')), lengthBytes: 1 }
  let zeros = { value: crcOf('CRC32', Buffer.alloc(1)), lengthBytes: 1 }
  for (let power = 0; power < 33; power += 1) {
    zeros = { value: combineCrcs('CRC32', [zeros, zeros]), lengthBytes: zeros.lengthBytes * 2 }
  }
  // 2^34 zeros behind "a", in one step and in two.
  const double = { value: combineCrcs('CRC32', [zeros, zeros]), lengthBytes: 2 ** 34 }
  expect(combineCrcs('CRC32', [a, double])).toEqual(combineCrcs('CRC32', [a, zeros, zeros]))
})
