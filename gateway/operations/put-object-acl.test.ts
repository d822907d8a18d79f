import { expect, it } from 'vitest'
import { writeBucketDocument } from '../bucket-documents.ts'
import { allBlocked } from '../effective-public-access.ts'
import { getObjectAcl } from './get-object-acl.ts'
import { putObject } from './put-object.ts'
import { putObjectAcl } from './put-object-acl.ts'
import { alice, bob, createHarness, textsOf } from './testing/call-operation.ts'
import { fill, putFile } from './testing/fill.ts'

/** Bob's object in Alice's bucket. */
async function objectHarness() {
  const harness = createHarness()
  await fill(harness)
  await harness.call(putObject, { bucket: 'photos', key: 'cat', identity: bob, headers: { 'x-amz-tagging': 'a=b' } })
  const put = (headers: Record<string, string>, xml?: string, query: Record<string, string> = {}) =>
    harness.call(putObjectAcl, {
      ...{ bucket: 'photos', key: 'cat', identity: bob, query, headers },
      ...(xml === undefined ? {} : { xml }),
    })
  const get = () => harness.call(getObjectAcl, { bucket: 'photos', key: 'cat' })
  return { ...harness, put, get }
}

const policy = (id: string, owner = bob.canonicalId) =>
  `<AccessControlPolicy><Owner><ID>${owner}</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>${id}</ID></Grantee><Permission>READ_ACP</Permission></Grant></AccessControlList></AccessControlPolicy>`

it('replaces the ACL and nothing else: owner, tags and date stay (P-174)', async () => {
  const { put, get, clock, namespace } = await objectHarness()
  const before = await namespace.objects.stat({ bucket: 'photos', key: 'cat' })
  clock.now = new Date(clock.now.getTime() + 60_000)
  await put({ 'x-amz-acl': 'bucket-owner-read' })
  expect(textsOf(await get(), 'DisplayName')).toEqual(['Bob', 'Bob', 'Alice'])
  expect(textsOf(await get(), 'Permission')).toEqual(['FULL_CONTROL', 'READ'])
  const { acl: _, ...after } = await namespace.objects.stat({ bucket: 'photos', key: 'cat' })
  const { acl: __, ...was } = before
  expect(after).toEqual(was)
  await put({}, policy(alice.canonicalId), { versionId: 'null' })
  expect(textsOf(await get(), 'Permission')).toEqual(['READ_ACP'])
  await put({ 'x-amz-grant-read': 'uri=http://acs.amazonaws.com/groups/global/AllUsers' })
  expect(textsOf(await get(), 'Permission')).toEqual(['READ'])
})

it.each<[string, Record<string, string>, string | undefined, string]>([
  ['nothing', {}, undefined, 'MissingSecurityHeader'],
  ['headers and a document', { 'x-amz-acl': 'private' }, policy(bob.canonicalId), 'UnexpectedContent'],
  ['an unknown canned ACL', { 'x-amz-acl': 'log-delivery-write' }, undefined, 'InvalidArgument'],
  ['an unknown user', {}, policy('nobody'), 'InvalidArgument'],
  ['another owner', {}, policy(bob.canonicalId, alice.canonicalId), 'AccessDenied'],
])('refuses %s and changes nothing', async (_, headers, xml, code) => {
  const { put, get } = await objectHarness()
  await expect(put(headers, xml)).rejects.toMatchObject({ code })
  expect(textsOf(await get(), 'Permission')).toEqual(['FULL_CONTROL'])
})

it('refuses any where ACLs are off, which show the bucket’s owner (P-186)', async () => {
  const { put, get, namespace } = await objectHarness()
  await writeBucketDocument(namespace, 'photos', 'ownership', { rule: 'BucketOwnerEnforced' })
  for (const acl of ['private', 'bucket-owner-full-control'])
    await expect(put({ 'x-amz-acl': acl })).rejects.toMatchObject({ code: 'AccessControlListNotSupported' })
  expect(textsOf(await get(), 'DisplayName')).toEqual(['Alice', 'Alice'])
})

it('refuses a public one where those are blocked (P-191)', async () => {
  const { put, get, namespace } = await objectHarness()
  await writeBucketDocument(namespace, 'photos', 'public-access', allBlocked)
  await expect(put({ 'x-amz-acl': 'public-read' })).rejects.toMatchObject({ code: 'AccessDenied' })
  await put({ 'x-amz-acl': 'bucket-owner-read' })
  expect(textsOf(await get(), 'Permission')).toEqual(['FULL_CONTROL', 'READ'])
})

it('of a file that only file users have written is for the user of its uid to say, and stays theirs', async () => {
  const { put, get, namespace } = await objectHarness()
  await putFile(namespace, 'cat', 1002)
  await put({}, policy(alice.canonicalId))
  expect(textsOf(await get(), 'DisplayName')).toEqual(['Bob', 'Alice'])
  await expect(put({}, policy(bob.canonicalId, alice.canonicalId))).rejects.toMatchObject({ code: 'AccessDenied' })
  await put({ 'x-amz-acl': 'bucket-owner-read' })
  expect(textsOf(await get(), 'DisplayName')).toEqual(['Bob', 'Bob', 'Alice'])
})

it('refuses where somebody else writes the object at the same moment', async () => {
  const { call, namespace } = await objectHarness()
  await putFile(namespace, 'cat', 1002)
  const objects: typeof namespace.objects = {
    ...namespace.objects,
    async amend(target, change) {
      await putFile(namespace, 'cat', 1001)
      return namespace.objects.amend(target, change)
    },
  }
  const request = { bucket: 'photos', key: 'cat', headers: { 'x-amz-acl': 'public-read' } }
  await expect(call(putObjectAcl, { ...request, namespace: { ...namespace, objects } })).rejects.toMatchObject({
    code: 'OperationAborted',
  })
  expect((await namespace.objects.stat({ bucket: 'photos', key: 'cat' })).acl).toBeUndefined()
})

it('says what is not there', async () => {
  const { call } = await objectHarness()
  const headers = { 'x-amz-acl': 'private' }
  await expect(call(putObjectAcl, { bucket: 'photos', key: 'dog', headers })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
  await expect(call(putObjectAcl, { bucket: 'films', key: 'cat', headers })).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
})
