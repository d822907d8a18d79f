import type { ObjectTarget } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'
import { givenVersion } from './version-id.ts'

/**
 * x-amz-copy-source of CopyObject and UploadPartCopy: `[/]bucket/key[?versionId=…]`. The version is split off before the one and only
 * percent-decoding, so that `%3FversionId` stays part of the key (P-140); `+` is a plus.
 * Throws InvalidArgument (P-141, P-168).
 */
export function copySource(headers: S3Headers): ObjectTarget {
  const header = headers.get('x-amz-copy-source') ?? ''
  const [path = '', versionId] = splitVersion(header)
  // "/photos/2026/a%2Bb.jpg" → bucket "photos", key "2026/a+b.jpg"
  const [, bucket, key] = /^\/?([^/]+)\/(.+)$/s.exec(decode(path)) ?? []
  if (bucket === undefined || key === undefined) throw invalidSource(header)
  return { bucket, key, versionId: givenVersion(versionId) }
}

const largestCopyBytes = 5 * 1024 ** 3

/** One copy moves at most 5 GiB. Throws InvalidRequest. */
export function checkSourceSize(lengthBytes: number): void {
  if (lengthBytes <= largestCopyBytes) return
  throw new GatewayError('InvalidRequest', {
    message: `The specified copy source is larger than the maximum allowable size for a copy source: ${largestCopyBytes}`,
  })
}

function splitVersion(header: string): readonly [string, string | undefined] {
  const at = header.lastIndexOf('?versionId=')
  if (at < 0) return [header, undefined]
  return [header.slice(0, at), decode(header.slice(at + '?versionId='.length))]
}

/** Clients that do not encode send UTF-8 bytes, which arrive as Latin-1 characters. */
function decode(text: string): string {
  const bytes = Buffer.from(
    text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    'latin1',
  )
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalidSource(text)
  }
}

function invalidSource(value: string): GatewayError {
  return new GatewayError('InvalidArgument', {
    message: 'Invalid copy source object key',
    ArgumentName: 'x-amz-copy-source',
    ArgumentValue: value,
  })
}
