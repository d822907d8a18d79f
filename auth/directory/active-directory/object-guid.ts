import { createHash } from 'node:crypto'

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Of a user's objectGUID: lower case, with dashes. It goes into a base DN, `<GUID=…>`, so nothing else may pass. */
export function isObjectGuid(text: string): boolean {
  return GUID.test(text)
}

/**
 * The 16 bytes of an objectGUID as text; the first three groups are little-endian.
 * https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-dtyp/001eec5a-7f8b-4293-9e21-ca349392db40
 */
export function objectGuidText(bytes: Buffer): string {
  if (bytes.length !== 16) throw new Error(`an objectGUID of ${bytes.length} bytes`)
  const hex = bytes.toString('hex')
  const swapped = [bytes.readUInt32LE(0), bytes.readUInt16LE(4), bytes.readUInt16LE(6)]
  const [first, second, third] = swapped.map((value, index) => value.toString(16).padStart(index === 0 ? 8 : 4, '0'))
  return [first, second, third, hex.slice(16, 20), hex.slice(20)].join('-')
}

/**
 * 64 hex digits: the 32 of the objectGUID and 32 of a digest over it. Every gateway reads the user back without a table, a rename changes
 * nothing, and a made-up id is no user's.
 */
export function canonicalIdOf(objectGuid: string): string {
  return `${objectGuid.replaceAll('-', '')}${digestOf(objectGuid)}`
}

/** undefined for an id that canonicalIdOf has not made. */
export function objectGuidOf(canonicalId: string): string | undefined {
  const [, ...groups] =
    /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})[0-9a-f]{32}$/.exec(canonicalId) ?? []
  const objectGuid = groups.join('-')
  return groups.length > 0 && canonicalIdOf(objectGuid) === canonicalId ? objectGuid : undefined
}

function digestOf(objectGuid: string): string {
  return createHash('sha256').update(`causeway active-directory user ${objectGuid}`).digest('hex').slice(0, 32)
}
