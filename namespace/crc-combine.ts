/**
 * The CRC of a concatenation from the CRCs of its pieces: crc(A · B) = crc(A) · x^(8·|B|) xor crc(B), over GF(2).
 * Mark Adler's method (zlib's crc32_combine), with the power computed by repeated squaring of polynomials. Bits are reflected.
 */
export type Crc = 'CRC32' | 'CRC32C' | 'CRC64NVME'

const polynomials: Readonly<Record<Crc, { readonly bits: bigint; readonly polynomial: bigint }>> = {
  CRC32: { bits: 32n, polynomial: 0xedb88320n },
  CRC32C: { bits: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
}

/** a · b modulo the polynomial; the highest bit is x^0. */
function multiply(a: bigint, b: bigint, { bits, polynomial }: { bits: bigint; polynomial: bigint }): bigint {
  let product = 0n
  let power = b
  for (let bit = bits - 1n; bit >= 0n; bit -= 1n) {
    if ((a >> bit) & 1n) product ^= power
    power = power & 1n ? (power >> 1n) ^ polynomial : power >> 1n
  }
  return product
}

/** x^(8·bytes) modulo the polynomial. */
function powerOfX(bytes: number, field: { bits: bigint; polynomial: bigint }): bigint {
  let result = 1n << (field.bits - 1n)
  let square = 1n << (field.bits - 1n - 8n)
  for (let rest = BigInt(bytes); rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = multiply(result, square, field)
    square = multiply(square, square, field)
  }
  return result
}

/** Raw big-endian bytes in and out; lengths in bytes. */
export function combineCrcs(
  crc: Crc,
  pieces: readonly { readonly value: Buffer; readonly lengthBytes: number }[],
): Buffer {
  const field = polynomials[crc]
  // Parts are mostly of one length: its power is computed once.
  const powers = new Map<number, bigint>()
  const power = (bytes: number): bigint => {
    const known = powers.get(bytes) ?? powerOfX(bytes, field)
    powers.set(bytes, known)
    return known
  }
  let total = 0n
  for (const { value, lengthBytes } of pieces) {
    total = multiply(power(lengthBytes), total, field) ^ BigInt(`0x${value.toString('hex')}`)
  }
  return Buffer.from(total.toString(16).padStart(Number(field.bits / 4n), '0'), 'hex')
}
