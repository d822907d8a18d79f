import type { KeyObject } from 'node:crypto'
import { hash } from 'node:crypto'
import type { ChunkSignatures } from '../request.ts'
import { sign } from './signing-key.ts'
import { sameSignature, signatureMismatch } from './verify-signature.ts'

/** What the chain starts from: the request's own, verified signature and the key that made it. */
export type ChunkSeed = {
  readonly key: KeyObject
  readonly accessKeyId: string
  /** `20130524T000000Z` */
  readonly iso: string
  /** `20130524/us-east-1/s3/aws4_request` */
  readonly scope: string
  readonly signature: string
}

const EMPTY_SHA256 = hash('sha256', '', 'hex')

/**
 * The chain of one body (P-070): each signature covers the one before it, the trailer's the last chunk's.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 */
export function chunkSignatures(seed: ChunkSeed): ChunkSignatures {
  let previous = seed.signature

  function verify(algorithm: string, covered: string, signature: string): void {
    const stringToSign = `${algorithm}\n${seed.iso}\n${seed.scope}\n${previous}\n${covered}`
    const expected = sign(seed.key, stringToSign)
    if (!sameSignature(expected, signature)) {
      throw signatureMismatch({ accessKeyId: seed.accessKeyId, stringToSign, signature })
    }
    previous = expected
  }

  return {
    verifyChunk(sha256, signature) {
      verify('AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY_SHA256}\n${sha256}`, signature)
    },
    verifyTrailer(trailers, signature) {
      const bytes = Buffer.from(trailers, 'latin1')
      verify('AWS4-HMAC-SHA256-TRAILER', hash('sha256', bytes, 'hex'), signature)
    },
  }
}
