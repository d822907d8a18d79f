/** What a directory stores as bytes, as people write it: for tests, so that what auth/ makes of the bytes is held against something else. */
/** objectGUID as Windows writes it: 8-4-4-4-12, the first three parts little-endian. */
export function guidText(bytes: Buffer): string {
  const parts = [
    bytes.subarray(0, 4).toReversed(),
    bytes.subarray(4, 6).toReversed(),
    bytes.subarray(6, 8).toReversed(),
  ]
  return [...parts, bytes.subarray(8, 10), bytes.subarray(10)]
    .map((part) => Buffer.from(part).toString('hex'))
    .join('-')
}

/** objectSid as S-1-5-21-…: MS-DTYP 2.4.2.2. */
export function sidText(bytes: Buffer): string {
  const subauthorities = Array.from({ length: bytes.readUInt8(1) }, (_, at) => bytes.readUInt32LE(8 + 4 * at))
  return ['S', bytes.readUInt8(0), bytes.readUIntBE(2, 6), ...subauthorities].join('-')
}
