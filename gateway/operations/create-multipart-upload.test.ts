import { expect, it } from 'vitest'
import { createMultipartUpload } from './create-multipart-upload.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

async function withBucket() {
  const harness = createHarness()
  await fill(harness)
  const begin = (headers: Readonly<Record<string, string>> = {}) =>
    harness.call(createMultipartUpload, { bucket: 'photos', key: 'cat & dog', query: { uploads: '' }, headers })
  return { ...harness, begin }
}

it('answers an upload id, and keeps what is said of the object (P-160)', async () => {
  const { begin, namespace } = await withBucket()
  const reply = await begin({ 'x-amz-meta-place': 'Rome', 'x-amz-tagging': 'a=b', 'content-type': 'image/gif' })
  expect(textsOf(reply, 'Key')).toEqual(['cat &amp; dog'])
  const [upload] = await namespace.uploads.list('photos', '')
  expect(textsOf(reply, 'UploadId')).toEqual([upload?.uploadId])
  expect(upload).toMatchObject({
    metadata: { place: 'Rome' },
    tags: [{ key: 'a', value: 'b' }],
    headers: { 'content-type': 'image/gif' },
    checksum: undefined,
  })
})

it.each([
  ['crc32', undefined, 'CRC32', 'COMPOSITE'],
  ['CRC32C', 'FULL_OBJECT', 'CRC32C', 'FULL_OBJECT'],
  ['CRC64NVME', undefined, 'CRC64NVME', 'FULL_OBJECT'],
  ['SHA256', 'COMPOSITE', 'SHA256', 'COMPOSITE'],
])('with checksum %s and type %s makes it %s, %s (P-083)', async (algorithm, type, made, madeType) => {
  const { begin } = await withBucket()
  const headers = {
    'x-amz-checksum-algorithm': algorithm,
    ...(type === undefined ? {} : { 'x-amz-checksum-type': type }),
  }
  expect((await begin(headers)).headers).toEqual({
    'x-amz-checksum-algorithm': made,
    'x-amz-checksum-type': madeType,
  })
})

it.each([
  [
    { 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'FULL_OBJECT' },
    /FULL_OBJECT checksum type cannot be used with the sha256/,
  ],
  [
    { 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' },
    /COMPOSITE checksum type cannot be used/,
  ],
  [{ 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'HALF' }, /x-amz-checksum-type header is invalid/],
  [{ 'x-amz-checksum-type': 'COMPOSITE' }, /can only be used with the x-amz-checksum-algorithm/],
  [{ 'x-amz-checksum-algorithm': 'MD4' }, /\[CRC32, CRC32C, CRC64NVME, SHA1, SHA256\]/],
])('refuses %j (P-079, P-083)', async (headers, message) => {
  const { begin, namespace } = await withBucket()
  await expect(begin(headers)).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: expect.stringMatching(message),
  })
  expect(await namespace.uploads.list('photos', '')).toEqual([])
})

it('refuses to promise encryption', async () => {
  const { begin } = await withBucket()
  await expect(begin({ 'x-amz-server-side-encryption': 'AES256' })).rejects.toMatchObject({ code: 'NotImplemented' })
})
