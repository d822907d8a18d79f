import { describe, expect, it } from 'vitest'
import { createHarness, textsOf } from './testing/call-operation.ts'
import { beginUpload, fill } from './testing/fill.ts'
import { uploadPartCopy } from './upload-part-copy.ts'

async function withSource(uploadHeaders: Readonly<Record<string, string>> = {}) {
  const harness = createHarness()
  await fill(harness, { source: '0123456789', empty: '' })
  const uploadId = await beginUpload(harness, 'cat', { headers: uploadHeaders })
  const copy = (headers: Readonly<Record<string, string>> = {}) =>
    harness.call(uploadPartCopy, {
      bucket: 'photos',
      key: 'cat',
      query: { uploadId, partNumber: '1' },
      headers: { 'x-amz-copy-source': 'photos/source', ...headers },
    })
  const parts = () =>
    harness.namespace.uploads.listParts({ bucket: 'photos', key: 'cat', uploadId }, { after: 0, max: 10 })
  return { ...harness, copy, parts }
}

it('copies the whole source without a range, an empty one too (P-162)', async () => {
  const { copy, parts } = await withSource()
  const reply = await copy()
  expect(textsOf(reply, 'ETag')).toEqual(['&quot;781e5e245d69b566979b86e28d23f2c7&quot;'])
  expect(textsOf(reply, 'ChecksumCRC64NVME')).toEqual([])
  await copy({ 'x-amz-copy-source': 'photos/empty' })
  expect((await parts()).parts).toMatchObject([{ partNumber: 1, sizeBytes: 0 }])
})

it('copies the range asked for (P-162)', async () => {
  const { copy, parts } = await withSource()
  await copy({ 'x-amz-copy-source-range': 'bytes=2-4' })
  expect((await parts()).parts).toMatchObject([{ sizeBytes: 3, eTag: '289dff07669d7a23de0ef88d2f7129e7' }])
})

it('answers the upload’s checksum', async () => {
  const { copy } = await withSource({ 'x-amz-checksum-algorithm': 'CRC32C' })
  expect(textsOf(await copy(), 'ChecksumCRC32C')).toHaveLength(1)
})

describe('refuses (P-162, P-163)', () => {
  it.each([
    ['x-amz-copy-source-range', '0-8', 'InvalidArgument'],
    ['x-amz-copy-source-range', 'bytes=1-', 'InvalidArgument'],
    ['x-amz-copy-source-range', 'bytes=0-100', 'InvalidArgument'],
    ['x-amz-copy-source-range', 'bytes=100-200', 'InvalidRequest'],
    ['x-amz-copy-source-if-match', '"other"', 'PreconditionFailed'],
    ['x-amz-copy-source-if-none-match', '"781e5e245d69b566979b86e28d23f2c7"', 'PreconditionFailed'],
    ['x-amz-copy-source', 'photos/dog', 'NoSuchKey'],
    ['x-amz-copy-source', 'photos/source?versionId=HPni', 'InvalidArgument'],
  ])('%s: %s', async (name, value, code) => {
    const { copy, parts } = await withSource()
    await expect(copy({ [name]: value })).rejects.toMatchObject({ code })
    expect((await parts()).parts).toEqual([])
  })
})
