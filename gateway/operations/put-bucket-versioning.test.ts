import { expect, it } from 'vitest'
import { getBucketVersioning } from './get-bucket-versioning.ts'
import { putBucketVersioning } from './put-bucket-versioning.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'

const configuration = (content: string) => `<VersioningConfiguration>${content}</VersioningConfiguration>`

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  return harness
}

it('enables and suspends versioning, also suspends what never was enabled (P-166)', async () => {
  const { call } = await bucketHarness()
  for (const status of ['Suspended', 'Enabled', 'Suspended']) {
    const xml = configuration(`<Status>${status}</Status>`)
    expect(await call(putBucketVersioning, { bucket: 'photos', xml })).toMatchObject({ status: 200 })
    expect(textsOf(await call(getBucketVersioning, { bucket: 'photos' }), 'Status')).toEqual([status])
  }
})

it.each([
  ['', 'IllegalVersioningConfigurationException'],
  ['<Status>enabled</Status>', 'MalformedXML'],
  ['<Status>Disabled</Status>', 'MalformedXML'],
  ['<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>', 'NotImplemented'],
])('refuses %j with %s (P-166)', async (content, code) => {
  const { call, namespace } = await bucketHarness()
  await expect(call(putBucketVersioning, { bucket: 'photos', xml: configuration(content) })).rejects.toMatchObject({
    code,
  })
  expect(await namespace.documents.find('photos', 'versioning')).toBeUndefined()
})

it('does not suspend a bucket with object lock', async () => {
  const { call, namespace } = await bucketHarness()
  await namespace.documents.write('photos', 'object-lock', {})
  const xml = configuration('<Status>Suspended</Status>')
  await expect(call(putBucketVersioning, { bucket: 'photos', xml })).rejects.toMatchObject({
    code: 'InvalidBucketState',
  })
})
