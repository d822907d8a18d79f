/** Parameters that the listings have in common: how many, how names are written, where to go on. */

import { GatewayError } from './gateway-error.ts'
import type { S3Query } from './s3-request.ts'

const PAGE_MAX = 1000

/**
 * max-keys, max-parts, max-uploads: 0 … `limit`, larger values silently `limit`, absent or empty = `limit` (P-106).
 * Throws InvalidArgument when it is not a number or negative.
 */
export function parseMax(query: S3Query, name: string, limit = PAGE_MAX): number {
  const text = query.get(name)
  if (text === undefined || text === '') return limit
  if (!/^\d+$/.test(text)) {
    const isNumber = /^-\d+$/.test(text)
    throw invalidArgument(
      name,
      text,
      isNumber
        ? `Argument ${name} must be an integer between 0 and 2147483647`
        : `Provided ${name} not an integer or within integer range`,
    )
  }
  if (Number(text) > 2_147_483_647) {
    throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`)
  }
  return Math.min(Number(text), limit)
}

/** max-buckets of ListBuckets: 1 … 10,000, undefined when absent (P-116). Throws InvalidArgument outside. */
export function parseMaxBuckets(query: S3Query): number | undefined {
  const text = query.get('max-buckets')
  if (text === undefined) return undefined
  const max = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (max < 1 || max > 10_000) {
    throw invalidArgument('max-buckets', text, 'Argument max-buckets must be an integer between 1 and 10000')
  }
  return max
}

/** part-number-marker: parts greater than this; absent and empty are 0 (P-119). Throws InvalidArgument. */
export function parsePartNumberMarker(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647) {
    throw invalidArgument(
      'part-number-marker',
      text,
      'Argument part-number-marker must be an integer between 0 and 2147483647',
    )
  }
  return Number(text)
}

/** How names are written in a listing. Tokens are never encoded (P-097). */
export type NameEncoding = {
  /** For the EncodingType element. */
  readonly type: 'url' | undefined
  encode(name: string): string
}

/** Throws InvalidArgument for anything but `url`, the empty value too (P-095). */
export function parseEncodingType(query: S3Query): NameEncoding {
  const type = query.get('encoding-type')
  if (type === undefined) return { type: undefined, encode: (name) => name }
  if (type === 'url') return { type, encode: encodeKey }
  throw invalidArgument('encoding-type', type, 'Invalid Encoding Method specified in Request')
}

/** S3's url encoding of keys: everything but `A-Z a-z 0-9 - _ . ~ /`, which encodeURIComponent is not (P-096). */
export function encodeKey(key: string): string {
  if (PLAIN.test(key)) return key
  return encodeURIComponent(key)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

const PLAIN = /^[A-Za-z0-9\-_.~/]*$/

export type ObjectPage = {
  readonly prefix: string
  readonly delimiter: string
  readonly max: number
  readonly encoding: NameEncoding
  /** Keys and common prefixes greater than this. */
  readonly after: string
}

/** ListObjects, version 1: `marker`. Parameters of version 2 are ignored (P-111). */
export function parseListV1(query: S3Query): ObjectPage & { readonly marker: string } {
  const marker = query.get('marker') ?? ''
  return { ...commonOf(query), after: marker, marker }
}

export type PageTokens = {
  readonly sealToken: (text: string) => string
  /** undefined for a token that is not ours. */
  readonly openToken: (token: string) => string | undefined
}

/**
 * ListObjectsV2: a continuation token wins over start-after; both are echoed, as sent. An empty token counts as absent and is
 * echoed all the same (P-109). Throws InvalidArgument for a token that is not ours.
 */
export function parseListV2(
  query: S3Query,
  openToken: PageTokens['openToken'],
): ObjectPage & {
  readonly startAfter: string | undefined
  readonly continuationToken: string | undefined
  readonly fetchOwner: boolean
} {
  const startAfter = query.get('start-after')
  const continuationToken = query.get('continuation-token')
  return {
    ...commonOf(query),
    after: openContinuation(continuationToken, openToken) ?? startAfter ?? '',
    startAfter,
    continuationToken,
    fetchOwner: query.get('fetch-owner') === 'true',
  }
}

/** What a continuation token says; undefined for an absent or empty one. Throws InvalidArgument for one that is not ours. */
export function openContinuation(token: string | undefined, openToken: PageTokens['openToken']): string | undefined {
  if (token === undefined || token === '') return undefined
  const text = openToken(token)
  if (text === undefined) {
    throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect')
  }
  return text
}

function commonOf(query: S3Query): Omit<ObjectPage, 'after'> {
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    max: parseMax(query, 'max-keys'),
    encoding: parseEncodingType(query),
  }
}

function invalidArgument(name: string, value: string, message: string): GatewayError {
  return new GatewayError('InvalidArgument', { message, ArgumentName: name, ArgumentValue: value })
}
