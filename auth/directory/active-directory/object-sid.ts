/**
 * The bytes of an objectSid as text: "S-1-5-21-…-1102". The authority is big-endian, what follows little-endian.
 * https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-dtyp/f992ad60-0fe4-4b87-9fed-beb478836861
 */
export function objectSidText(bytes: Buffer): string {
  const count = bytes[1] ?? 0
  if (bytes[0] !== 1 || bytes.length !== 8 + 4 * count) throw new Error(`no SID: ${bytes.toString('hex')}`)
  const parts = Array.from({ length: count }, (_, index) => bytes.readUInt32LE(8 + 4 * index))
  return ['S', 1, bytes.readUIntBE(2, 6), ...parts].join('-')
}

/** Back again: the text in a filter is understood by Samba only. */
export function objectSidBytes(text: string): Buffer {
  if (!/^S-1-\d+(?:-\d+){0,15}$/.test(text)) throw new Error(`no SID: ${text}`)
  const [authority = 0, ...parts] = text.split('-').slice(2).map(Number)
  const bytes = Buffer.alloc(8 + 4 * parts.length)
  bytes.writeUInt8(1, 0)
  bytes.writeUInt8(parts.length, 1)
  bytes.writeUIntBE(authority, 2, 6)
  parts.forEach((part, index) => {
    bytes.writeUInt32LE(part, 8 + 4 * index)
  })
  return bytes
}
