import { describe, expect, it } from 'vitest'
import { createMultipartUpload } from './create-multipart-upload.ts'
import { deleteBucketEncryption } from './delete-bucket-encryption.ts'
import { getBucketEncryption } from './get-bucket-encryption.ts'
import { getObject } from './get-object.ts'
import { headObject } from './head-object.ts'
import { putBucketEncryption } from './put-bucket-encryption.ts'
import { putObject } from './put-object.ts'
import { createHarness, type Request, textsOf } from './testing/call-operation.ts'

const encryption = (algorithm: string, more = '') =>
  `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm>${more}` +
  '</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'

async function bucketHarness(encryptedAtRest: boolean) {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  const ask = (operation: Parameters<typeof harness.call>[0], request: Request = {}) =>
    harness.call(operation, { bucket: 'photos', encryptedAtRest, ...request })
  return { ...harness, ask }
}

describe('on a tree that is not said to be encrypted', () => {
  it('nothing is promised', async () => {
    const { ask } = await bucketHarness(false)
    await expect(ask(putBucketEncryption, { xml: encryption('AES256') })).rejects.toMatchObject({
      code: 'NotImplemented',
      message: expect.stringContaining('encrypts nothing'),
    })
    const code = 'ServerSideEncryptionConfigurationNotFoundError'
    await expect(ask(getBucketEncryption)).rejects.toMatchObject({ code })
    const headers = { 'x-amz-server-side-encryption': 'AES256' }
    await expect(ask(putObject, { key: 'k', bytes: 'x', headers })).rejects.toMatchObject({ code: 'NotImplemented' })
    expect((await ask(putObject, { key: 'k', bytes: 'x' })).headers).not.toHaveProperty('x-amz-server-side-encryption')
  })

  it('what was configured while it was encrypted is claimed no longer', async () => {
    const { ask } = await bucketHarness(true)
    await ask(putBucketEncryption, { xml: encryption('AES256') })
    const code = 'ServerSideEncryptionConfigurationNotFoundError'
    await expect(ask(getBucketEncryption, { encryptedAtRest: false })).rejects.toMatchObject({ code })
  })
})

describe('on a tree that is encrypted', () => {
  it('SSE-S3 is accepted, kept and said of every object', async () => {
    const { ask } = await bucketHarness(true)
    expect(await ask(putBucketEncryption, { xml: encryption('AES256') })).toEqual({ status: 200 })
    expect(textsOf(await ask(getBucketEncryption), 'SSEAlgorithm')).toEqual(['AES256'])
    const headers = { 'x-amz-server-side-encryption': 'AES256' }
    for (const operation of [putObject, headObject, getObject, createMultipartUpload])
      expect((await ask(operation, { key: 'k', bytes: 'x', headers })).headers).toMatchObject(headers)
    expect((await ask(headObject, { key: 'k' })).headers).toMatchObject(headers)
    expect(await ask(deleteBucketEncryption)).toEqual({ status: 204 })
    expect(textsOf(await ask(getBucketEncryption), 'SSEAlgorithm')).toEqual(['AES256'])
  })

  it.each([
    ['x-amz-server-side-encryption', 'aws:kms'],
    ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
    ['x-amz-server-side-encryption-aws-kms-key-id', 'AES256'],
    ['x-amz-copy-source-server-side-encryption-customer-algorithm', 'AES256'],
  ])('%s: %s is 501', async (name, value) => {
    const { ask } = await bucketHarness(true)
    const put = ask(putObject, { key: 'k', bytes: 'x', headers: { [name]: value } })
    await expect(put).rejects.toMatchObject({ code: 'NotImplemented' })
  })

  it.each([
    ['SSE-KMS', encryption('aws:kms'), 'NotImplemented'],
    ['an unknown algorithm', encryption('rot13'), 'NotImplemented'],
    ['a key for SSE-S3', encryption('AES256', '<KMSMasterKeyID>k</KMSMasterKeyID>'), 'InvalidArgument'],
    ['no rule', '<ServerSideEncryptionConfiguration/>', 'MalformedXML'],
    ['an empty rule', '<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>', 'MalformedXML'],
    [
      'two rules',
      encryption('AES256').replace('<Rule>', '<Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule><Rule>'),
      'MalformedXML',
    ],
  ])('%s is refused', async (_, xml, code) => {
    const { ask } = await bucketHarness(true)
    await expect(ask(putBucketEncryption, { xml })).rejects.toMatchObject({ code })
  })
})
