/**
 * The canonical request of SigV4, in S3's dialect: no path normalisation, no double encoding.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */

import { reencode } from './percent.ts'
import type { ReceivedHeaders } from './received-headers.ts'

export type CanonicalParts = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: ReceivedHeaders
  /** Lower-case names, in the order in which the client lists them. */
  readonly signedHeaders: readonly string[]
  /** What stands in the last line: a digest or one of the words of x-amz-content-sha256. */
  readonly payloadHash: string
}

/** Latin-1: every character is one byte of what was received. */
export function canonicalRequest(parts: CanonicalParts): string {
  let lines = `${parts.method}\n${parts.path}\n${parts.query}\n`
  for (const name of parts.signedHeaders) lines += `${name}:${canonicalHeader(parts.headers, name)}\n`
  return `${lines}\n${parts.signedHeaders.join(';')}\n${parts.payloadHash}`
}

/** Each segment decoded once and encoded once; `%2F` inside a segment stays (P-028). `/a+b%2fc` → `/a%2Bb%2Fc` */
export function canonicalPath(rawPath: string): string {
  if (PLAIN_PATH.test(rawPath)) return rawPath
  return rawPath.split('/').map(reencode).join('/')
}

const PLAIN_PATH = /^[A-Za-z0-9\-._~/]*$/

/**
 * Every name and value decoded once and encoded once, sorted by name, then value, duplicates kept, an empty value
 * written `name=` (P-031). `+` is a plus, as it is for the router: `prefix=a+b&acl` → `acl=&prefix=a%2Bb`.
 *
 * @param omit a parameter that is left out, X-Amz-Signature of a presigned URL
 */
export function canonicalQuery(rawQuery: string, omit?: string): string {
  if (rawQuery === '') return ''
  const pairs: (readonly [string, string])[] = []
  for (const piece of rawQuery.split('&')) {
    if (piece === '') continue
    const equals = piece.indexOf('=')
    const name = reencode(equals < 0 ? piece : piece.slice(0, equals))
    if (name !== omit) pairs.push([name, equals < 0 ? '' : reencode(piece.slice(equals + 1))])
  }
  // Encoded text is ASCII, so comparing code units compares bytes. The pair, not `name=value`: "-" sorts before "=".
  pairs.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

/** The query as it was sent, without one parameter. */
export function rawQueryWithout(rawQuery: string, omit: string | undefined): string {
  if (omit === undefined) return rawQuery
  return rawQuery
    .split('&')
    .filter((piece) => reencode(piece.split('=', 1)[0] ?? '') !== omit)
    .join('&')
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/**
 * Trimmed, inner white space collapsed, duplicates joined by a comma (P-032). A header that did not arrive is empty, so
 * the signature fails (P-054); but `Expect`, which nginx does not pass on (P-002) and old clients sign, has only one value.
 */
function canonicalHeader(headers: ReceivedHeaders, name: string): string {
  const values = headers.get(name)
  if (values === undefined) return name === 'expect' ? '100-continue' : ''
  return values.map(trimAll).join(',')
}

function trimAll(value: string): string {
  const inner = value.includes('  ') || value.includes('\t') ? value.replace(/[ \t]+/g, ' ') : value
  const start = inner.startsWith(' ') ? 1 : 0
  return inner.endsWith(' ') ? inner.slice(start, -1) : inner.slice(start)
}
