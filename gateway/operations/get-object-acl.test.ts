import { expect, it } from 'vitest'
import { writeBucketDocument } from '../bucket-documents.ts'
import { getBucketAcl } from './get-bucket-acl.ts'
import { getObjectAcl } from './get-object-acl.ts'
import { putObject } from './put-object.ts'
import { alice, bob, createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill, putFile } from './testing/fill.ts'

it('grants the owner of the object everything, and where ACLs are off the owner of the bucket', async () => {
  const harness = createHarness()
  await fill(harness)
  await harness.call(putObject, { bucket: 'photos', key: 'cat', identity: bob })
  const ask = () => harness.call(getObjectAcl, { bucket: 'photos', key: 'cat' })
  expect(textsOf(await ask(), 'ID')).toEqual([bob.canonicalId, bob.canonicalId])
  expect(textsOf(await ask(), 'Permission')).toEqual(['FULL_CONTROL'])
  await writeBucketDocument(harness.namespace, 'photos', 'ownership', { rule: 'BucketOwnerEnforced' })
  expect(textsOf(await ask(), 'ID')).toEqual([alice.canonicalId, alice.canonicalId])
  expect(textsOf(await ask(), 'Permission')).toEqual(['FULL_CONTROL'])
  expect(xmlOf(await ask())).toMatch(/<Grantee [^>]*xsi:type="CanonicalUser"/)
})

it('names the user of the uid for a file that only file users have written, and the bucket’s owner where there is none', async () => {
  const harness = createHarness()
  await fill(harness)
  const ask = async (uid: number) => {
    await putFile(harness.namespace, 'cat', uid)
    return textsOf(await harness.call(getObjectAcl, { bucket: 'photos', key: 'cat' }), 'DisplayName')
  }
  expect(await ask(1002)).toEqual(['Bob', 'Bob'])
  expect(await ask(7)).toEqual(['Alice', 'Alice'])
  await writeBucketDocument(harness.namespace, 'photos', 'ownership', { rule: 'BucketOwnerEnforced' })
  expect(await ask(1002)).toEqual(['Alice', 'Alice'])
})

it('says what is not there', async () => {
  const harness = createHarness()
  await fill(harness)
  await expect(harness.call(getObjectAcl, { bucket: 'photos', key: 'dog' })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
  await expect(harness.call(getBucketAcl, { bucket: 'films' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
