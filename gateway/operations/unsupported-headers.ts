/**
 * Headers that ask for what is not there. A client that asks for encryption or a lock must not be told that it has it, so each is
 * refused before anything is done. One table; operations on objects call `refuseUnsupportedHeaders` first.
 */

import { type GatewayCode, GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'

type Refusal = {
  /** All headers whose names start so. */
  readonly header: string
  /** Values that ask for nothing special. */
  readonly harmless?: readonly string[]
  readonly code: GatewayCode
  readonly message: string
}

export const notEncrypted =
  'Objects are stored as plain bytes, because others read them as files; this service encrypts nothing and does not claim to'
export const noLock = 'Bucket is missing Object Lock Configuration'

const refusals: readonly Refusal[] = [
  { header: 'x-amz-server-side-encryption', code: 'NotImplemented', message: notEncrypted },
  { header: 'x-amz-copy-source-server-side-encryption', code: 'NotImplemented', message: notEncrypted },
  // P-194: a bucket without lock refuses retention and hold alike, OFF too.
  { header: 'x-amz-object-lock-', code: 'InvalidRequest', message: noLock },
  {
    header: 'x-amz-write-offset-bytes',
    code: 'NotImplemented',
    message: 'Appending is a feature of directory buckets',
  },
]

const bucketRefusals: readonly Refusal[] = [
  {
    header: 'x-amz-bucket-object-lock-enabled',
    harmless: ['false', 'False'],
    code: 'NotImplemented',
    message: 'Object lock is not supported',
  },
]

/** For operations on objects. Throws NotImplemented, InvalidRequest. */
export function refuseUnsupportedHeaders(headers: S3Headers): void {
  refuse(headers, refusals)
}

/** For CreateBucket. Throws NotImplemented. */
export function refuseUnsupportedBucketHeaders(headers: S3Headers): void {
  refuse(headers, bucketRefusals)
}

function refuse(headers: S3Headers, table: readonly Refusal[]): void {
  for (const { header, harmless = [], code, message } of table) {
    for (const [name, value] of headers.startingWith(header)) {
      if (harmless.includes(value)) continue
      throw new GatewayError(code, { message, ...(code === 'NotImplemented' ? { Header: name } : {}) })
    }
  }
}
