import { describe, expect, it } from 'vitest'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { getObject } from './get-object.ts'
import { bytesOfReply, createHarness, type Request } from './testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './testing/fill.ts'

const cat = { bucket: 'photos', key: 'cat.jpg' }

async function withCat(bytes = '0123456789') {
  const harness = createHarness()
  await fill(harness, { 'cat.jpg': bytes })
  return { ...harness, get: (request: Request = {}) => harness.call(getObject, { ...cat, ...request }) }
}

/** Parts of 5 MiB and 4 bytes. */
async function withParts(headers: Readonly<Record<string, string>> = {}) {
  const harness = createHarness()
  await fill(harness)
  const uploadId = await beginUpload(harness, 'cat.jpg', { headers })
  const first = await sendPart(harness, 'cat.jpg', uploadId, 1, { bytes: Buffer.alloc(5 * 1024 * 1024, 'a') })
  const second = await sendPart(harness, 'cat.jpg', uploadId, 2, { bytes: 'tail' })
  const checksums = headers['x-amz-checksum-algorithm'] === undefined ? undefined : await partChecksums()
  await harness.call(completeMultipartUpload, {
    ...cat,
    query: { uploadId },
    xml: `<CompleteMultipartUpload>${[first, second]
      .map(
        (eTag, index) =>
          `<Part><PartNumber>${index + 1}</PartNumber><ETag>${eTag}</ETag>${checksums?.[index] ?? ''}</Part>`,
      )
      .join('')}</CompleteMultipartUpload>`,
  })
  return { ...harness, get: (request: Request = {}) => harness.call(getObject, { ...cat, ...request }) }

  async function partChecksums() {
    const { parts } = await harness.namespace.uploads.listParts({ ...cat, uploadId }, { after: 0, max: 10 })
    return parts.map((part) => `<ChecksumSHA256>${part.checksum}</ChecksumSHA256>`)
  }
}

it('answers the bytes with the headers of the same object', async () => {
  const { get } = await withCat()
  const reply = await get()
  expect(reply.status).toBe(200)
  expect(reply.headers).toMatchObject({
    etag: '"781e5e245d69b566979b86e28d23f2c7"',
    'last-modified': 'Fri, 20 Nov 2026 12:00:00 GMT',
    'accept-ranges': 'bytes',
  })
  expect(await bytesOfReply(reply)).toBe('0123456789')
})

it('says NoSuchKey and NoSuchBucket', async () => {
  const { call } = await withCat()
  await expect(call(getObject, { bucket: 'photos', key: 'dog.jpg' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(call(getObject, { bucket: 'films', key: 'cat' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

it('answers a range with 206 (P-121) and ignores one that means nothing (P-122)', async () => {
  const { get } = await withCat()
  const part = await get({ headers: { range: 'bytes=2-4' } })
  expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 2-4/10' } })
  expect(await bytesOfReply(part)).toBe('234')
  expect((await get({ headers: { range: 'bytes=1-0' } })).status).toBe(200)
})

it('closes the file when it is refused: 304, 412, 416 (P-019, P-125, P-121)', async () => {
  const { get, memory } = await withCat()
  const eTag = '"781e5e245d69b566979b86e28d23f2c7"'
  await expect(get({ headers: { 'if-none-match': eTag } })).rejects.toMatchObject({ code: 'NotModified' })
  await expect(get({ headers: { 'if-match': '"other"' } })).rejects.toMatchObject({ code: 'PreconditionFailed' })
  await expect(get({ headers: { range: 'bytes=10-' } })).rejects.toMatchObject({ code: 'InvalidRange' })
  await expect(get({ query: { partNumber: '2' } })).rejects.toMatchObject({ code: 'InvalidPartNumber' })
  expect(memory.openObjects()).toBe(0)
})

it('sends the checksum only when it is asked for, and never with a piece (P-081)', async () => {
  const { get } = await withCat()
  expect((await get()).headers).not.toHaveProperty('x-amz-checksum-crc64nvme')
  const asked = { 'x-amz-checksum-mode': 'ENABLED' }
  expect((await get({ headers: asked })).headers).toHaveProperty('x-amz-checksum-crc64nvme')
  const piece = await get({ headers: { ...asked, range: 'bytes=0-1' } })
  expect(piece.headers).not.toHaveProperty('x-amz-checksum-crc64nvme')
  const all = await get({ headers: { ...asked, range: 'bytes=0-9' } })
  expect(all.headers).toHaveProperty('x-amz-checksum-crc64nvme')
})

it('overrides headers for a signed caller only (P-128)', async () => {
  const { get } = await withCat()
  const query = { 'response-content-type': 'text/plain', 'response-expires': '123' }
  expect((await get({ query })).headers).toMatchObject({ 'content-type': 'text/plain', expires: '123' })
  await expect(get({ query, identity: null })).rejects.toMatchObject({ code: 'InvalidRequest' })
})

it('knows the version null and no other (P-167, P-168)', async () => {
  const { get } = await withCat()
  expect((await get({ query: { versionId: 'null' } })).status).toBe(200)
  await expect(get({ query: { versionId: 'HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD' } })).rejects.toMatchObject({
    code: 'InvalidArgument',
    detail: { message: 'Invalid version id specified', ArgumentName: 'versionId' },
  })
  await expect(get({ query: { versionId: '' } })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('refuses a key for decryption: nothing is encrypted', async () => {
  const { get } = await withCat()
  const headers = { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }
  await expect(get({ headers })).rejects.toMatchObject({ code: 'NotImplemented' })
})

describe('by part (P-124)', () => {
  it('answers the part and how many there are', async () => {
    const { get } = await withParts()
    const reply = await get({ query: { partNumber: '2' } })
    expect(reply).toMatchObject({
      status: 206,
      headers: { 'content-range': 'bytes 5242880-5242883/5242884', 'x-amz-mp-parts-count': 2 },
    })
    expect(await bytesOfReply(reply)).toBe('tail')
  })

  it('answers the part’s own checksum where the object’s is composite (recorded)', async () => {
    const { get } = await withParts({ 'x-amz-checksum-algorithm': 'SHA256' })
    const reply = await get({ query: { partNumber: '2' }, headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    expect(reply.headers).toMatchObject({
      'x-amz-checksum-sha256': 'DGL4du8d6oMN6fMsL0tG3W101Q0ViW4J71ovzUrH4dc=',
      'x-amz-checksum-type': 'COMPOSITE',
    })
  })

  it('answers an object of a single PUT as its only part, without a count (P-212)', async () => {
    const { get } = await withCat('12345678')
    const reply = await get({ query: { partNumber: '1' } })
    expect(reply).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 0-7/8' } })
    expect(reply.headers?.['x-amz-mp-parts-count']).toBeUndefined()
  })

  it('answers an empty object with 200', async () => {
    const { get } = await withCat('')
    const reply = await get({ query: { partNumber: '1' } })
    expect(reply.status).toBe(200)
    expect(reply.headers?.['content-range']).toBeUndefined()
  })

  it('refuses a part that is not there, and a Range beside it', async () => {
    const { get } = await withParts()
    await expect(get({ query: { partNumber: '3' } })).rejects.toMatchObject({ code: 'InvalidPartNumber' })
    await expect(get({ query: { partNumber: '1' }, headers: { range: 'bytes=0-1' } })).rejects.toMatchObject({
      code: 'InvalidRequest',
    })
  })
})
