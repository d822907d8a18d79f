import { hash, type KeyObject, timingSafeEqual } from 'node:crypto'
import { AuthError } from '../errors.ts'
import { canonicalPath, canonicalQuery, canonicalRequest, rawQueryWithout } from './canonical-request.ts'
import type { CredentialScope } from './credential-scope.ts'
import type { ReceivedHeaders } from './received-headers.ts'
import { sign, signingKey } from './signing-key.ts'

/** What a client says it signed, and its signature. */
export type SignatureClaim = {
  readonly method: string
  readonly rawPath: string
  readonly rawQuery: string
  readonly headers: ReceivedHeaders
  readonly scope: CredentialScope
  /** `20130524T000000Z` */
  readonly iso: string
  readonly signedHeaders: readonly string[]
  readonly payloadHash: string
  readonly signature: string
  /** The query parameter that carries the signature and therefore is not signed. */
  readonly signatureParameter?: string | undefined
}

/**
 * Answers the signing key, for the chunks that may follow. Throws SignatureDoesNotMatch with what we computed, so that the
 * client's author can lay it beside theirs (P-037); the secret and the right signature are never in it (P-046).
 */
export function verifySignature(claim: SignatureClaim, secret: string): KeyObject {
  const key = signingKey(secret, claim.scope)
  let first: Attempt | undefined
  for (const attempt of attempts(claim)) {
    if (sameSignature(sign(key, attempt.stringToSign), claim.signature)) return key
    first ??= attempt
  }
  throw signatureMismatch({
    accessKeyId: claim.scope.accessKeyId,
    stringToSign: first?.stringToSign ?? '',
    signature: claim.signature,
    canonical: first?.canonical,
  })
}

type Attempt = { readonly canonical: Buffer; readonly stringToSign: string }

/**
 * The readings of one request, the regular one first; nearly always that is the only one computed.
 *
 * Clients disagree about `@ + : (` in paths (P-029): some sign the target exactly as they send it (curl --aws-sigv4), some
 * decode `%2F` to a slash as they encode the rest anew. And some sign header text as UTF-8 while their HTTP library
 * sends it as Latin-1 (botocore with metadata `é`). None of these opens a door: what is canonical stays itself
 * when it is made canonical, so every signature still stands for one decoded path, query and header text.
 */
function* attempts(claim: SignatureClaim): Generator<Attempt> {
  for (const [path, query] of targets(claim)) {
    const text = canonicalRequest({ ...claim, path, query })
    const latin1 = Buffer.from(text, 'latin1')
    yield attempt(claim, latin1)
    if (/[^\x00-\x7f]/.test(text)) yield attempt(claim, Buffer.from(text, 'utf8'))
  }
}

function* targets(claim: SignatureClaim): Generator<readonly [path: string, query: string]> {
  const { rawPath, rawQuery, signatureParameter } = claim
  const path = canonicalPath(rawPath)
  const query = canonicalQuery(rawQuery, signatureParameter)
  yield [path, query]
  const wholePath = path.replaceAll('%2F', '/')
  if (wholePath !== path) yield [wholePath, query]
  if (rawPath !== path && rawPath !== wholePath) yield [rawPath, query]
  const rawSigned = rawQueryWithout(rawQuery, signatureParameter)
  if (rawSigned !== query) yield [rawPath, rawSigned]
}

function attempt(claim: SignatureClaim, canonical: Buffer): Attempt {
  const digest = hash('sha256', canonical, 'hex')
  return { canonical, stringToSign: `AWS4-HMAC-SHA256\n${claim.iso}\n${claim.scope.text}\n${digest}` }
}

/** In constant time (P-046). `expected` is ours, 64 hex digits. */
export function sameSignature(expected: string, received: string): boolean {
  const ours = Buffer.from(expected, 'latin1')
  const theirs = Buffer.from(received, 'latin1')
  return ours.length === theirs.length && timingSafeEqual(ours, theirs)
}

/** SignatureDoesNotMatch with AWS's elements. */
export function signatureMismatch(facts: {
  accessKeyId: string
  stringToSign: string
  signature: string
  canonical?: Buffer | undefined
}): AuthError {
  const { accessKeyId, stringToSign, signature, canonical } = facts
  return new AuthError('SignatureDoesNotMatch', {
    AWSAccessKeyId: accessKeyId,
    StringToSign: stringToSign,
    SignatureProvided: signature,
    StringToSignBytes: hexBytes(Buffer.from(stringToSign, 'latin1')),
    CanonicalRequest: canonical?.toString('latin1'),
    CanonicalRequestBytes: canonical && hexBytes(canonical),
  })
}

/** `41 57 53 34` */
function hexBytes(bytes: Buffer): string {
  return bytes.toString('hex').replace(/..(?!$)/g, '$& ')
}
