/**
 * MurmurHash3_x86_32 of a text in ASCII: an unsigned number of 32 bits.
 * https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
 */
export function murmurhash3(text: string, seed: number): number {
  const bytes = Buffer.from(text, 'latin1')
  const tailAt = bytes.length & ~3
  let hash = seed
  for (let at = 0; at < tailAt; at += 4) {
    hash = Math.imul(rotated(hash ^ mixed(bytes.readInt32LE(at)), 13), 5) + 0xe6546b64
  }
  const tail = (bytes[tailAt] ?? 0) | ((bytes[tailAt + 1] ?? 0) << 8) | ((bytes[tailAt + 2] ?? 0) << 16)
  return finished(hash ^ mixed(tail) ^ bytes.length)
}

function mixed(block: number): number {
  return Math.imul(rotated(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593)
}

function finished(hash: number): number {
  let last = hash
  last = Math.imul(last ^ (last >>> 16), 0x85ebca6b)
  last = Math.imul(last ^ (last >>> 13), 0xc2b2ae35)
  return (last ^ (last >>> 16)) >>> 0
}

const rotated = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
