/** Repeatable chance. `CAUSEWAY_SEED=<number>` runs a suite again with the seed that it has printed. */
import { createCipheriv, createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export type Random = {
  /** 0 ≤ number < 1. */
  next(): number
  /** A whole number, 0 ≤ number < limit. */
  below(limit: number): number
  pick<Item>(items: readonly Item[]): Item
}

/** The seed of this run, printed so that a failure can be repeated (as far as chance has a part in it). */
export function seedOf(suite: string): number {
  const given = process.env.CAUSEWAY_SEED
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
  console.log(`${suite}: CAUSEWAY_SEED=${seed}`)
  return seed
}

/** mulberry32, public domain: https://github.com/cprosche/mulberry32 */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    pick(items) {
      const item = items[below(items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
  }
}

/** Bytes that look like chance and are the same for the same seed. */
export function randomBytesOf(seed: number, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(String(seed)).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
}

export const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

/** As S3 writes it: base64 of four bytes, big-endian. */
export function crc32Of(bytes: Uint8Array): string {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(bytes))
  return value.toString('base64')
}

/** `"<md5 of the parts' md5s>-<how many>"` (P-154), without quotes. */
export const multipartETag = (parts: readonly Uint8Array[]): string =>
  `${md5(Buffer.concat(parts.map(md5))).toString('hex')}-${parts.length}`
