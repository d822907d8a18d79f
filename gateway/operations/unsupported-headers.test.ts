import { describe, expect, it } from 'vitest'
import { headersOf } from './testing/call-operation.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'

const s3 = { region: 'us-east-1', encryptedAtRest: false }

describe('on objects', () => {
  it.each([
    ['x-amz-server-side-encryption', 'aws:kms', 'NotImplemented'],
    ['x-amz-server-side-encryption-aws-kms-key-id', 'k', 'NotImplemented'],
    ['x-amz-copy-source-server-side-encryption-customer-key', 'k', 'NotImplemented'],
    ['x-amz-write-offset-bytes', '5', 'NotImplemented'],
  ])('%s: %s is %s', (name, value, code) => {
    expect(() => refuseUnsupportedHeaders(headersOf({ [name]: value }), s3)).toThrow(expect.objectContaining({ code }))
  })

  it.each([
    ['x-amz-acl', 'public-read'],
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
