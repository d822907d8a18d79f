import { expect, it } from 'vitest'
import { getBucketAcl } from './get-bucket-acl.ts'
import { getObjectAcl } from './get-object-acl.ts'
import { putObject } from './put-object.ts'
import { alice, bob, createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

it('grants the owner of the bucket everything, and nobody else anything', async () => {
  const harness = createHarness()
  await fill(harness)
  await harness.call(putObject, { bucket: 'photos', key: 'cat', identity: bob })
  for (const operation of [getBucketAcl, getObjectAcl]) {
    const reply = await harness.call(operation, { bucket: 'photos', key: 'cat' })
    expect(textsOf(reply, 'ID')).toEqual([alice.canonicalId, alice.canonicalId])
    expect(textsOf(reply, 'Permission')).toEqual(['FULL_CONTROL'])
    expect(xmlOf(reply)).toMatch(/<Grantee [^>]*xsi:type="CanonicalUser"/)
  }
})

it('says what is not there', async () => {
  const harness = createHarness()
  await fill(harness)
  await expect(harness.call(getObjectAcl, { bucket: 'photos', key: 'dog' })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
  await expect(harness.call(getBucketAcl, { bucket: 'films' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
