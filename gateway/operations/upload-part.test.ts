import { expect, it } from 'vitest'
import { createHarness, type Request } from './testing/call-operation.ts'
import { beginUpload, fill } from './testing/fill.ts'
import { uploadPart } from './upload-part.ts'

async function withUpload(headers: Readonly<Record<string, string>> = {}) {
  const harness = createHarness()
  await fill(harness)
  const uploadId = await beginUpload(harness, 'cat', { headers })
  const send = (partNumber: string, request: Request = {}) =>
    harness.call(uploadPart, { bucket: 'photos', key: 'cat', query: { uploadId, partNumber }, ...request })
  return { ...harness, uploadId, send }
}

it('answers the part’s MD5 as its ETag', async () => {
  const { send } = await withUpload()
  const reply = await send('1', { bytes: 'hello' })
  expect(reply).toMatchObject({ status: 200, headers: { etag: '"5d41402abc4b2a76b9719d911017c592"' } })
})

it('answers the checksum the client sent, or computes the upload’s own (recorded)', async () => {
  const { send } = await withUpload({ 'x-amz-checksum-algorithm': 'CRC32C' })
  const [sent, computed] = [
    await send('1', { bytes: 'hello', checksum: 'CRC32C' }),
    await send('2', { bytes: 'hello' }),
  ]
  expect(sent.headers?.['x-amz-checksum-crc32c']).toBe('mnG7TA==')
  expect(computed.headers?.['x-amz-checksum-crc32c']).toBe('mnG7TA==')
})

it('takes any checksum where the upload has none (recorded)', async () => {
  const { send } = await withUpload()
  const reply = await send('1', { bytes: 'hello', checksum: 'CRC32' })
  expect(reply.headers).toHaveProperty('x-amz-checksum-crc32')
})

it('refuses a checksum of another kind than the upload’s (P-084)', async () => {
  const { send } = await withUpload({ 'x-amz-checksum-algorithm': 'SHA256' })
  await expect(send('1', { checksum: 'CRC32' })).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: 'Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32',
  })
})

it.each(['0', '10001', '-1', 'x', ''])('refuses part number %j (P-156)', async (partNumber) => {
  const { send } = await withUpload()
  await expect(send(partNumber)).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('does not know the upload of another key, nor one that never was (P-157)', async () => {
  const { send, uploadId } = await withUpload()
  await expect(send('1', { key: 'dog' })).rejects.toMatchObject({ code: 'NoSuchUpload' })
  await expect(send('1', { query: { uploadId: `${uploadId}x`, partNumber: '1' } })).rejects.toMatchObject({
    code: 'NoSuchUpload',
  })
})
