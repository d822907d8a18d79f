import { expect, it } from 'vitest'
import { listParts } from './list-parts.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './testing/fill.ts'

async function withParts(numbers: readonly number[], headers: Readonly<Record<string, string>> = {}) {
  const harness = createHarness()
  await fill(harness)
  const uploadId = await beginUpload(harness, 'cat', { headers })
  for (const number of numbers) await sendPart(harness, 'cat', uploadId, number, { bytes: `part ${number}` })
  const list = (query: Readonly<Record<string, string>> = {}) =>
    harness.call(listParts, { bucket: 'photos', key: 'cat', query: { uploadId, ...query } })
  return { ...harness, list }
}

it('lists parts by number, with who began the upload', async () => {
  const { list } = await withParts([10, 2])
  const reply = await list()
  expect(textsOf(reply, 'PartNumber')).toEqual(['2', '10'])
  expect(textsOf(reply, 'Size')).toEqual(['6', '7'])
  expect(textsOf(reply, 'DisplayName')).toEqual(['Alice', 'Alice'])
  expect(textsOf(reply, 'NextPartNumberMarker')).toEqual(['10'])
  expect(xmlOf(reply)).not.toContain('Checksum')
})

it('pages by max-parts and part-number-marker (P-119)', async () => {
  const { list } = await withParts([1, 2, 3])
  const first = await list({ 'max-parts': '2', 'part-number-marker': '' })
  expect(textsOf(first, 'IsTruncated')).toEqual(['true'])
  expect(textsOf(first, 'NextPartNumberMarker')).toEqual(['2'])
  const second = await list({ 'max-parts': '2', 'part-number-marker': '2' })
  expect(textsOf(second, 'PartNumber')).toEqual(['3'])
  expect(textsOf(second, 'IsTruncated')).toEqual(['false'])
})

it('answers an empty list and marker 0 behind the end (P-119)', async () => {
  const { list } = await withParts([1])
  const reply = await list({ 'part-number-marker': '10' })
  expect(textsOf(reply, 'PartNumber')).toEqual([])
  expect(textsOf(reply, 'NextPartNumberMarker')).toEqual(['0'])
})

it('shows checksums where the upload was begun with one (recorded)', async () => {
  const { list } = await withParts([1], { 'x-amz-checksum-algorithm': 'SHA256' })
  const reply = await list()
  expect(textsOf(reply, 'ChecksumAlgorithm')).toEqual(['SHA256'])
  expect(textsOf(reply, 'ChecksumSHA256')).toHaveLength(1)
})

it('says NoSuchUpload, and InvalidArgument for a marker that is no number', async () => {
  const { list } = await withParts([])
  await expect(list({ uploadId: 'fakeid' })).rejects.toMatchObject({ code: 'NoSuchUpload' })
  await expect(list({ 'part-number-marker': 'x' })).rejects.toMatchObject({ code: 'InvalidArgument' })
})
