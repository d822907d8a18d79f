import { AuthError } from '../errors.ts'
import type { Payload } from '../request.ts'
import { type ChunkSeed, chunkSignatures } from './chunk-signature.ts'

/** The words of x-amz-content-sha256 beside a digest, and what they say about the body (P-069). */
const words: Readonly<Record<string, (seed: ChunkSeed | undefined) => Payload>> = {
  'UNSIGNED-PAYLOAD': () => ({ kind: 'unsigned' }),
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': () => ({ kind: 'unsigned-trailer' }),
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': (seed) => signedChunks(seed, false),
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': (seed) => signedChunks(seed, true),
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD': notImplemented,
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER': notImplemented,
}

/** Throws InvalidArgument for a value that S3 does not know (P-035). Called before any signature is computed. */
export function checkPayloadHash(value: string): void {
  if (Object.hasOwn(words, value) || isDigest(value)) return
  throw new AuthError('InvalidArgument', {
    message:
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, ' +
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    ArgumentName: 'x-amz-content-sha256',
    ArgumentValue: value,
  })
}

/**
 * @param value of x-amz-content-sha256; undefined where the client said nothing
 * @param seed what a chain of chunk signatures starts from; undefined for anonymous requests
 */
export function payloadOf(value: string | undefined, seed: ChunkSeed | undefined): Payload {
  if (value === undefined) return { kind: 'unsigned' }
  checkPayloadHash(value)
  const word = Object.hasOwn(words, value) ? words[value] : undefined
  return word === undefined ? { kind: 'signed', sha256: value.toLowerCase() } : word(seed)
}

function signedChunks(seed: ChunkSeed | undefined, trailer: boolean): Payload {
  if (seed === undefined) {
    throw new AuthError('InvalidRequest', { message: 'A body of signed chunks needs a signed request.' })
  }
  return { kind: 'signed-chunks', trailer, chunks: chunkSignatures(seed) }
}

/** SigV4A signs with elliptic curves; no client needs it for one region (P-044). */
function notImplemented(): never {
  throw new AuthError('NotImplemented', { message: 'AWS4-ECDSA-P256-SHA256 is not implemented. Use AWS4-HMAC-SHA256.' })
}

/** Whether the value says how the body is framed: such a header must be signed. */
export function framesBody(value: string): boolean {
  return value.startsWith('STREAMING-')
}

function isDigest(value: string): boolean {
  return /^[0-9a-fA-F]{64}$/.test(value)
}
