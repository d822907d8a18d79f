import type { ChecksumAlgorithm, ChecksumType } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'
import { checksumAlgorithms, findChecksumAlgorithm } from './checksum-elements.ts'

/** x-amz-checksum-algorithm of CopyObject and CreateMultipartUpload. Throws InvalidRequest for one we do not have (P-079). */
export function requestedChecksum(headers: S3Headers): ChecksumAlgorithm | undefined {
  const name = headers.get('x-amz-checksum-algorithm')
  if (name === undefined) return undefined
  const algorithm = findChecksumAlgorithm(name)
  if (algorithm !== undefined) return algorithm
  const message = `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${checksumAlgorithms.join(', ')}]`
  throw new GatewayError('InvalidRequest', { message })
}

/** P-083. The first type is the default. */
const typesOf: Readonly<Record<ChecksumAlgorithm, readonly ChecksumType[]>> = {
  CRC32: ['COMPOSITE', 'FULL_OBJECT'],
  CRC32C: ['COMPOSITE', 'FULL_OBJECT'],
  CRC64NVME: ['FULL_OBJECT'],
  SHA1: ['COMPOSITE'],
  SHA256: ['COMPOSITE'],
}

/** Algorithm and type of a multipart upload's checksum; undefined when the client asks for none. Throws InvalidRequest (P-083). */
export function uploadChecksum(
  headers: S3Headers,
): { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined {
  const algorithm = requestedChecksum(headers)
  const asked = headers.get('x-amz-checksum-type')?.toUpperCase()
  if (algorithm === undefined) {
    if (asked === undefined) return undefined
    const message = 'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.'
    throw new GatewayError('InvalidRequest', { message })
  }
  const type = asked === undefined ? typesOf[algorithm][0] : typesOf[algorithm].find((known) => known === asked)
  if (type !== undefined) return { algorithm, type }
  const known = asked === 'COMPOSITE' || asked === 'FULL_OBJECT'
  const message = known
    ? `The ${asked} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`
    : 'Value for x-amz-checksum-type header is invalid.'
  throw new GatewayError('InvalidRequest', { message })
}
