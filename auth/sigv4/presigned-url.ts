/**
 * Authentication in the query string.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */

import { AuthError } from '../errors.ts'
import { type CredentialScope, checkScope, parseCredential, queryFault } from './credential-scope.ts'
import { signatureVersion2 } from './header-signature.ts'
import { decodeOnce } from './percent.ts'
import { isoExtended, parseIsoBasic, type Timestamp } from './timestamp.ts'

export type PresignedUrl = {
  readonly scope: CredentialScope
  readonly timestamp: Timestamp
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly securityToken: string | undefined
  /** X-Amz-Content-Sha256, where the signer moved that header into the query, as the JavaScript SDK does. */
  readonly payloadHash: string | undefined
}

/** The parameters of authentication that a query carries, decoded; the first of each name. */
export type QueryCredentials = ReadonlyMap<string, string>

const MAX_EXPIRES_S = 7 * 24 * 60 * 60
const MAX_CLOCK_AHEAD_MS = 15 * 60 * 1000

const required = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Signature',
  'X-Amz-Date',
  'X-Amz-SignedHeaders',
  'X-Amz-Expires',
] as const

const collected: ReadonlySet<string> = new Set([
  ...required,
  'X-Amz-Security-Token',
  'AWSAccessKeyId',
  'Signature',
  'Expires',
])

/** Undefined where the query has nothing to do with authentication. */
export function findQueryCredentials(rawQuery: string): QueryCredentials | undefined {
  if (!rawQuery.includes('X-Amz-') && !rawQuery.includes('AWSAccessKeyId')) return undefined
  const found = new Map<string, string>()
  for (const piece of rawQuery.split('&')) {
    const equals = piece.indexOf('=')
    const name = decodeOnce(equals < 0 ? piece : piece.slice(0, equals))
    const known = collected.has(name) ? name : name.toLowerCase() === PAYLOAD_HASH ? PAYLOAD_HASH : undefined
    if (known === undefined || found.has(known)) continue
    found.set(known, equals < 0 ? '' : decodeOnce(piece.slice(equals + 1)))
  }
  return isPresigned(found) || isSignatureVersion2(found) ? found : undefined
}

const PAYLOAD_HASH = 'x-amz-content-sha256'

/** Any of the three that nothing else uses: a URL that lost one of the six is told so (P-051) instead of being anonymous. */
function isPresigned(credentials: QueryCredentials): boolean {
  return credentials.has('X-Amz-Algorithm') || credentials.has('X-Amz-Credential') || credentials.has('X-Amz-Signature')
}

/** `?AWSAccessKeyId=…&Expires=…&Signature=…` (P-043). */
export function isSignatureVersion2(credentials: QueryCredentials): boolean {
  return credentials.has('AWSAccessKeyId') && credentials.has('Signature')
}

/** What a version 2 URL gets: that it is too late, when it is, or that nobody speaks it any more (P-043, P-050). */
export function refuseVersion2(credentials: QueryCredentials, now: Date): AuthError {
  const endMs = Number(credentials.get('Expires')) * 1000
  if (!(endMs >= 0 && endMs <= now.getTime())) return signatureVersion2()
  const times = { Expires: isoExtended(endMs), ServerTime: isoExtended(now.getTime()) }
  return new AuthError('AccessDenied', { message: 'Request has expired', ...times })
}

/** Everything but the signature itself. Throws in AWS's order: form, scope, life time. */
export function parsePresigned(credentials: QueryCredentials, region: string, now: Date): PresignedUrl {
  const [algorithm, credential, signature, date, signedHeaders, expires] = required.map((name) => credentials.get(name))
  if (
    algorithm === undefined ||
    credential === undefined ||
    signature === undefined ||
    date === undefined ||
    signedHeaders === undefined ||
    expires === undefined
  ) {
    throw parametersError(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, ' +
        'X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  checkAlgorithm(algorithm)
  const scope = parseCredential(credential, queryFault)
  const timestamp = parseIsoBasic(date)
  if (timestamp === undefined) {
    throw parametersError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  }
  checkScope(scope, { region, iso: timestamp.iso }, queryFault)
  checkLifeTime(timestamp, parseExpires(expires), now)
  return {
    scope,
    timestamp,
    signedHeaders: signedHeaders.split(';'),
    signature,
    securityToken: credentials.get('X-Amz-Security-Token'),
    payloadHash: credentials.get(PAYLOAD_HASH),
  }
}

function checkAlgorithm(algorithm: string): void {
  if (algorithm === 'AWS4-HMAC-SHA256') return
  if (algorithm === 'AWS4-ECDSA-P256-SHA256') {
    throw new AuthError('NotImplemented', { message: `${algorithm} is not implemented. Use AWS4-HMAC-SHA256.` })
  }
  throw parametersError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
}

/** Seconds. The wording is AWS's (P-211). Zero is legal and over at once (P-049, P-050). */
function parseExpires(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw parametersError('X-Amz-Expires should be a number')
  const seconds = Number(text)
  if (seconds < 0) throw parametersError('X-Amz-Expires must be non-negative')
  if (seconds > MAX_EXPIRES_S) {
    throw parametersError(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ' +
        `${MAX_EXPIRES_S} seconds`,
    )
  }
  return seconds
}

function checkLifeTime(timestamp: Timestamp, expiresS: number, now: Date): void {
  const endMs = timestamp.epochMs + expiresS * 1000
  if (now.getTime() >= endMs) {
    throw new AuthError('AccessDenied', {
      message: 'Request has expired',
      'X-Amz-Expires': expiresS,
      Expires: isoExtended(endMs),
      ServerTime: isoExtended(now.getTime()),
    })
  }
  if (timestamp.epochMs - now.getTime() > MAX_CLOCK_AHEAD_MS) {
    throw new AuthError('AccessDenied', {
      message: 'Request is not valid yet',
      'X-Amz-Date': timestamp.iso,
      ServerTime: isoExtended(now.getTime()),
    })
  }
}

function parametersError(message: string): AuthError {
  return new AuthError('AuthorizationQueryParametersError', { message })
}
