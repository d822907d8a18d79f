/**
 * The body of a request: decode → check length → digests → verify. Large bodies go on as blocks that the namespace hashes and
 * writes in one job each; small ones (XML) are read whole and verified in the same way.
 *
 * A body that fails is left where it failed, detached and paused: the connection is intact and the error can be answered. What is
 * left of it is the app's to discard afterwards (unread-body.ts): drained, or cut off with the connection (P-005).
 */

import type { Readable } from 'node:stream'
import type { Payload } from '#auth'
import { type Body, type Checksum, type ChecksumAlgorithm, type DigestName, digestsOf, type Received } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'
import { type BodyDecoder, chunkDecoder, plainDecoder } from './aws-chunked.ts'
import { blocks, tooLarge } from './blocks.ts'
import { type ClientChecksum, clientChecksum, isChecksum } from './checksums.ts'

/** The object bytes of a request as the namespace takes them. They can be read once. */
export type ObjectBody = Body & {
  /** The algorithm of the checksum the client sent or announced in a trailer, or asked for by x-amz-sdk-checksum-algorithm. */
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined
  /** The same body, keeping this checksum where the client sent none. Default: CRC64NVME, as AWS does (P-080). */
  withChecksum(algorithm: ChecksumAlgorithm): ObjectBody
}

export type BodyInput = {
  readonly payload: Payload
  readonly headers: S3Headers
  /** The raw request (IncomingMessage), or any stream of Buffers in tests. */
  readonly source: Readable
  /** Default 5 GiB, the most a single PUT may carry (P-014). */
  readonly maxBytes?: number
  /** How long the client may be silent in the middle of its body; then RequestTimeout. Default: for ever. */
  readonly silenceMs?: number
  /** x-amz-checksum-* speaks of something else than this body (CompleteMultipartUpload: of the object). */
  readonly ignoreChecksum?: boolean
  /** See BlockLimits. */
  readonly keepsBlocks?: boolean
}

const PUT_MAX_BYTES = 5 * 1024 ** 3

/**
 * Throws at once what the headers alone show to be wrong: MissingContentLength (P-006, P-072), EntityTooLarge, InvalidDigest, InvalidRequest.
 * Nothing is read before `bytes` is iterated; that throws IncompleteBody, EntityTooLarge, and what the framing throws. `verify`
 * throws XAmzContentSHA256Mismatch (P-035), BadDigest (P-077, P-078), InvalidRequest for a trailer that is no checksum.
 */
export function objectBody(input: BodyInput): ObjectBody {
  const length = lengthOf(input)
  if (length === 'none') throw new GatewayError('MissingContentLength')
  return bodyOf(input, expectationsOf(input), length === 'chunked' ? undefined : length)
}

/**
 * A whole small body, verified like an object's. A request with neither Content-Length nor Transfer-Encoding has an empty one, as HTTP
 * has it. Throws EntityTooLarge over `maxBytes`, and what `objectBody` throws.
 */
export async function readSmallBody(input: BodyInput, maxBytes: number): Promise<Buffer> {
  const length = lengthOf({ ...input, maxBytes })
  const expected = expectationsOf(input)
  const sizeBytes = length === 'none' ? 0 : length === 'chunked' ? undefined : length
  const body = bodyOf({ ...input, maxBytes, keepsBlocks: true }, expected, sizeBytes)
  const pieces: Uint8Array[] = []
  for await (const piece of body.bytes) pieces.push(piece)
  const bytes = Buffer.concat(pieces)
  // Nothing is kept of this body, so only what the client asked to be checked is computed.
  const names = requiredDigests(expected)
  if (names.length > 0) verify(expected, { sizeBytes: bytes.length, digests: digestsOf(names, bytes) })
  return bytes
}

/** A body whose framing somebody else knows: the file of a form. Its length is not known beforehand (P-062). */
export function decodedBody(input: {
  readonly headers: S3Headers
  readonly source: Readable
  readonly decoder: BodyDecoder
  readonly silenceMs?: number | undefined
  /** Fewer bytes are EntityTooSmall. */
  readonly minBytes?: number
  /** More are EntityTooLarge. */
  readonly maxBytes?: number
}): Body {
  const { headers, source, decoder, silenceMs, minBytes = 0, maxBytes = PUT_MAX_BYTES } = input
  const limits = { maxBytes: Math.min(maxBytes, PUT_MAX_BYTES), ...(silenceMs === undefined ? {} : { silenceMs }) }
  const plain = { payload: { kind: 'unsigned' }, headers, source, ...limits } as const
  const { bytes, sizeBytes, digests, ...body } = bodyOf(plain, { ...expectationsOf(plain), decoder }, undefined)
  return {
    bytes,
    sizeBytes,
    digests,
    verify(received) {
      if (received.sizeBytes >= minBytes) return body.verify(received)
      throw new GatewayError('EntityTooSmall', { ProposedSize: received.sizeBytes, MinSizeAllowed: minBytes })
    },
  }
}

/** What the client says its bytes are. */
type Expectations = {
  readonly md5: Buffer | undefined
  readonly sha256: string | undefined
  readonly checksum: ClientChecksum | undefined
  readonly decoder: BodyDecoder
}

function expectationsOf(input: BodyInput): Expectations {
  const { payload, headers } = input
  const hasTrailer = payload.kind === 'unsigned-trailer' || (payload.kind === 'signed-chunks' && payload.trailer)
  const announced = hasTrailer ? announcedTrailers(headers) : []
  return {
    md5: contentMd5(headers),
    sha256: payload.kind === 'signed' ? payload.sha256 : undefined,
    checksum: input.ignoreChecksum === true ? undefined : clientChecksum(headers, announced),
    decoder: isFramed(payload)
      ? chunkDecoder({
          signatures: payload.kind === 'signed-chunks' ? payload.chunks : undefined,
          hasTrailer,
          announced,
        })
      : plainDecoder(),
  }
}

function bodyOf(
  input: BodyInput,
  expected: Expectations,
  sizeBytes: number | undefined,
  kept: ChecksumAlgorithm = 'CRC64NVME',
): ObjectBody {
  const algorithm = expected.checksum?.algorithm ?? kept
  const maxBytes = input.maxBytes ?? PUT_MAX_BYTES
  return {
    bytes: blocks(input.source, expected.decoder, {
      sizeBytes,
      maxBytes,
      silenceMs: input.silenceMs,
      keepsBlocks: input.keepsBlocks,
    }),
    sizeBytes,
    digests: [...new Set([...requiredDigests(expected), algorithm])],
    verify: (received) => {
      verify(expected, received)
      return checksumOf(algorithm, received)
    },
    checksumAlgorithm: expected.checksum?.algorithm,
    withChecksum: (other) => bodyOf(input, expected, sizeBytes, other),
  }
}

function requiredDigests({ md5, sha256, checksum }: Expectations): DigestName[] {
  const names = new Set<DigestName>()
  if (md5 !== undefined) names.add('MD5')
  if (sha256 !== undefined) names.add('SHA256')
  if (checksum?.value !== undefined || checksum?.trailer !== undefined) names.add(checksum.algorithm)
  return [...names]
}

function verify({ md5, sha256, checksum, decoder }: Expectations, { digests }: Received): void {
  if (sha256 !== undefined) {
    const computed = required(digests.SHA256).toString('hex')
    if (computed !== sha256) {
      throw new GatewayError('XAmzContentSHA256Mismatch', {
        ClientComputedContentSHA256: sha256,
        S3ComputedContentSHA256: computed,
      })
    }
  }
  if (md5 !== undefined && !md5.equals(required(digests.MD5))) {
    throw new GatewayError('BadDigest', {
      message: 'The Content-MD5 you specified did not match what we received.',
      ExpectedDigest: md5.toString('base64'),
      CalculatedDigest: required(digests.MD5).toString('base64'),
    })
  }
  const value = checksum?.value ?? trailingValue(checksum, decoder)
  if (
    checksum !== undefined &&
    value !== undefined &&
    value !== required(digests[checksum.algorithm]).toString('base64')
  ) {
    throw new GatewayError('BadDigest', {
      message: `The ${checksum.algorithm} you specified did not match the calculated checksum.`,
    })
  }
}

/** The decoder has seen to it that an announced trailer is there (P-073). */
function trailingValue(checksum: ClientChecksum | undefined, decoder: BodyDecoder): string | undefined {
  if (checksum?.trailer === undefined) return undefined
  const value = decoder.trailers.get(checksum.trailer) ?? ''
  if (!isChecksum(checksum.algorithm, value)) {
    throw new GatewayError('InvalidRequest', { message: `Value for ${checksum.trailer} trailing header is invalid.` })
  }
  return value
}

function checksumOf(algorithm: ChecksumAlgorithm, { digests }: Received): Checksum {
  return { algorithm, type: 'FULL_OBJECT', value: required(digests[algorithm]).toString('base64') }
}

function required(digest: Buffer | undefined): Buffer {
  if (digest === undefined) throw new Error('a digest that was asked for is missing')
  return digest
}

function isFramed(payload: Payload): boolean {
  return payload.kind === 'signed-chunks' || payload.kind === 'unsigned-trailer'
}

/**
 * How many decoded bytes will come. Framed bodies say it in x-amz-decoded-content-length (P-072); others in Content-Length, or HTTP
 * chunks them (P-006). nginx may turn either into the other on the way (P-206), so neither is taken for what the client sent.
 */
function lengthOf({ payload, headers, maxBytes = PUT_MAX_BYTES }: BodyInput): number | 'chunked' | 'none' {
  const name = isFramed(payload) ? 'x-amz-decoded-content-length' : 'content-length'
  const text = headers.get(name)
  if (text === undefined) {
    if (isFramed(payload)) throw new GatewayError('MissingContentLength')
    return headers.get('transfer-encoding') === undefined ? 'none' : 'chunked'
  }
  if (!/^\d{1,16}$/.test(text)) {
    throw new GatewayError('InvalidArgument', { message: `Invalid ${name}`, ArgumentName: name, ArgumentValue: text })
  }
  if (Number(text) > maxBytes) throw tooLarge(Number(text), maxBytes)
  return Number(text)
}

/** Content-MD5: 16 bytes of base64, or InvalidDigest; the empty value too (P-077). */
function contentMd5(headers: S3Headers): Buffer | undefined {
  const text = headers.get('content-md5')
  if (text === undefined) return undefined
  const digest = Buffer.from(text.trim(), 'base64')
  if (digest.length !== 16 || digest.toString('base64') !== text.trim()) {
    throw new GatewayError('InvalidDigest', { 'Content-MD5': text })
  }
  return digest
}

function announcedTrailers(headers: S3Headers): string[] {
  return (headers.get('x-amz-trailer') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
}
