import { describe, expect, it } from 'vitest'
import { headersOf } from './testing/call-operation.ts'
import { refuseUnsupportedBucketHeaders, refuseUnsupportedHeaders } from './unsupported-headers.ts'

const s3 = { region: 'us-east-1', encryptedAtRest: false }

describe('on objects', () => {
  it.each([
    ['x-amz-server-side-encryption', 'aws:kms', 'NotImplemented'],
    ['x-amz-server-side-encryption-aws-kms-key-id', 'k', 'NotImplemented'],
    ['x-amz-copy-source-server-side-encryption-customer-key', 'k', 'NotImplemented'],
    ['x-amz-acl', 'authenticated-read', 'AccessControlListNotSupported'],
    ['x-amz-acl', 'mine', 'InvalidArgument'],
    ['x-amz-grant-full-control', 'id="a"', 'AccessControlListNotSupported'],
    ['x-amz-object-lock-legal-hold', 'OFF', 'InvalidRequest'],
    ['x-amz-object-lock-retain-until-date', '2030-01-01T00:00:00Z', 'InvalidRequest'],
    ['x-amz-write-offset-bytes', '5', 'NotImplemented'],
  ])('%s: %s is %s', (name, value, code) => {
    expect(() => refuseUnsupportedHeaders(headersOf({ [name]: value }), s3)).toThrow(expect.objectContaining({ code }))
  })

  it.each([
    ['x-amz-acl', 'private'],
    ['x-amz-acl', 'bucket-owner-full-control'],
    ['x-amz-bypass-governance-retention', 'true'],
    ['x-amz-tagging', 'a=b'],
    ['x-amz-request-payer', 'requester'],
  ])('%s: %s is let through', (name, value) => {
    expect(() => refuseUnsupportedHeaders(headersOf({ [name]: value }), s3)).not.toThrow()
  })

  it('says that nothing is encrypted, and names the header', () => {
    const headers = headersOf({ 'x-amz-server-side-encryption': 'AES256' })
    expect(() => refuseUnsupportedHeaders(headers, s3)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('encrypts nothing'),
        detail: expect.objectContaining({ Header: 'x-amz-server-side-encryption' }),
      }),
    )
  })
})

describe('on buckets', () => {
  it.each([
    ['x-amz-acl', 'private'],
    ['x-amz-object-ownership', 'BucketOwnerEnforced'],
    ['x-amz-bucket-object-lock-enabled', 'false'],
  ])('%s: %s is let through', (name, value) => {
    expect(() => refuseUnsupportedBucketHeaders(headersOf({ [name]: value }))).not.toThrow()
  })

  it('a canned ACL of objects is unknown', () => {
    const headers = headersOf({ 'x-amz-acl': 'bucket-owner-read' })
    expect(() => refuseUnsupportedBucketHeaders(headers)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })
})
