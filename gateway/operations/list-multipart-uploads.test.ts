import { expect, it } from 'vitest'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import { listMultipartUploads } from './list-multipart-uploads.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { beginUpload, fill } from './testing/fill.ts'

async function withUploads(keys: readonly string[]) {
  const harness = createHarness()
  await fill(harness)
  const ids: string[] = []
  for (const key of keys) {
    harness.clock.now = new Date(harness.clock.now.getTime() + 1000)
    ids.push(await beginUpload(harness, key))
  }
  const list = (query: Readonly<Record<string, string>> = {}) =>
    harness.call(listMultipartUploads, { bucket: 'photos', query: { uploads: '', ...query } })
  return { ...harness, ids, list }
}

it('lists by key, then by age, with the initiator (P-118)', async () => {
  const { list, ids } = await withUploads(['b', 'a', 'b'])
  const reply = await list()
  expect(textsOf(reply, 'Key')).toEqual(['a', 'b', 'b'])
  expect(textsOf(reply, 'UploadId')).toEqual([ids[1], ids[0], ids[2]])
  expect(textsOf(reply, 'DisplayName')).toHaveLength(6)
  // On the last page too (recorded).
  expect(textsOf(reply, 'NextKeyMarker')).toEqual(['b'])
  expect(textsOf(reply, 'NextUploadIdMarker')).toEqual([ids[2]])
  expect(textsOf(reply, 'IsTruncated')).toEqual(['false'])
})

it('goes on within a key by both markers, and behind it by the key alone (P-118)', async () => {
  const { list, ids } = await withUploads(['a', 'a', 'b'])
  const within = await list({ 'key-marker': 'a', 'upload-id-marker': ids[0] ?? '', 'max-uploads': '1' })
  expect(textsOf(within, 'UploadId')).toEqual([ids[1]])
  expect(textsOf(within, 'IsTruncated')).toEqual(['true'])
  expect(textsOf(await list({ 'key-marker': 'a' }), 'UploadId')).toEqual([ids[2]])
  const alone = await list({ 'upload-id-marker': ids[0] ?? '' })
  expect(textsOf(alone, 'UploadId')).toHaveLength(3)
})

it('refuses the upload of another key as marker (P-118)', async () => {
  const { list, ids } = await withUploads(['a', 'b'])
  await expect(list({ 'key-marker': 'a', 'upload-id-marker': ids[1] ?? '' })).rejects.toMatchObject({
    code: 'InvalidArgument',
    detail: { message: 'Invalid uploadId marker' },
  })
})

it('passes over no upload when the marker was aborted between two pages', async () => {
  const { list, ids, call } = await withUploads(['a', 'a', 'b'])
  await call(abortMultipartUpload, { bucket: 'photos', key: 'a', query: { uploadId: ids[0] ?? '' } })
  const reply = await list({ 'key-marker': 'a', 'upload-id-marker': ids[0] ?? '' })
  expect(textsOf(reply, 'UploadId')).toEqual([ids[1], ids[2]])
})

it('groups by delimiter, and goes on behind a group', async () => {
  const { list } = await withUploads(['x/1', 'x/2', 'y', 'z/1'])
  const first = await list({ delimiter: '/', 'max-uploads': '1' })
  expect(textsOf(first, 'Prefix')).toEqual(['x/'])
  expect(textsOf(first, 'NextKeyMarker')).toEqual(['x/'])
  const second = await list({ delimiter: '/', 'key-marker': 'x/' })
  expect(textsOf(second, 'Key')).toEqual(['y'])
  expect(textsOf(second, 'Prefix')).toEqual(['z/'])
  expect(textsOf(await list({ prefix: 'x/' }), 'Key')).toEqual(['x/1', 'x/2'])
})

it('answers empty markers for an empty bucket, and encodes names as asked', async () => {
  const empty = await withUploads([])
  expect(xmlOf(await empty.list())).toMatch(/<NextKeyMarker(\/>|><\/NextKeyMarker>)/)
  const { list } = await withUploads(['a b'])
  expect(textsOf(await list({ 'encoding-type': 'url' }), 'Key')).toEqual(['a%20b'])
})
