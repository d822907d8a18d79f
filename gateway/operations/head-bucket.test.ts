import { expect, it } from 'vitest'
import { headBucket } from './head-bucket.ts'
import { createHarness } from './testing/call-operation.ts'

it('says in which region the bucket is', async () => {
  const { call, namespace } = createHarness()
  await namespace.buckets.create('photos')
  const reply = await call(headBucket, { bucket: 'photos', region: 'eu-west-1' })
  expect(reply).toMatchObject({ status: 200, headers: { 'x-amz-bucket-region': 'eu-west-1' } })
  expect(reply.content).toBeUndefined()
})

it('does not know a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(headBucket, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
