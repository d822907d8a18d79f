import fc from 'fast-check'
import { expect, it } from 'vitest'
import { murmurhash3 } from './murmurhash3.ts'

// Widely published vectors of the reference implementation, and sssd's of its own (see sid-mapping.test.ts).
it.each([
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['test', 0, 0xba6bd213],
  ['Hello, world!', 0, 0xc0363e43],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ['S-1-5-21-321277845-873389989-806497059', 0xdeadbeef, 224023265],
  ['S-1-5-21-498011193-1797586805-1444140841', 0xdeadbeef, 1997182257],
])('the hash of "%s" with seed %i', (text, seed, hash) => {
  expect(murmurhash3(text, seed)).toBe(hash)
})

const MODULUS = 2n ** 32n
const times = (one: bigint, other: bigint) => (one * other) % MODULUS
const rotate = (value: bigint, bits: bigint) => ((value << bits) | (value >> (32n - bits))) % MODULUS

/** The definition, in whole numbers modulo 2^32: blocks are numbers with the first byte as the last digit. */
function byDefinition(text: string, seed: number): number {
  const bytes = [...text].map((character) => BigInt(character.charCodeAt(0)))
  const blocks = Array.from({ length: Math.ceil(bytes.length / 4) }, (_, index) =>
    bytes.slice(4 * index, 4 * index + 4),
  )
  let hash = BigInt(seed)
  for (const block of blocks) {
    const value = block.reduceRight((sum, byte) => sum * 256n + byte, 0n)
    hash ^= times(rotate(times(value, 0xcc9e2d51n), 15n), 0x1b873593n)
    if (block.length === 4) hash = (times(rotate(hash, 13n), 5n) + 0xe6546b64n) % MODULUS
  }
  hash ^= BigInt(bytes.length)
  hash = times(hash ^ (hash >> 16n), 0x85ebca6bn)
  hash = times(hash ^ (hash >> 13n), 0xc2b2ae35n)
  return Number(hash ^ (hash >> 16n))
}

it('agrees with its definition for texts of every length', () => {
  const text = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 80 })
    .map((bytes) => String.fromCharCode(...bytes))
  fc.assert(
    fc.property(text, fc.nat(0xffffffff), (each, seed) => {
      expect(murmurhash3(each, seed)).toBe(byDefinition(each, seed))
    }),
  )
})
