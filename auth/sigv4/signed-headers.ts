import { AuthError } from '../errors.ts'
import type { ReceivedHeaders } from './received-headers.ts'

/**
 * Headers that need not be listed because the signature covers them already: the date stands in the string to sign, the
 * payload hash is the last line of the canonical request.
 */
const coveredOtherwise: ReadonlySet<string> = new Set(['x-amz-date', 'x-amz-content-sha256'])

/** Throws AccessDenied with HeadersNotSigned where host or an x-amz-* header came unsigned (P-033, P-054). */
export function checkSignedHeaders(headers: ReceivedHeaders, signedHeaders: readonly string[]): void {
  const missing: string[] = []
  for (const name of headers.keys()) {
    if (name !== 'host' && (!name.startsWith('x-amz-') || coveredOtherwise.has(name))) continue
    if (!signedHeaders.includes(name)) missing.push(name)
  }
  if (missing.length > 0) throw headersNotSigned(missing)
}

export function headersNotSigned(names: readonly string[]): AuthError {
  return new AuthError('AccessDenied', {
    message: 'There were headers present in the request which were not signed',
    HeadersNotSigned: names.join(', '),
  })
}
