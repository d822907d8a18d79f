import { type Authenticated, authenticateRequest, type Directory } from '#auth'
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
  options: { readonly directory: Directory; readonly region: string; readonly now: Date },
): Promise<Authenticated> {
  if (operation.match.method === 'OPTIONS') {
    return { identity: undefined, payload: { kind: 'unsigned' }, presigned: false }
  }
  const { method, rawPath, rawQuery, headerPairs } = request
  return authenticateRequest({ method, rawPath, rawQuery, headers: headerPairs }, options)
}
