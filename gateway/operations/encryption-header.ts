import type { S3Config } from '../config.ts'

/** On every answer about an object, as AWS has it, where all of the tree is encrypted; nowhere else. */
export function encryptionHeader({ encryptedAtRest }: S3Config): {
  readonly 'x-amz-server-side-encryption'?: 'AES256'
} {
  return encryptedAtRest ? { 'x-amz-server-side-encryption': 'AES256' } : {}
}
