/**
 * Headers that ask for what is not there. A client that asks for encryption must not be told that it has it, so each is
 * refused before anything is done. One table; operations on objects call `refuseUnsupportedHeaders` first.
 */

import type { S3Config } from '../config.ts'
import { GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'

type Refusal = {
  /** All headers whose names start so. */
  readonly header: string
  readonly message: string
}

export const notEncrypted =
  'Objects are stored as plain bytes, because others read them as files; this service encrypts nothing and does not claim to'

const refusals: readonly Refusal[] = [
  { header: 'x-amz-server-side-encryption', message: notEncrypted },
  { header: 'x-amz-copy-source-server-side-encryption', message: notEncrypted },
  {
    header: 'x-amz-write-offset-bytes',
    message: 'Appending is a feature of directory buckets',
  },
]

/** Throws NotImplemented. */
export function refuseUnsupportedHeaders(
  headers: S3Headers,
  { encryptedAtRest }: Pick<S3Config, 'encryptedAtRest'>,
): void {
  for (const { header, message } of refusals) {
    const found = headers.startingWith(header).find(([name, value]) => !(encryptedAtRest && isSseS3(name, value)))
    if (found !== undefined) throw new GatewayError('NotImplemented', { message, Header: found[0] })
  }
}

/** By its exact name: with the headers of SSE-C the same value asks for something else. */
const isSseS3 = (name: string, value: string): boolean => name === 'x-amz-server-side-encryption' && value === 'AES256'
