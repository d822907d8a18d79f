import { expect, it } from 'vitest'
import { getBucketLocation } from './get-bucket-location.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

it('answers the empty element in us-east-1 (P-099)', async () => {
  const harness = createHarness()
  await fill(harness)
  const reply = await harness.call(getBucketLocation, { bucket: 'photos' })
  expect(xmlOf(reply)).toMatch(/<LocationConstraint [^>]*(\/>|><\/LocationConstraint>)/)
})

it('answers the region elsewhere', async () => {
  const harness = createHarness()
  await fill(harness)
  const reply = await harness.call(getBucketLocation, { bucket: 'photos', region: 'eu-west-1' })
  expect(xmlOf(reply)).toContain('>eu-west-1</LocationConstraint>')
  expect(textsOf(reply, 'Error')).toEqual([])
})

it('does not know a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(getBucketLocation, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
