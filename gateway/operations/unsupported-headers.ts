/**
 * Headers that ask for what is not there. A client that asks for encryption, an ACL or a lock must not be told that it has it, so each is
 * refused before anything is done. One table; operations on objects call `refuseUnsupportedHeaders` first.
 */

import type { S3Config } from '../config.ts'
import { type GatewayCode, GatewayError } from '../gateway-error.ts'
import type { S3Headers } from '../s3-request.ts'

type Refusal = {
  /** All headers whose names start so. */
  readonly header: string
  /** Values that ask for nothing special. */
  readonly harmless?: readonly string[]
  /** Values that S3 knows; others are InvalidArgument. */
  readonly known?: readonly string[]
  readonly code: GatewayCode
  readonly message: string
}

export const notEncrypted =
  'Objects are stored as plain bytes, because others read them as files; this service encrypts nothing and does not claim to'
const noAcls = 'The bucket does not allow ACLs'
export const noLock = 'Bucket is missing Object Lock Configuration'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
const cannedAcls = [
  'private',
  'public-read',
  'public-read-write',
  'aws-exec-read',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
]

const refusals: readonly Refusal[] = [
  { header: 'x-amz-server-side-encryption', code: 'NotImplemented', message: notEncrypted },
  { header: 'x-amz-copy-source-server-side-encryption', code: 'NotImplemented', message: notEncrypted },
  {
    header: 'x-amz-acl',
    harmless: ['private', 'bucket-owner-full-control'],
    known: cannedAcls,
    code: 'AccessControlListNotSupported',
    message: noAcls,
  },
  { header: 'x-amz-grant-', code: 'AccessControlListNotSupported', message: noAcls },
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
    header: 'x-amz-acl',
    harmless: ['private'],
    known: cannedAcls.slice(0, 5),
    code: 'InvalidBucketAclWithObjectOwnership',
    message: 'Bucket cannot have ACLs set with the BucketOwnerEnforced setting of ObjectOwnership',
  },
  {
    header: 'x-amz-grant-',
    code: 'InvalidBucketAclWithObjectOwnership',
    message: 'Bucket cannot have ACLs set with the BucketOwnerEnforced setting of ObjectOwnership',
  },
  {
    header: 'x-amz-object-ownership',
    harmless: ['BucketOwnerEnforced'],
    known: ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'],
    code: 'NotImplemented',
    message: 'Buckets are BucketOwnerEnforced here: ACLs are not supported',
  },
  {
    header: 'x-amz-bucket-object-lock-enabled',
    harmless: ['false', 'False'],
    code: 'NotImplemented',
    message: 'Object lock is not supported',
  },
]

/** For operations on objects. Throws NotImplemented, AccessControlListNotSupported, InvalidRequest, InvalidArgument. */
export function refuseUnsupportedHeaders(headers: S3Headers, { encryptedAtRest }: S3Config): void {
  refuse(headers, refusals, encryptedAtRest ? isSseS3 : undefined)
}

/** For CreateBucket. Throws NotImplemented, InvalidBucketAclWithObjectOwnership, InvalidArgument. */
export function refuseUnsupportedBucketHeaders(headers: S3Headers): void {
  refuse(headers, bucketRefusals)
}

/** By its exact name: with the headers of SSE-C the same value asks for something else. */
const isSseS3 = (name: string, value: string) => name === 'x-amz-server-side-encryption' && value === 'AES256'

function refuse(
  headers: S3Headers,
  table: readonly Refusal[],
  isOffered: (name: string, value: string) => boolean = () => false,
): void {
  for (const { header, harmless = [], known, code, message } of table) {
    for (const [name, value] of headers.startingWith(header)) {
      if (harmless.includes(value) || isOffered(name, value)) continue
      if (known?.includes(value) === false)
        throw new GatewayError('InvalidArgument', { ArgumentName: name, ArgumentValue: value })
      throw new GatewayError(code, { message, ...(code === 'NotImplemented' ? { Header: name } : {}) })
    }
  }
}
