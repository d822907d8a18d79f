import { createHash } from 'node:crypto'
import aws4 from 'aws4'
import type { LoadRequest } from './load-job.ts'

export type Credentials = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

/** A request in S3's words; the keys of a benchmark need no percent-encoding. */
export type Wanted = {
  readonly method: LoadRequest['method']
  readonly bucket: string
  /** '' for the bucket itself. */
  readonly key: string
  /** Without `?`; values percent-encoded. */
  readonly query?: string
  /** Where the request has a body: what is signed of it. */
  readonly payload?: { readonly sha256: string } | 'unsigned'
}

/** The longest that S3 allows. */
const EXPIRES_SECONDS = 604_800

export const targetOf = ({ bucket, key, query }: Wanted): string =>
  `/${bucket}${key === '' ? '' : `/${key}`}${query === undefined ? '' : `?${query}`}`

/**
 * Signed once, sent many times: bodies by headers, as SDKs do (good for 15 minutes), all else as a presigned URL (good for a week).
 */
export function signedRequest(wanted: Wanted, origin: string, credentials: Credentials): LoadRequest {
  const { method, payload } = wanted
  const host = new URL(origin).host
  const common = { service: 's3', region: credentials.region, host, method }
  if (payload === undefined) {
    const mark = wanted.query === undefined ? '?' : '&'
    const path = `${targetOf(wanted)}${mark}X-Amz-Expires=${EXPIRES_SECONDS}`
    const signed = aws4.sign({ ...common, path, signQuery: true }, credentials)
    return { method, target: signed.path ?? '', headers: {} }
  }
  const headers = { 'X-Amz-Content-Sha256': payload === 'unsigned' ? 'UNSIGNED-PAYLOAD' : payload.sha256 }
  const signed = aws4.sign({ ...common, path: targetOf(wanted), headers }, credentials)
  const sent = Object.entries(signed.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)])
  return { method, target: targetOf(wanted), headers: Object.fromEntries(sent) }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
