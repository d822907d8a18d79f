import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'

/**
 * Key ↔ path, as README.md publishes it. Pure, total over the keys S3 allows, the same on every mount, and a bijection: each key
 * has one path and one alias that no other key has, and a name on disk counts only when encoding what it decodes to gives it back.
 *
 *   name = plain | ".%" kind payload        kind: e escaped, = stepped aside, + continues, @ version
 *
 * Bytes are kept as they are: no case is folded, nothing is normalised.
 */
export type KeyPath = {
  /** Where the object's file lies, relative to the bucket's directory: "a//b" → 'a/.%e/b'. */
  readonly path: string
  /** Where the file lies while a directory has its name: "a/b" → 'a/.%=b'. */
  readonly alias: string
  /** Of a key ending in '/', the directory that carries the record when there are no bytes: "a/" → 'a' (`path` is 'a/.%e'). */
  readonly directory: string | undefined
  /** How many directories `path` lies in. */
  readonly depth: number
}

export type DecodedName = {
  readonly kind: 'plain' | 'escaped' | 'aside' | 'continues' | 'version'
  /** Of a name inside a chain, the whole segment, or as much of it as the chain has so far. */
  readonly segment: string
}

/** S3's limit, in bytes of UTF-8. */
export const keyBytesMax = 1024

/** What every file system takes, in bytes. */
const nameBytesMax = 255
/** Behind `.%` and the kind. */
const payloadBytesMax = nameBytesMax - 3

const kinds: Readonly<Record<string, DecodedName['kind']>> = {
  e: 'escaped',
  '=': 'aside',
  '+': 'continues',
  '@': 'version',
}

const neverPlain = /[\x00-\x1f\x7f/]/
const escapable = /[%\x00-\x1f\x7f]/g
/** One unit of an escaped payload: a chain is never split inside it. */
const units = /%[0-9A-F]{2}|[^%]/gu
const reserved = /^(?:\.s3|\.s3-.*|\.causeway|\.snapshot|\.nfs.*|\.fs_command_gateway.*)$/s

/** `key`: 1 to 1,024 bytes of UTF-8; anything else is a mistake of the caller. */
export function keyPath(key: string): KeyPath {
  assert(key !== '' && Buffer.byteLength(key) <= keyBytesMax, 'a key has 1 to 1024 bytes')
  const segments = key.split('/')
  const last = segments.pop() ?? ''
  const parent = segments.map((segment) => `${encodeSegment(segment, false)}/`).join('')
  const path = parent + encodeSegment(last, false)
  return {
    path,
    alias: parent + encodeSegment(last, true),
    directory: last === '' ? parent.slice(0, -1) : undefined,
    depth: path.split('/').length - 1,
  }
}

/** The file name of one segment, or the chain of names, joined by '/', of one that is too long: 'x' → 'x', '' → '.%e', '..' → '.%e..'. */
export function encodeSegment(segment: string, aside: boolean): string {
  assert(segment.isWellFormed() && !segment.includes('/'), 'a segment is well-formed and has no slash')
  if (!aside && isPlain(segment)) return segment
  const pieces = split(toPayload(segment))
  const last = pieces.pop() ?? ''
  return `${pieces.map((piece) => `.%+${piece}/`).join('')}.%${aside ? '=' : 'e'}${last}`
}

/**
 * What a name on disk stands for; undefined for a name that no key gives (not UTF-8, reserved, or another spelling of something).
 * `chain` is the names of the chain it lies in, each with a '/' behind it. Whether a 'continues' is right shows at the chain's end.
 */
export function decodeName(name: Buffer, chain = ''): DecodedName | undefined {
  if (name.length > nameBytesMax || !isUtf8(name)) return undefined
  const text = name.toString('utf8')
  if (!text.startsWith('.%')) return chain === '' && isPlain(text) ? { kind: 'plain', segment: text } : undefined
  const kind = kinds[text.charAt(2)]
  if (kind === undefined) return undefined
  if (kind === 'version') return chain === '' ? { kind, segment: text.slice(3) } : undefined
  const pieces = (chain + text).split('/').map((piece) => piece.slice(3))
  const payload = pieces.join('')
  const segment = fromPayload(payload)
  // First, because `%2F` decodes to something that is no segment.
  if (text.includes('/') || toPayload(segment) !== payload) return undefined
  const canonical =
    kind === 'continues' ? isFull(pieces.at(-1) ?? '') : encodeSegment(segment, kind === 'aside') === chain + text
  return canonical ? { kind, segment } : undefined
}

/**
 * The key that a path of raw names, relative to the bucket's directory, stands for; of a directory, the key ending in '/' that it is
 * when it carries a record. undefined: no key has this path.
 */
export function keyOfPath(
  names: readonly Buffer[],
  isDirectory: boolean,
): { readonly key: string; readonly aside: boolean } | undefined {
  const segments: string[] = []
  let chain = ''
  let aside = false
  for (const [index, name] of names.entries()) {
    const decoded = decodeName(name, chain)
    const isFile = !isDirectory && index === names.length - 1
    if (decoded === undefined || decoded.kind === 'version') return undefined
    if (decoded.kind === (isFile ? 'continues' : 'aside')) return undefined
    chain = decoded.kind === 'continues' ? `${chain}${name.toString('utf8')}/` : ''
    if (decoded.kind !== 'continues') segments.push(decoded.segment)
    aside = decoded.kind === 'aside'
  }
  const key = segments.join('/') + (isDirectory ? '/' : '')
  const exists = segments.length > 0 && chain === '' && key !== '' && Buffer.byteLength(key) <= keyBytesMax
  return exists ? { key, aside } : undefined
}

/** Names that belong to the gateway, to NFS or to a file server, at any depth. `.s3-*` are temporaries. */
export function isReservedName(name: Buffer | string): boolean {
  const text = typeof name === 'string' ? name : name.toString('latin1')
  return text.startsWith('.') && reserved.test(text)
}

function isPlain(segment: string): boolean {
  if (segment === '' || neverPlain.test(segment)) return false
  if (segment.startsWith('.')) {
    if (segment === '.' || segment === '..' || segment.startsWith('.%') || isReservedName(segment)) return false
  }
  // A UTF-16 unit is at most three bytes.
  return segment.length * 3 <= nameBytesMax || Buffer.byteLength(segment) <= nameBytesMax
}

const toPayload = (segment: string): string =>
  segment.replace(escapable, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)

const fromPayload = (payload: string): string =>
  payload.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** Pieces as long as they can be, cut between units: the one way to cut, so that a chain can be checked. */
function split(payload: string): string[] {
  if (Buffer.byteLength(payload) <= payloadBytesMax) return [payload]
  const pieces: string[] = []
  let piece = ''
  let pieceBytes = 0
  for (const unit of payload.match(units) ?? []) {
    const unitBytes = Buffer.byteLength(unit)
    if (pieceBytes + unitBytes > payloadBytesMax) {
      pieces.push(piece)
      piece = ''
      pieceBytes = 0
    }
    piece += unit
    pieceBytes += unitBytes
  }
  return [...pieces, piece]
}

/** A piece is left short of the limit only for a unit that did not fit: at most four bytes. */
const isFull = (piece: string): boolean => Buffer.byteLength(piece) > payloadBytesMax - 4
