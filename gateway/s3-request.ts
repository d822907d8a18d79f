/**
 * A request in S3's words. Pure: request target + Host + headers → bucket, key, query, headers. Nothing here normalises: the
 * path is split at its first slashes and decoded exactly once, so `a/../b`, `//` and `.` are keys like any other (P-009, P-010).
 */

import { createHash } from 'node:crypto'
import { GatewayError } from './gateway-error.ts'

/** What a request is about: ListBuckets the service, the others a bucket or an object in it. */
export type Scope = 'service' | 'bucket' | 'object'

/** Query parameters, percent-decoded once (`+` stays a plus, P-030). `?acl` and `?acl=` are the same (P-023). */
export type S3Query = {
  has(name: string): boolean
  /** The first value; '' for `?acl`. */
  get(name: string): string | undefined
  names(): readonly string[]
}

/** Headers by lower-case name, values Latin-1. x-amz-* parameters of a presigned URL count as headers (P-055). */
export type S3Headers = {
  get(name: string): string | undefined
  /** [name, value] of all that start so, in order. */
  startingWith(prefix: string): readonly (readonly [string, string])[]
}

type Pairs = readonly (readonly [string, string])[]

export type S3Request = {
  readonly method: string
  /** The request target up to `?`, exactly as received; without scheme and authority of an absolute-form target. */
  readonly rawPath: string
  /** What follows the first `?`, exactly as received; '' when there is none. */
  readonly rawQuery: string
  /** '' at the service root. */
  readonly bucket: string
  /** Decoded exactly once; '' unless the scope is 'object'. */
  readonly key: string
  readonly scope: Scope
  readonly query: S3Query
  readonly headers: S3Headers
  /** [name in lower case, value], as received, in order, duplicates kept: what signatures are computed over. */
  readonly headerPairs: Pairs
  /** The Host header as sent, with its port; '' when there is none. */
  readonly host: string
  /** Of the body, where it was read to know what is asked (`withForm`); lower-case hex. */
  readonly bodySha256?: string
}

export type RawRequest = {
  readonly method: string
  /** Node's `request.url`: the request target as on the request line. */
  readonly rawUrl: string
  /** Node's `rawHeaders` ([name, value, name, value …]) or pairs; values Latin-1. */
  readonly headers: readonly string[] | Pairs
  /** Hosts `<bucket>.<domain>` are virtual-host style (P-016). Without it every request is path style. */
  readonly domain?: string | undefined
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const KEY_MAX_BYTES = 1024

/** Throws GatewayError InvalidURI (bad percent-encoding, bad UTF-8) and KeyTooLongError (P-137). */
export function parseS3Request(input: RawRequest): S3Request {
  const { rawPath, rawQuery, authority } = splitTarget(input.rawUrl)
  const headerPairs = pairsOf(input.headers)
  const host = firstValue(headerPairs, 'host') ?? authority
  const queryPairs = parseQuery(rawQuery)
  const hostBucket = input.domain === undefined ? '' : bucketOfHost(host, input.domain)
  const { bucket, key } = hostBucket === '' ? splitPath(rawPath) : { bucket: hostBucket, key: decode(rawPath.slice(1)) }
  if (Buffer.byteLength(key) > KEY_MAX_BYTES) {
    throw new GatewayError('KeyTooLongError', { Size: Buffer.byteLength(key), MaxSizeAllowed: KEY_MAX_BYTES })
  }
  return {
    method: input.method,
    rawPath,
    rawQuery,
    bucket,
    key,
    scope: bucket === '' ? 'service' : key === '' ? 'bucket' : 'object',
    query: s3Query(queryPairs),
    headers: s3Headers(headerPairs, queryPairs),
    headerPairs,
    host,
  }
}

/**
 * Whether a request speaks AWS's query protocol: STS and IAM are asked by a form that is posted to the service itself, and some clients put its
 * fields into the query and send no body. Then `withForm` says what is asked.
 */
export function isServiceForm({ method, scope, headers }: S3Request): boolean {
  if (method !== 'POST' || scope !== 'service') return false
  const hasBody = !/^0*$/.test(headers.get('content-length') ?? '') || headers.get('transfer-encoding') !== undefined
  return !hasBody || /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers.get('content-type') ?? '')
}

/** The request with its form's fields among the parameters; in forms `+` is a space, in the query of such a request, too. Throws InvalidURI. */
export function withForm(request: S3Request, body: Buffer): S3Request {
  const fields = [request.rawQuery, body.toString('latin1')].flatMap((text) => parseQuery(text.replaceAll('+', '%20')))
  return { ...request, query: s3Query(fields), bodySha256: createHash('sha256').update(body).digest('hex') }
}

/** Origin form `/a/b?c`, or absolute form `http://host/a/b?c` (RFC 9112 3.2.2), or `*` of OPTIONS. */
function splitTarget(target: string): { rawPath: string; rawQuery: string; authority: string } {
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(target)
  const rest = absolute === null ? target : target.slice(absolute[0].length)
  const mark = rest.indexOf('?')
  const path = mark === -1 ? rest : rest.slice(0, mark)
  return {
    rawPath: path === '' || path === '*' ? '/' : path,
    rawQuery: mark === -1 ? '' : rest.slice(mark + 1),
    authority: absolute?.[1] ?? '',
  }
}

/** `/bucket`, `/bucket/` (the same, P-025) and `/bucket/key`. `//key` has an empty bucket name, which is no bucket at all. */
function splitPath(rawPath: string): { bucket: string; key: string } {
  if (!rawPath.startsWith('/')) throw new GatewayError('InvalidURI')
  const slash = rawPath.indexOf('/', 1)
  const bucket = decode(slash === -1 ? rawPath.slice(1) : rawPath.slice(1, slash))
  const key = slash === -1 ? '' : decode(rawPath.slice(slash + 1))
  if (bucket === '' && rawPath !== '/') throw new GatewayError('InvalidBucketName', { BucketName: '' })
  return { bucket, key }
}

/** The bucket of `<bucket>.<domain>[:port]`, '' for any other host. Host names have no case. */
function bucketOfHost(host: string, domain: string): string {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  const suffix = `.${domain.toLowerCase()}`
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : ''
}

/** Percent-decoding to UTF-8, once. NUL is let through: the namespace stores it escaped. */
function decode(text: string): string {
  if (!text.includes('%') && !NOT_ASCII.test(text)) return text
  try {
    // Node gives the request target as Latin-1: bytes that a client left unencoded are decoded as the UTF-8 they are.
    return decodeURIComponent(text.replace(NOT_ASCII_ALL, (byte) => `%${byte.charCodeAt(0).toString(16)}`))
  } catch {
    throw new GatewayError('InvalidURI')
  }
}

const NOT_ASCII = /[\u0080-\u00ff]/
const NOT_ASCII_ALL = /[\u0080-\u00ff]/g

function parseQuery(rawQuery: string): Pairs {
  if (rawQuery === '') return []
  const pairs: [string, string][] = []
  for (const part of rawQuery.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    pairs.push(equals === -1 ? [decode(part), ''] : [decode(part.slice(0, equals)), decode(part.slice(equals + 1))])
  }
  return pairs
}

function pairsOf(headers: readonly string[] | Pairs): Pairs {
  const pairs: [string, string][] = []
  for (let index = 0; index < headers.length; index++) {
    const item = headers[index]
    if (typeof item === 'string') {
      const value = headers[++index]
      pairs.push([item.toLowerCase(), typeof value === 'string' ? value : ''])
    } else if (item !== undefined) {
      pairs.push([item[0].toLowerCase(), item[1]])
    }
  }
  return pairs
}

function firstValue(pairs: Pairs, name: string): string | undefined {
  return pairs.find(([each]) => each === name)?.[1]
}

function s3Query(pairs: Pairs): S3Query {
  const first = new Map<string, string>()
  for (const [name, value] of pairs) if (!first.has(name)) first.set(name, value)
  return {
    has: (name) => first.has(name),
    get: (name) => first.get(name),
    names: () => [...first.keys()],
  }
}

/** These are the signature itself, not headers that travel in the query. */
const SIGNATURE_PARAMETERS = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
])

function s3Headers(pairs: Pairs, queryPairs: Pairs): S3Headers {
  const values = new Map<string, string>()
  for (const [name, value] of pairs) {
    const before = values.get(name)
    // RFC 9110 5.3: a repeated field is one list; the headers that must not repeat are refused by Node's parser.
    values.set(name, before === undefined ? value : `${before},${value}`)
  }
  for (const [name, value] of queryPairs) {
    const header = name.toLowerCase()
    if (!header.startsWith('x-amz-') || SIGNATURE_PARAMETERS.has(header) || values.has(header)) continue
    // The query was decoded to text; header values are Latin-1, that is, one character per byte of UTF-8.
    values.set(header, Buffer.from(value, 'utf8').toString('latin1'))
  }
  return {
    get: (name) => values.get(name),
    startingWith: (prefix) => [...values].filter(([name]) => name.startsWith(prefix)),
  }
}
