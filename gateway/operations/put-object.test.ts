import { expect, it } from 'vitest'
import { putObject } from './put-object.ts'
import { createHarness } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

const cat = { bucket: 'photos', key: 'cat.jpg' }

it('answers the MD5 as ETag and the checksum that is kept (P-080, P-088)', async () => {
  const harness = createHarness()
  await fill(harness)
  const reply = await harness.call(putObject, { ...cat, bytes: 'hello' })
  expect(reply).toEqual({
    status: 200,
    headers: {
      etag: '"5d41402abc4b2a76b9719d911017c592"',
      'x-amz-checksum-crc64nvme': 'M3eFcAZSQlc=',
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-version-id': undefined,
    },
  })
})

it('keeps content headers, metadata and tags', async () => {
  const harness = createHarness()
  await fill(harness)
  const headers = { 'content-type': 'image/jpeg', 'x-amz-meta-place': 'Rome', 'x-amz-tagging': 'animal=cat' }
  await harness.call(putObject, { ...cat, headers })
  const stat = await harness.namespace.objects.stat(cat)
  expect(stat.headers['content-type']).toBe('image/jpeg')
  expect(stat.metadata).toEqual({ place: 'Rome' })
  expect(stat.tags).toEqual([{ key: 'animal', value: 'cat' }])
})

it('does not overwrite with If-None-Match: * (P-138)', async () => {
  const harness = createHarness()
  await fill(harness, { 'cat.jpg': 'old' })
  const again = harness.call(putObject, { ...cat, bytes: 'new', headers: { 'if-none-match': '*' } })
  await expect(again).rejects.toMatchObject({ code: 'PreconditionFailed' })
  expect((await harness.namespace.objects.stat(cat)).sizeBytes).toBe(3)
  const first = await harness.call(putObject, { bucket: 'photos', key: 'dog.jpg', headers: { 'if-none-match': '*' } })
  expect(first.status).toBe(200)
})

it('says NoSuchKey when If-Match names what is not there (P-138)', async () => {
  const harness = createHarness()
  await fill(harness)
  await expect(harness.call(putObject, { ...cat, headers: { 'if-match': '"x"' } })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
})

it.each([
  ['x-amz-server-side-encryption', 'AES256', 'NotImplemented'],
  ['x-amz-server-side-encryption-customer-algorithm', 'AES256', 'NotImplemented'],
  ['x-amz-acl', 'nonsense', 'InvalidArgument'],
  ['x-amz-object-lock-legal-hold', 'ON', 'InvalidRequest'],
])('stores nothing when asked for %s', async (name, value, code) => {
  const harness = createHarness()
  await fill(harness)
  await expect(harness.call(putObject, { ...cat, headers: { [name]: value } })).rejects.toMatchObject({ code })
  await expect(harness.namespace.objects.stat(cat)).rejects.toMatchObject({ code: 'NoSuchKey' })
})

it('says NoSuchBucket', async () => {
  const { call } = createHarness()
  await expect(call(putObject, cat)).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
