/**
 * `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
 */

import { AuthError } from '../errors.ts'
import {
  type CredentialScope,
  checkScope,
  type ExpectedScope,
  headerFault,
  parseCredential,
} from './credential-scope.ts'
import { headerValue, type ReceivedHeaders } from './received-headers.ts'
import { parseRequestDate, type Timestamp } from './timestamp.ts'

export type HeaderSignature = {
  readonly scope: CredentialScope
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

const ALGORITHM = 'AWS4-HMAC-SHA256'

/** Throws for every other scheme (P-041, P-043, P-044) and for a value that does not have the three components. */
export function parseAuthorization(value: string): HeaderSignature {
  const space = value.indexOf(' ')
  const scheme = space < 0 ? value : value.slice(0, space)
  if (scheme !== ALGORITHM) throw otherScheme(scheme, value)
  const components = new Map<string, string>()
  for (const piece of value.slice(space + 1).split(',')) {
    const equals = piece.indexOf('=')
    const name = piece.slice(0, Math.max(equals, 0)).trim()
    if (components.has(name)) throw headerFault(`${name} is there twice.`)
    components.set(name, piece.slice(equals + 1).trim())
  }
  const credential = components.get('Credential')
  const signedHeaders = components.get('SignedHeaders')
  const signature = components.get('Signature')
  if (space < 0 || !credential || !signedHeaders || !signature) {
    throw headerFault('the authorization header requires three components: Credential, SignedHeaders, and Signature.')
  }
  return { scope: parseCredential(credential, headerFault), signedHeaders: signedHeaders.split(';'), signature }
}

function otherScheme(scheme: string, value: string): AuthError {
  if (scheme === 'AWS4-ECDSA-P256-SHA256') {
    return new AuthError('NotImplemented', { message: `${scheme} is not implemented. Use ${ALGORITHM}.` })
  }
  if (scheme === 'AWS') return sigV2(value)
  if (scheme.startsWith('AWS4-')) return headerFault(`the algorithm "${scheme}" is not supported. Use ${ALGORITHM}.`)
  return new AuthError('InvalidArgument', {
    message: 'Unsupported Authorization Type',
    ArgumentName: 'Authorization',
    ArgumentValue: value,
  })
}

/** `AWS key:signature` is known and refused (P-043); `AWS HAHAHA` is nothing. */
function sigV2(value: string): AuthError {
  if (value.includes(':')) return signatureVersion2()
  return new AuthError('InvalidArgument', {
    message: 'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
    ArgumentName: 'Authorization',
    ArgumentValue: value,
  })
}

export function signatureVersion2(): AuthError {
  return new AuthError('InvalidRequest', {
    message: `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`,
  })
}

const MAX_SKEW_MS = 15 * 60 * 1000

/**
 * The moment of signing: x-amz-date, else Date (P-038). Throws AccessDenied where there is none that can be read,
 * RequestTimeTooSkewed beyond 15 minutes either way (P-039).
 */
export function requestTimestamp(headers: ReceivedHeaders, now: Date): Timestamp {
  const text = headerValue(headers, 'x-amz-date') ?? headerValue(headers, 'date') ?? ''
  const timestamp = parseRequestDate(text)
  if (timestamp === undefined) {
    throw new AuthError('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    })
  }
  if (Math.abs(now.getTime() - timestamp.epochMs) > MAX_SKEW_MS) throw tooSkewed(text, now)
  return timestamp
}

function tooSkewed(text: string, now: Date): AuthError {
  return new AuthError('RequestTimeTooSkewed', {
    message: 'The difference between the request time and the current time is too large.',
    RequestTime: text,
    ServerTime: `${now.toISOString().slice(0, 19)}Z`,
    MaxAllowedSkewMilliseconds: MAX_SKEW_MS,
  })
}

/** Service, region, and day of the credential against the request's (P-036, P-040). */
export function checkHeaderScope(scope: CredentialScope, expected: ExpectedScope): void {
  checkScope(scope, expected, headerFault)
}
