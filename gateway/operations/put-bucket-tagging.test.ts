import { expect, it } from 'vitest'
import { deleteBucketTagging } from './delete-bucket-tagging.ts'
import { getBucketTagging } from './get-bucket-tagging.ts'
import { putBucketTagging } from './put-bucket-tagging.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'

const tagging = (...pairs: readonly (readonly [string, string])[]) =>
  `<Tagging><TagSet>${pairs.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('')}</TagSet></Tagging>`

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  return harness
}

it('keeps the tags of a bucket in the order given (P-193) until they are deleted', async () => {
  const { call } = await bucketHarness()
  const put = await call(putBucketTagging, { bucket: 'photos', xml: tagging(['team', 'x'], ['cost', 'y z']) })
  expect(put).toMatchObject({ status: 204 })
  const reply = await call(getBucketTagging, { bucket: 'photos' })
  expect([textsOf(reply, 'Key'), textsOf(reply, 'Value')]).toEqual([
    ['team', 'cost'],
    ['x', 'y z'],
  ])
  expect(await call(deleteBucketTagging, { bucket: 'photos' })).toMatchObject({ status: 204 })
  await expect(call(getBucketTagging, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchTagSet' })
})

it.each([
  ['a key twice', tagging(['a', '1'], ['a', '2'])],
  ['a system tag', tagging(['aws:x', '1'])],
  ['51 tags', tagging(...Array.from({ length: 51 }, (_, index) => [`k${index}`, 'v'] as const))],
])('refuses %s (P-192)', async (_, xml) => {
  const { call } = await bucketHarness()
  await expect(call(putBucketTagging, { bucket: 'photos', xml })).rejects.toMatchObject({ code: 'InvalidTag' })
})

it('knows no tags of a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(getBucketTagging, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
