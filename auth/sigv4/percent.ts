/** Percent-encoding as SigV4 wants it: bytes in Latin-1 strings, everything but `A-Za-z0-9-._~` as upper-case `%XX` (P-028). */

const UNRESERVED = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'

/** ENCODED[byte] is how that byte is written. */
const ENCODED: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return UNRESERVED.includes(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
})

/** Nothing in it that would be written differently; `%` is looked at one by one. */
const CANONICAL_ALREADY = /^[A-Za-z0-9\-._~]*$/

/**
 * Decodes once and encodes once. A `%` that is not followed by two hex digits stands for itself: refusing it with
 * InvalidURI is the router's business, and a signature over it can still be compared.
 *
 * `a+b%7ec%2f` → `a%2Bb~c%2F`
 */
export function reencode(text: string): string {
  if (CANONICAL_ALREADY.test(text)) return text
  let encoded = ''
  for (let at = 0; at < text.length; at += 1) {
    let byte = text.charCodeAt(at)
    if (byte === PERCENT) {
      const decoded = hexByte(text, at + 1)
      if (decoded >= 0) {
        byte = decoded
        at += 2
      }
    }
    encoded += ENCODED[byte & 0xff]
  }
  return encoded
}

/** Decodes once, as UTF-8; a `%` without two hex digits stands for itself and `+` for a plus (P-030). */
export function decodeOnce(text: string): string {
  if (!text.includes('%')) return text
  if (ASCII.test(text)) {
    try {
      return decodeURIComponent(text)
    } catch {
      // Stray percent signs, or no UTF-8: byte by byte.
    }
  }
  const bytes: number[] = []
  for (let at = 0; at < text.length; at += 1) {
    const decoded = text.charCodeAt(at) === PERCENT ? hexByte(text, at + 1) : -1
    bytes.push(decoded >= 0 ? decoded : text.charCodeAt(at) & 0xff)
    if (decoded >= 0) at += 2
  }
  return Buffer.from(bytes).toString('utf8')
}

const ASCII = /^[\x00-\x7f]*$/
const PERCENT = 0x25

function hexByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at))
  const low = hexDigit(text.charCodeAt(at + 1))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** -1 for anything else, NaN (past the end) included. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  if (code >= 0x61 && code <= 0x66) return code - 0x57
  return -1
}
