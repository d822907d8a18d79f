import { expect, it } from 'vitest'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import { createHarness } from './testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './testing/fill.ts'

it('leaves nothing of the upload, and is 404 the second time (P-158)', async () => {
  const harness = createHarness()
  await fill(harness)
  const uploadId = await beginUpload(harness, 'cat')
  await sendPart(harness, 'cat', uploadId, 1, { bytes: 'meow' })
  const abort = () => harness.call(abortMultipartUpload, { bucket: 'photos', key: 'cat', query: { uploadId } })
  expect(await abort()).toEqual({ status: 204 })
  expect(await harness.namespace.uploads.list('photos', '')).toEqual([])
  await expect(abort()).rejects.toMatchObject({ code: 'NoSuchUpload' })
})

it('does not abort the upload of another key (P-157)', async () => {
  const harness = createHarness()
  await fill(harness)
  const uploadId = await beginUpload(harness, 'cat')
  const request = { bucket: 'photos', key: 'dog', query: { uploadId } }
  await expect(harness.call(abortMultipartUpload, request)).rejects.toMatchObject({ code: 'NoSuchUpload' })
  expect(await harness.namespace.uploads.list('photos', '')).toHaveLength(1)
})
