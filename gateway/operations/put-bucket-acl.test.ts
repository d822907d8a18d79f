import { expect, it } from 'vitest'
import { groupOwner } from '#auth'
import { writeBucketDocument } from '../bucket-documents.ts'
import { allBlocked } from '../effective-public-access.ts'
import { getBucketAcl } from './get-bucket-acl.ts'
import { putBucketAcl } from './put-bucket-acl.ts'
import { alice, bob, createHarness, textsOf, xmlOf } from './testing/call-operation.ts'

const users = 'http://acs.amazonaws.com/groups/global/AllUsers'

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  const put = (headers: Record<string, string>, xml?: string) =>
    harness.call(putBucketAcl, { bucket: 'photos', headers, ...(xml === undefined ? {} : { xml }) })
  const get = () => harness.call(getBucketAcl, { bucket: 'photos' })
  return { ...harness, put, get }
}

const policy = (grants: string, owner: string = alice.canonicalId) =>
  `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>${owner}</ID></Owner><AccessControlList>${grants}</AccessControlList></AccessControlPolicy>`
const toBob = `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="AmazonCustomerByEmail"><EmailAddress>bob@example.com</EmailAddress></Grantee><Permission>WRITE</Permission></Grant>`

it('a bucket without one has its owner’s', async () => {
  const { get } = await bucketHarness()
  const reply = await get()
  expect(textsOf(reply, 'ID')).toEqual([alice.canonicalId, alice.canonicalId])
  expect(textsOf(reply, 'Permission')).toEqual(['FULL_CONTROL'])
  expect(xmlOf(reply)).toMatch(/<Grantee [^>]*xsi:type="CanonicalUser"/)
})

it('keeps a canned ACL, groups first', async () => {
  const { put, get } = await bucketHarness()
  expect(await put({ 'x-amz-acl': 'public-read-write' })).toEqual({ status: 200 })
  expect(textsOf(await get(), 'URI')).toEqual([users, users])
  expect(textsOf(await get(), 'Permission')).toEqual(['READ', 'WRITE', 'FULL_CONTROL'])
  await put({ 'x-amz-acl': 'private' })
  expect(textsOf(await get(), 'Permission')).toEqual(['FULL_CONTROL'])
})

it('keeps what a document grants, names looked up, also nothing at all (P-184)', async () => {
  const { put, get } = await bucketHarness()
  await put({}, policy(toBob))
  expect(textsOf(await get(), 'ID')).toEqual([alice.canonicalId, bob.canonicalId])
  expect(textsOf(await get(), 'DisplayName')).toEqual(['Alice', 'Bob'])
  expect(textsOf(await get(), 'Permission')).toEqual(['WRITE'])
  await put({}, policy(''))
  expect(textsOf(await get(), 'Permission')).toEqual([])
})

it.each<[string, Record<string, string>, string | undefined, string]>([
  ['nothing', {}, undefined, 'MissingSecurityHeader'],
  ['headers and a document', { 'x-amz-acl': 'private' }, policy(toBob), 'UnexpectedContent'],
  [
    'a canned ACL and grants',
    { 'x-amz-acl': 'private', 'x-amz-grant-read': `uri=${users}` },
    undefined,
    'InvalidRequest',
  ],
  ['a canned ACL of objects', { 'x-amz-acl': 'bucket-owner-read' }, undefined, 'InvalidArgument'],
  ['somebody else’s ownership', {}, policy(toBob, bob.canonicalId), 'AccessDenied'],
  ['another root', {}, '<Acl/>', 'MalformedXML'],
  ['an empty document', {}, '<AccessControlPolicy/>', 'MalformedACLError'],
])('refuses %s and changes nothing', async (_, headers, xml, code) => {
  const { put, get } = await bucketHarness()
  await put({ 'x-amz-acl': 'public-read' })
  await expect((async () => put(headers, xml))()).rejects.toMatchObject({ code })
  expect(textsOf(await get(), 'Permission')).toEqual(['READ', 'FULL_CONTROL'])
})

it('refuses any ACL where ACLs are off, and shows the owner’s instead of one from before (P-186)', async () => {
  const { put, get, namespace } = await bucketHarness()
  await put({ 'x-amz-acl': 'public-read' })
  await writeBucketDocument(namespace, 'photos', 'ownership', { rule: 'BucketOwnerEnforced' })
  for (const acl of ['private', 'public-read'])
    await expect(put({ 'x-amz-acl': acl })).rejects.toMatchObject({ code: 'AccessControlListNotSupported' })
  expect(textsOf(await get(), 'Permission')).toEqual(['FULL_CONTROL'])
})

it('refuses a public one where those are blocked, by header and by document (P-191)', async () => {
  const { call, put, namespace } = await bucketHarness()
  const everybody = toBob
    .replace('AmazonCustomerByEmail', 'Group')
    .replace(/<EmailAddress>.*<\/EmailAddress>/, `<URI>${users}</URI>`)
  await writeBucketDocument(namespace, 'photos', 'public-access', { ...allBlocked, ignorePublicAcls: false })
  await expect(put({ 'x-amz-acl': 'authenticated-read' })).rejects.toMatchObject({ code: 'AccessDenied' })
  await expect(put({}, policy(everybody))).rejects.toMatchObject({ code: 'AccessDenied' })
  await put({}, policy(toBob))
  await namespace.documents.remove('photos', 'public-access')
  const s3 = { accountPublicAccessBlock: true }
  const headers = { 'x-amz-acl': 'public-read' }
  await expect(call(putBucketAcl, { bucket: 'photos', headers, s3 })).rejects.toMatchObject({ code: 'AccessDenied' })
  await put(headers)
})

it('says that there is no such bucket', async () => {
  const { call } = createHarness()
  for (const operation of [getBucketAcl, putBucketAcl])
    await expect(call(operation, { bucket: 'films', headers: { 'x-amz-acl': 'private' } })).rejects.toMatchObject({
      code: 'NoSuchBucket',
    })
})

it('of a group’s bucket can be written back as it was read, and names no other group', async () => {
  const { call, memory } = createHarness()
  const staff = groupOwner({ name: 'staff' })
  await memory.as({ ...bob, ...staff }).buckets.create('photos')
  const grant = (id: string) =>
    `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>${id}</ID></Grantee><Permission>READ</Permission></Grant>`
  const put = (id: string) => call(putBucketAcl, { bucket: 'photos', xml: policy(grant(id), staff.canonicalId) })
  await put(staff.canonicalId)
  expect(textsOf(await call(getBucketAcl, { bucket: 'photos' }), 'DisplayName')).toEqual(['group:staff', 'group:staff'])
  await expect(put(groupOwner({ name: 'crew' }).canonicalId)).rejects.toMatchObject({ code: 'InvalidArgument' })
})
