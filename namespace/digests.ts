import type { DigestName } from './files.ts'
import { native } from './native/native.ts'

/** In the order of the addon's bits, with the length of the raw digest in bytes. */
const digestLengths = { MD5: 16, SHA1: 20, SHA256: 32, CRC32: 4, CRC32C: 4, CRC64NVME: 8 } as const satisfies Record<
  DigestName,
  number
>
const table = Object.entries(digestLengths).map(([name, bytes], index) => {
  // Object.entries forgets the keys' type.
  return { name: name as DigestName, bytes, bit: 1 << index }
})

export type Digests = Readonly<Partial<Record<DigestName, Buffer>>>

/** The addon's set of digests for these names; a name given twice counts once. */
export function digestBits(names: readonly DigestName[]): number {
  return table.reduce((bits, { name, bit }) => (names.includes(name) ? bits | bit : bits), 0)
}

/** Cuts the addon's answer, raw digests behind one another, into its parts. */
export function splitDigests(bits: number, raw: Buffer): Digests {
  const digests: Partial<Record<DigestName, Buffer>> = {}
  let offset = 0
  for (const { name, bytes, bit } of table) {
    if ((bits & bit) === 0) continue
    digests[name] = raw.subarray(offset, offset + bytes)
    offset += bytes
  }
  return digests
}

/**
 * Raw digests (CRCs big-endian) of bytes in memory, synchronously: for XML bodies and other small things. What is large goes
 * through a Hasher, off the main thread.
 *
 * `digestsOf(['CRC32C'], Buffer.from('123456789')).CRC32C` → `e3069283`
 */
export function digestsOf(names: readonly DigestName[], bytes: Uint8Array): Digests {
  const bits = digestBits(names)
  return splitDigests(bits, native.digest(bits, bytes, false))
}
