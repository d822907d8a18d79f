import type { Owner } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'

/**
 * x-amz-expected-bucket-owner (and x-amz-source-expected-bucket-owner for the source of a copy): 403 when somebody else owns the bucket
 * (P-048). Ids are compared as plain strings: AWS knows 12 digits only and answers 400 to anything else.
 * Throws AccessDenied. authorize calls it where it has read the bucket, so that no operation needs to know.
 */
export function checkExpectedBucketOwner(
  headers: S3Headers,
  owner: Owner,
  header: 'x-amz-expected-bucket-owner' | 'x-amz-source-expected-bucket-owner' = 'x-amz-expected-bucket-owner',
): void {
  const expected = headers.get(header)
  if (expected !== undefined && expected !== owner.canonicalId) throw new GatewayError('AccessDenied')
}
