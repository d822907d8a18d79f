import type { Namespace } from '#namespace'
import { findBucketDocument } from './bucket-documents.ts'
import { corsHeaders } from './cors.ts'
import type { Reply } from './reply.ts'
import type { S3Request } from './s3-request.ts'

/**
 * Every answer to a cross-origin request has them, 403 and 404 too (P-197); a preflight answers for itself. undefined where none are due.
 * `treeOfAnybody`: whoever asks, the bucket's rules are the bucket's. Never throws.
 */
export async function crossOriginHeaders(
  request: S3Request | undefined,
  treeOfAnybody: () => Namespace,
): Promise<NonNullable<Reply['headers']> | undefined> {
  const origin = request?.headers.get('origin')
  if (request === undefined || origin === undefined || request.bucket === '' || request.method === 'OPTIONS')
    return undefined
  const { headers, bucket } = request
  // Without rules that can be read nothing is allowed; what is wrong with the bucket is said by the answer itself.
  const document = await findBucketDocument(treeOfAnybody(), bucket, 'cors').catch(() => undefined)
  const method = headers.get('access-control-request-method') ?? request.method
  const requestHeaders = headers.get('access-control-request-headers')
  return corsHeaders(document?.rules ?? [], { origin, method, requestHeaders })
}
