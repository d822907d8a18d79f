import type { Front } from './front.ts'
import type { S3Request } from './s3-request.ts'

/** As the client reached us, in path style, which works on every name: "photos.s3.example.com:8443" → "https://s3.example.com:8443". */
export function endpointOf(
  { host, bucket }: Pick<S3Request, 'host' | 'bucket'>,
  { scheme }: Pick<Front, 'scheme'>,
  domain: string | undefined,
): string {
  const isVirtual = domain !== undefined && bucket !== '' && host.toLowerCase().startsWith(`${bucket}.${domain}`)
  return `${scheme}://${isVirtual ? host.slice(bucket.length + 1) : host}`
}
