/**
 * Who sent this request? The order of the checks is AWS's as far as it shows: form, scope, clock, key, token, unsigned headers,
 * signature.
 */

import { findKey, type KeyOptions } from './access-key.ts'
import { AuthError } from './errors.ts'
import type { Identity } from './identity.ts'
import type { Payload, ReceivedRequest } from './request.ts'
import type { CredentialScope } from './sigv4/credential-scope.ts'
import { checkHeaderScope, parseAuthorization, requestTimestamp } from './sigv4/header-signature.ts'
import { checkPayloadHash, framesBody, payloadOf } from './sigv4/payload.ts'
import {
  findQueryCredentials,
  isSignatureVersion2,
  parsePresigned,
  type QueryCredentials,
  refuseVersion2,
} from './sigv4/presigned-url.ts'
import { headerValue, type ReceivedHeaders, receivedHeaders } from './sigv4/received-headers.ts'
import { checkSignedHeaders, headersNotSigned } from './sigv4/signed-headers.ts'
import { verifySignature } from './sigv4/verify-signature.ts'

export type Authenticated = {
  /** undefined: no credentials were sent (P-041). */
  readonly identity: Identity | undefined
  readonly payload: Payload
  /** x-amz-* parameters of the query count as headers then (P-055). */
  readonly presigned: boolean
}

export type AuthenticateOptions = KeyOptions & {
  /** The only region that a credential may name. */
  readonly region: string
  /** The services that the credential of an Authorization header may name. Default: s3 alone. */
  readonly services?: readonly string[] | undefined
}

/**
 * Throws AuthError for every credential that is malformed, unknown, stale or wrong. The body is not looked at: `payload`
 * says how it has to be checked.
 */
export async function authenticateRequest(
  request: ReceivedRequest,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const headers = receivedHeaders(request.headers)
  // An empty Authorization header is no credential: AWS and s3-tests want the 403 of an anonymous caller.
  const authorization = headerValue(headers, 'authorization') || undefined
  const query = findQueryCredentials(request.rawQuery)
  const mechanisms = (headers.get('authorization')?.length ?? 0) + (query === undefined ? 0 : 1)
  if (authorization !== undefined && mechanisms > 1) throw twoMechanisms(authorization)
  if (authorization !== undefined) return authenticateHeader(request, headers, authorization, options)
  if (query !== undefined) return authenticateQuery(request, headers, query, options)
  const payload = payloadOf(headerValue(headers, 'x-amz-content-sha256'), undefined)
  return { identity: undefined, payload, presigned: false }
}

async function authenticateHeader(
  request: ReceivedRequest,
  headers: ReceivedHeaders,
  authorization: string,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const { region, services, now } = options
  const { scope, signedHeaders, signature } = parseAuthorization(authorization)
  refuseOtherServices(scope, services)
  const { iso } = requestTimestamp(headers, now)
  checkHeaderScope(scope, { region, iso, services })
  const payloadHash = signedPayloadHash(headers, request)
  const { secret, identity } = await findKey(scope.accessKeyId, headerValue(headers, 'x-amz-security-token'), options)
  checkSignedHeaders(headers, signedHeaders)
  const key = verifySignature({ ...request, headers, scope, iso, signedHeaders, payloadHash, signature }, secret)
  const seed = { key, accessKeyId: scope.accessKeyId, iso, scope: scope.text, signature }
  return { identity, payload: payloadOf(payloadHash, seed), presigned: false }
}

async function authenticateQuery(
  request: ReceivedRequest,
  headers: ReceivedHeaders,
  credentials: QueryCredentials,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const { region, now } = options
  if (isSignatureVersion2(credentials)) throw refuseVersion2(credentials, now)
  const presigned = parsePresigned(credentials, region, now)
  const { scope, signedHeaders, signature, timestamp } = presigned
  const { payloadHash, announced } = presignedPayloadHash(headers, signedHeaders, presigned.payloadHash)
  const token = presigned.securityToken ?? headerValue(headers, 'x-amz-security-token')
  const { secret, identity } = await findKey(scope.accessKeyId, token, options)
  checkSignedHeaders(headers, signedHeaders)
  const signatureParameter = 'X-Amz-Signature'
  const claim = { ...request, headers, scope, iso: timestamp.iso, signedHeaders, payloadHash, signature }
  const key = verifySignature({ ...claim, signatureParameter }, secret)
  const seed = { key, accessKeyId: scope.accessKeyId, iso: timestamp.iso, scope: scope.text, signature }
  return { identity, payload: payloadOf(announced, seed), presigned: true }
}

/**
 * What x-amz-content-sha256 says, which S3 demands. Of a body that has been read its own digest counts: another one in the header is a signature
 * over something else.
 */
function signedPayloadHash(headers: ReceivedHeaders, { bodySha256 }: ReceivedRequest): string {
  const payloadHash = headerValue(headers, 'x-amz-content-sha256')
  if (bodySha256 !== undefined && payloadHash !== 'UNSIGNED-PAYLOAD') return bodySha256
  if (payloadHash === undefined) {
    throw new AuthError('InvalidRequest', { message: 'Missing required header for this request: x-amz-content-sha256' })
  }
  checkPayloadHash(payloadHash)
  return payloadHash
}

/**
 * UNSIGNED-PAYLOAD, unless x-amz-content-sha256 is a signed header or stands in the query (P-053). A digest in an unsigned
 * header is still a promise about the body, so the body is held against it; but how the body is framed is not left
 * to a header that anybody on the way could have added.
 */
function presignedPayloadHash(
  headers: ReceivedHeaders,
  signedHeaders: readonly string[],
  inQuery: string | undefined,
): { payloadHash: string; announced: string } {
  const name = 'x-amz-content-sha256'
  const header = headerValue(headers, name)
  if (header !== undefined) checkPayloadHash(header)
  if (inQuery !== undefined) checkPayloadHash(inQuery)
  if (header !== undefined && signedHeaders.includes(name)) return { payloadHash: header, announced: header }
  const payloadHash = inQuery ?? 'UNSIGNED-PAYLOAD'
  if (header !== undefined && framesBody(header) && header !== payloadHash) throw headersNotSigned([name])
  return { payloadHash, announced: payloadHash === 'UNSIGNED-PAYLOAD' ? (header ?? payloadHash) : payloadHash }
}

/**
 * Requests of IAM, and of STS for what is not there, arrive as `POST /` with a scope of their own, s3-tests' teardown with an empty region (P-214). A 403
 * costs the client one request; 500 and 503 it would try three times.
 */
function refuseOtherServices(scope: CredentialScope, services: readonly string[] = []): void {
  if ((scope.service !== 'iam' && scope.service !== 'sts') || services.includes(scope.service)) return
  throw new AuthError('AccessDenied', { message: `This endpoint serves S3, not ${scope.service.toUpperCase()}.` })
}

function twoMechanisms(authorization: string): AuthError {
  return new AuthError('InvalidArgument', {
    message:
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or ' +
      'the Authorization header should be specified',
    ArgumentName: 'Authorization',
    ArgumentValue: authorization,
  })
}
