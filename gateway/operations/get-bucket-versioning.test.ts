import { expect, it } from 'vitest'
import { getBucketVersioning } from './get-bucket-versioning.ts'
import { createHarness, xmlOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

it('answers neither status nor MFA for a bucket that never was versioned (P-166)', async () => {
  const harness = createHarness()
  await fill(harness)
  const xml = xmlOf(await harness.call(getBucketVersioning, { bucket: 'photos' }))
  expect(xml).toMatch(/<VersioningConfiguration [^>]*(\/>|><\/VersioningConfiguration>)/)
  expect(xml).not.toContain('Status')
})

it('does not know a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(getBucketVersioning, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
