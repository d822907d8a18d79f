import type { UploadTarget } from '#namespace'
import { parsePartNumber } from '../byte-range.ts'
import { GatewayError } from '../gateway-error.ts'
import type { Call } from '../operation.ts'
import type { S3Query } from '../s3-request.ts'

/** The upload that a request names; the router has seen that `uploadId` is there. */
export function uploadTarget({ bucket, key, query }: Pick<Call, 'bucket' | 'key' | 'query'>): UploadTarget {
  return { bucket, key, uploadId: query.get('uploadId') ?? '' }
}

/** partNumber of UploadPart and UploadPartCopy. Throws InvalidArgument (P-156). */
export function requiredPartNumber(query: S3Query): number {
  return checkPartNumber(query.get('partNumber') ?? '')
}

/** Throws InvalidArgument outside 1 … 10000. */
export function checkPartNumber(text: string): number {
  const partNumber = parsePartNumber(text)
  if (partNumber === undefined) throw new GatewayError('InvalidArgument', { ArgumentName: 'partNumber' })
  return partNumber
}
