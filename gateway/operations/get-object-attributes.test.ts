import { expect, it } from 'vitest'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { getObjectAttributes } from './get-object-attributes.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './testing/fill.ts'

const cat = { bucket: 'photos', key: 'cat' }

async function withCat() {
  const harness = createHarness()
  await fill(harness, { cat: 'hello' })
  const ask = (attributes: string, headers: Readonly<Record<string, string>> = {}) =>
    harness.call(getObjectAttributes, {
      ...cat,
      query: { attributes: '' },
      headers: { 'x-amz-object-attributes': attributes, ...headers },
    })
  return { ...harness, ask }
}

/** Two parts, the first of 5 MiB. */
async function withParts(algorithm: string | undefined) {
  const harness = await withCat()
  const headers = algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm }
  const uploadId = await beginUpload(harness, 'cat', { headers })
  const bytes = [Buffer.alloc(5 * 1024 * 1024), 'tail']
  for (const [index, piece] of bytes.entries()) await sendPart(harness, 'cat', uploadId, index + 1, { bytes: piece })
  const { parts } = await harness.namespace.uploads.listParts({ ...cat, uploadId }, { after: 0, max: 10 })
  const listed = parts.map(
    ({ partNumber, eTag, checksum }) =>
      `<Part><PartNumber>${partNumber}</PartNumber><ETag>${eTag}</ETag>${algorithm === undefined ? '' : `<Checksum${algorithm}>${checksum}</Checksum${algorithm}>`}</Part>`,
  )
  const xml = `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`
  await harness.call(completeMultipartUpload, { ...cat, query: { uploadId }, xml })
  return harness
}

it('answers what is asked for, the ETag without quotes (P-134)', async () => {
  const { ask } = await withCat()
  const reply = await ask('ETag, ObjectSize,StorageClass,Checksum,ObjectParts')
  expect(textsOf(reply, 'ETag')).toEqual(['5d41402abc4b2a76b9719d911017c592'])
  expect(textsOf(reply, 'ObjectSize')).toEqual(['5'])
  expect(textsOf(reply, 'StorageClass')).toEqual(['STANDARD'])
  expect(textsOf(reply, 'ChecksumCRC64NVME')).toEqual(['M3eFcAZSQlc='])
  expect(xmlOf(reply)).not.toContain('ObjectParts')
  expect(reply.headers?.['last-modified']).toBe('Fri, 20 Nov 2026 12:00:00 GMT')
  expect(xmlOf(await ask('ObjectSize'))).not.toContain('ETag')
})

it('lists the parts of a composite object, by pages (P-134)', async () => {
  const { ask } = await withParts('SHA256')
  const first = await ask('ObjectParts,Checksum', { 'x-amz-max-parts': '1' })
  expect(textsOf(first, 'PartsCount')).toEqual(['2'])
  expect(textsOf(first, 'PartNumber')).toEqual(['1'])
  expect(textsOf(first, 'NextPartNumberMarker')).toEqual(['1'])
  expect(textsOf(first, 'IsTruncated')).toEqual(['true'])
  // The value of the whole goes without its count here (recorded), the parts have their own.
  expect(textsOf(first, 'ChecksumSHA256').every((value) => value.endsWith('='))).toBe(true)
  const second = await ask('ObjectParts', { 'x-amz-max-parts': '1', 'x-amz-part-number-marker': '1' })
  expect(textsOf(second, 'PartNumber')).toEqual(['2'])
  const behind = await ask('ObjectParts', { 'x-amz-part-number-marker': '10' })
  expect(textsOf(behind, 'NextPartNumberMarker')).toEqual(['0'])
})

it('lists the parts of others without checksums', async () => {
  const { ask } = await withParts(undefined)
  const reply = await ask('ObjectParts')
  expect(textsOf(reply, 'PartsCount')).toEqual(['2'])
  expect(textsOf(reply, 'PartNumber')).toEqual(['1', '2'])
  expect(xmlOf(reply)).not.toContain('<Checksum')
})

it.each(['Size', '', 'ETag,'])('refuses the attributes %j', async (attributes) => {
  const { ask } = await withCat()
  await expect(ask(attributes)).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('says NoSuchKey', async () => {
  const { call } = await withCat()
  const request = { bucket: 'photos', key: 'dog', headers: { 'x-amz-object-attributes': 'ETag' } }
  await expect(call(getObjectAttributes, request)).rejects.toMatchObject({ code: 'NoSuchKey' })
})
