import { GatewayError } from '../gateway-error.ts'
import type { S3Query } from '../s3-request.ts'

/** `versionId` of a request, 'null' or an id; which ids there are only the namespace knows. Throws InvalidArgument for the empty one (P-168). */
export function requestedVersion(query: S3Query): string | undefined {
  return givenVersion(query.get('versionId'))
}

export function givenVersion(versionId: string | undefined): string | undefined {
  if (versionId !== '') return versionId
  const message = 'Version id cannot be the empty string'
  throw new GatewayError('InvalidArgument', { message, ArgumentName: 'versionId', ArgumentValue: versionId })
}
