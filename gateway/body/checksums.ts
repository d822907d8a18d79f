/**
 * x-amz-checksum-*: what a client says of its bytes, in headers or in a trailer.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 */

import type { ChecksumAlgorithm } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'

/** Bytes of a checksum. */
const SIZE_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
}

/** Headers that begin like a checksum and are none. */
const NOT_VALUES: ReadonlySet<string> = new Set(['algorithm', 'type', 'mode'])

/** What the client says: the value, or only where it will come, or only which one it wants. */
export type ClientChecksum = {
  readonly algorithm: ChecksumAlgorithm
  /** base64; from the header. */
  readonly value: string | undefined
  /** Name of the trailer that will carry it. */
  readonly trailer: string | undefined
}

/**
 * The checksum that goes with a body. `announced`: names of x-amz-trailer. Throws InvalidRequest: more than one, an algorithm that
 * S3 does not have, a value that cannot be one (P-078, P-079).
 */
export function clientChecksum(headers: S3Headers, announced: readonly string[]): ClientChecksum | undefined {
  const values = headers
    .startingWith('x-amz-checksum-')
    .filter(([name]) => !NOT_VALUES.has(name.slice('x-amz-checksum-'.length)))
  if (values.length + announced.length > 1) {
    throw invalidRequest('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  }
  const asked = headers.get('x-amz-sdk-checksum-algorithm')
  const wanted = asked === undefined ? undefined : parseChecksumAlgorithm(asked)
  const [name, value] = values[0] ?? [announced[0], undefined]
  if (name === undefined)
    return wanted === undefined ? undefined : { algorithm: wanted, value: undefined, trailer: undefined }
  const algorithm = algorithmOf(name, value === undefined)
  if (wanted !== undefined && wanted !== algorithm) {
    throw invalidRequest('Value for x-amz-sdk-checksum-algorithm header is invalid.')
  }
  if (value === undefined) return { algorithm, value, trailer: name }
  if (!isChecksum(algorithm, value)) throw invalidRequest(`Value for ${name} header is invalid.`)
  return { algorithm, value, trailer: undefined }
}

/** `x-amz-checksum-crc32` → CRC32 */
function algorithmOf(name: string, isTrailer: boolean): ChecksumAlgorithm {
  if (isTrailer && !name.startsWith('x-amz-checksum-')) {
    throw invalidRequest('The value specified in the x-amz-trailer header is not supported')
  }
  return parseChecksumAlgorithm(name.slice('x-amz-checksum-'.length))
}

/** `crc32` → CRC32. Throws InvalidRequest (P-079). */
function parseChecksumAlgorithm(text: string): ChecksumAlgorithm {
  const name = text.toUpperCase()
  if (isAlgorithm(name)) return name
  throw invalidRequest(
    'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  )
}

function isAlgorithm(name: string): name is ChecksumAlgorithm {
  return Object.hasOwn(SIZE_BYTES, name)
}

/** Canonical base64 of as many bytes as the algorithm gives. */
export function isChecksum(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64')
  return bytes.length === SIZE_BYTES[algorithm] && bytes.toString('base64') === value
}

function invalidRequest(message: string): GatewayError {
  return new GatewayError('InvalidRequest', { message })
}
