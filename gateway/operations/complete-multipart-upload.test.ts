import { describe, expect, it } from 'vitest'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { getObject } from './get-object.ts'
import { putObject } from './put-object.ts'
import { bytesOfReply, createHarness, textsOf } from './testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './testing/fill.ts'

const cat = { bucket: 'photos', key: 'a cat' }
const part = (number: number | string, eTag: string, more = '') =>
  `<Part><PartNumber>${number}</PartNumber><ETag>${eTag}</ETag>${more}</Part>`

async function withUpload(uploadHeaders: Readonly<Record<string, string>> = {}) {
  const harness = createHarness()
  await fill(harness)
  const uploadId = await beginUpload(harness, cat.key, { headers: uploadHeaders })
  const complete = (parts: string, headers: Readonly<Record<string, string>> = {}) =>
    harness.call(completeMultipartUpload, {
      ...cat,
      query: { uploadId },
      headers,
      xml: `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`,
    })
  const send = (number: number, bytes: string) => sendPart(harness, cat.key, uploadId, number, { bytes })
  return { ...harness, uploadId, complete, send }
}

it('makes the object and says where it is (P-154)', async () => {
  const { send, complete, call } = await withUpload({ 'x-amz-meta-place': 'Rome' })
  const eTag = await send(7, 'hello')
  const reply = await complete(part(7, eTag))
  expect(textsOf(reply, 'Location')).toEqual(['https://s3.example.com:8443/photos/a%20cat'])
  expect(textsOf(reply, 'Key')).toEqual(['a cat'])
  expect(textsOf(reply, 'ETag')).toEqual(['&quot;62109206880d38a4010a98e11243924a-1&quot;'])
  expect(textsOf(reply, 'ChecksumType')).toEqual(['FULL_OBJECT'])
  const object = await call(getObject, cat)
  expect(object.headers).toMatchObject({ 'x-amz-meta-place': 'Rome' })
  expect(await bytesOfReply(object)).toBe('hello')
})

it('takes ETags with and without quotes (P-098), and answers the same when repeated (P-158)', async () => {
  const { send, complete } = await withUpload()
  const eTag = await send(1, 'hello')
  const first = await complete(part(1, eTag.replaceAll('"', '')))
  expect(await complete(part(1, eTag.replaceAll('"', '&quot;')))).toEqual(first)
})

it('checks the size of the object that the client has in mind (P-086)', async () => {
  const { send, complete } = await withUpload()
  const eTag = await send(1, 'hello')
  await expect(complete(part(1, eTag), { 'x-amz-mp-object-size': '4' })).rejects.toMatchObject({
    code: 'InvalidRequest',
  })
  await expect(complete(part(1, eTag), { 'x-amz-mp-object-size': 'x' })).rejects.toMatchObject({
    code: 'InvalidRequest',
  })
  expect((await complete(part(1, eTag), { 'x-amz-mp-object-size': '5' })).status).toBe(200)
})

describe('checksums (P-083, P-085)', () => {
  it('of a composite upload are one per part and one of them all', async () => {
    const { send, complete } = await withUpload({ 'x-amz-checksum-algorithm': 'CRC32C' })
    const eTag = await send(1, 'hello')
    await expect(complete(part(1, eTag))).rejects.toMatchObject({ code: 'InvalidRequest' })
    const reply = await complete(part(1, eTag, '<ChecksumCRC32C>mnG7TA==</ChecksumCRC32C>'))
    expect(textsOf(reply, 'ChecksumCRC32C')[0]).toMatch(/-1$/)
    expect(textsOf(reply, 'ChecksumType')).toEqual(['COMPOSITE'])
  })

  it('of the whole object are compared with the header', async () => {
    const { send, complete } = await withUpload({
      'x-amz-checksum-algorithm': 'CRC32C',
      'x-amz-checksum-type': 'FULL_OBJECT',
    })
    const eTag = await send(1, 'hello')
    await expect(complete(part(1, eTag), { 'x-amz-checksum-crc32c': 'AAAAAA==' })).rejects.toMatchObject({
      code: 'BadDigest',
    })
    await expect(complete(part(1, eTag), { 'x-amz-checksum-type': 'COMPOSITE' })).rejects.toMatchObject({
      code: 'InvalidRequest',
    })
    const two = { 'x-amz-checksum-crc32c': 'mnG7TA==', 'x-amz-checksum-crc32': 'NhCmhg==' }
    await expect(complete(part(1, eTag), two)).rejects.toMatchObject({ code: 'InvalidRequest' })
    expect((await complete(part(1, eTag), { 'x-amz-checksum-crc32c': 'mnG7TA==' })).status).toBe(200)
  })
})

describe('refuses', () => {
  it('an empty list with InvalidRequest and no body with MalformedXML (P-156)', async () => {
    const { complete, call, uploadId } = await withUpload()
    await expect(complete('')).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(call(completeMultipartUpload, { ...cat, query: { uploadId } })).rejects.toMatchObject({
      code: 'MalformedXML',
    })
  })

  it('parts out of order, unknown, changed or too small (P-155)', async () => {
    const { send, complete } = await withUpload()
    const [one, two] = [await send(1, 'one'), await send(2, 'two')]
    await expect(complete(part(2, two) + part(1, one))).rejects.toMatchObject({ code: 'InvalidPartOrder' })
    await expect(complete(part(3, one))).rejects.toMatchObject({ code: 'InvalidPart' })
    await expect(complete(part(1, two))).rejects.toMatchObject({ code: 'InvalidPart' })
    await expect(complete(part(1, one) + part(2, two))).rejects.toMatchObject({ code: 'EntityTooSmall' })
  })

  it.each(['0', '10001'])('part number %s (P-156)', async (number) => {
    const { complete } = await withUpload()
    await expect(complete(part(number, '"x"'))).rejects.toMatchObject({ code: 'InvalidArgument' })
  })

  it('an upload that was aborted, or of another key (P-157, P-158)', async () => {
    const { send, complete, call, uploadId } = await withUpload()
    const eTag = await send(1, 'one')
    const xml = `<CompleteMultipartUpload>${part(1, eTag)}</CompleteMultipartUpload>`
    const other = { bucket: 'photos', key: 'dog', query: { uploadId }, xml }
    await expect(call(completeMultipartUpload, other)).rejects.toMatchObject({ code: 'NoSuchUpload' })
    await call(abortMultipartUpload, { ...cat, query: { uploadId } })
    await expect(complete(part(1, eTag))).rejects.toMatchObject({ code: 'NoSuchUpload' })
  })
})

describe('conditions (P-165, P-210)', () => {
  it('If-None-Match: * is 412 when the object was put during the upload', async () => {
    const { send, complete, call } = await withUpload()
    const eTag = await send(1, 'one')
    await call(putObject, { ...cat, bytes: 'mine' })
    await expect(complete(part(1, eTag), { 'if-none-match': '*' })).rejects.toMatchObject({
      code: 'PreconditionFailed',
    })
  })

  it('If-Match is 412 for the old ETag and 409 for the new one when the object was put during the upload', async () => {
    const harness = createHarness()
    await fill(harness, { [cat.key]: 'old' })
    const old = await harness.namespace.objects.stat(cat)
    harness.clock.now = new Date('2026-11-20T12:01:00Z')
    const uploadId = await beginUpload(harness, cat.key)
    const eTag = await sendPart(harness, cat.key, uploadId, 1, { bytes: 'mine' })
    harness.clock.now = new Date('2026-11-20T12:02:00Z')
    const put = await harness.call(putObject, { ...cat, bytes: 'other' })
    const complete = (ifMatch: string) =>
      harness.call(completeMultipartUpload, {
        ...cat,
        query: { uploadId },
        headers: { 'if-match': ifMatch },
        xml: `<CompleteMultipartUpload>${part(1, eTag)}</CompleteMultipartUpload>`,
      })
    await expect(complete(`"${old.eTag}"`)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(complete(String(put.headers?.etag))).rejects.toMatchObject({ code: 'ConditionalRequestConflict' })
  })

  it('If-None-Match: * is 409 when the object that was there was deleted during the upload', async () => {
    const harness = createHarness()
    await fill(harness, { [cat.key]: 'old' })
    const uploadId = await beginUpload(harness, cat.key)
    const eTag = await sendPart(harness, cat.key, uploadId, 1, { bytes: 'mine' })
    await harness.namespace.objects.remove(cat, {})
    const completed = harness.call(completeMultipartUpload, {
      ...cat,
      query: { uploadId },
      headers: { 'if-none-match': '*' },
      xml: `<CompleteMultipartUpload>${part(1, eTag)}</CompleteMultipartUpload>`,
    })
    await expect(completed).rejects.toMatchObject({ code: 'ConditionalRequestConflict' })
  })

  it('If-Match completes over the object it names, also when repeated', async () => {
    const harness = createHarness()
    await fill(harness, { [cat.key]: 'old' })
    const old = await harness.namespace.objects.stat(cat)
    harness.clock.now = new Date('2026-11-20T12:01:00Z')
    const uploadId = await beginUpload(harness, cat.key)
    const eTag = await sendPart(harness, cat.key, uploadId, 1, { bytes: 'mine' })
    const request = {
      ...cat,
      query: { uploadId },
      headers: { 'if-match': `"${old.eTag}"` },
      xml: `<CompleteMultipartUpload>${part(1, eTag)}</CompleteMultipartUpload>`,
    }
    const first = await harness.call(completeMultipartUpload, request)
    expect(await harness.call(completeMultipartUpload, request)).toEqual(first)
  })

  it('If-Match on what is not there is NoSuchKey', async () => {
    const { send, complete } = await withUpload()
    const eTag = await send(1, 'one')
    await expect(complete(part(1, eTag), { 'if-match': '"x"' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  })
})
