import { type Authenticated, type AuthenticateOptions, authenticateRequest } from '#auth'
import type { Operation } from './operation.ts'
import type { S3Request } from './s3-request.ts'

/**
 * Request → identity, or anonymous where nothing was signed. Throws AuthError.
 *
 * A preflight is never verified: browsers send OPTIONS without credentials, to a presigned URL with the signature of another
 * method (P-026).
 */
export async function authenticate(
  operation: Operation,
  request: S3Request,
  options: Omit<AuthenticateOptions, 'services'>,
): Promise<Authenticated> {
  if (operation.match.method === 'OPTIONS') {
    return { identity: undefined, payload: { kind: 'unsigned' }, presigned: false }
  }
  const { method, rawPath, rawQuery, headerPairs, bodySha256 } = request
  const services = operation.service && [operation.service, 's3']
  return authenticateRequest({ method, rawPath, rawQuery, headers: headerPairs, bodySha256 }, { ...options, services })
}
