import { GatewayError } from '../gateway-error.ts'
import type { S3Query } from '../s3-request.ts'

/**
 * `versionId` of a request on a bucket that never was versioned: 'null' is the object itself, any other id there cannot be
 * (P-167, P-168). Throws InvalidArgument.
 */
export function requestedVersion(query: S3Query): 'null' | undefined {
  const versionId = query.get('versionId')
  if (versionId === undefined || versionId === 'null') return versionId
  throw unknownVersion(versionId)
}

export function unknownVersion(versionId: string, argument = 'versionId'): GatewayError {
  const message = versionId === '' ? 'Version id cannot be the empty string' : 'Invalid version id specified'
  return new GatewayError('InvalidArgument', { message, ArgumentName: argument, ArgumentValue: versionId })
}
