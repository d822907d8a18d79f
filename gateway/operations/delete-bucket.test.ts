import { expect, it } from 'vitest'
import { deleteBucket } from './delete-bucket.ts'
import { createHarness } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

it('removes an empty bucket', async () => {
  const harness = createHarness()
  await fill(harness)
  expect(await harness.call(deleteBucket, { bucket: 'photos' })).toEqual({ status: 204 })
  await expect(harness.call(deleteBucket, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

it('leaves a bucket that holds an object', async () => {
  const harness = createHarness()
  await fill(harness, ['cat.jpg'])
  await expect(harness.call(deleteBucket, { bucket: 'photos' })).rejects.toMatchObject({ code: 'BucketNotEmpty' })
  expect(await harness.namespace.buckets.find('photos')).toBeDefined()
})
