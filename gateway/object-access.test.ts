import { describe, expect, it } from 'vitest'
import { groupOwner } from '#auth'
import type { BucketDocuments } from './bucket-documents.ts'
import { writeBucketDocument } from './bucket-documents.ts'
import { allBlocked } from './effective-public-access.ts'
import { completeMultipartUpload } from './operations/complete-multipart-upload.ts'
import { copyObject } from './operations/copy-object.ts'
import { createMultipartUpload } from './operations/create-multipart-upload.ts'
import { getObjectAcl } from './operations/get-object-acl.ts'
import { listParts } from './operations/list-parts.ts'
import { putObject } from './operations/put-object.ts'
import { alice, bob, createHarness, textsOf } from './operations/testing/call-operation.ts'
import { beginUpload, fill, sendPart } from './operations/testing/fill.ts'

type Headers = Readonly<Record<string, string>>
type Rule = BucketDocuments['ownership']['rule']

/** Alice's bucket, in which Bob writes. */
async function ownedBy(rule?: Rule) {
  const harness = createHarness()
  await fill(harness, ['source'])
  if (rule !== undefined) await writeBucketDocument(harness.namespace, 'photos', 'ownership', { rule })
  return harness
}

const writers = {
  async PutObject(harness: Awaited<ReturnType<typeof ownedBy>>, headers: Headers) {
    await harness.call(putObject, { bucket: 'photos', key: 'cat', identity: bob, headers })
  },
  async CopyObject(harness: Awaited<ReturnType<typeof ownedBy>>, headers: Headers) {
    const source = { 'x-amz-copy-source': 'photos/source' }
    await harness.call(copyObject, { bucket: 'photos', key: 'cat', identity: bob, headers: { ...headers, ...source } })
  },
  async 'a multipart upload'(harness: Awaited<ReturnType<typeof ownedBy>>, headers: Headers) {
    const uploadId = await beginUpload(harness, 'cat', { identity: bob, headers })
    const eTag = await sendPart(harness, 'cat', uploadId, 1, { identity: bob })
    const xml = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${eTag}</ETag></Part></CompleteMultipartUpload>`
    // By another: whose it is was said when it began (P-160).
    await harness.call(completeMultipartUpload, { bucket: 'photos', key: 'cat', query: { uploadId }, xml })
  },
}

const aclOf = async ({ namespace }: Awaited<ReturnType<typeof ownedBy>>) => {
  const { owner, acl } = await namespace.objects.stat({ bucket: 'photos', key: 'cat' })
  const to = (grant: NonNullable<typeof acl>[number]) =>
    grant.grantee.kind === 'group' ? grant.grantee.uri.split('/').at(-1) : grant.grantee.displayName
  return [owner.displayName, acl?.map((grant) => `${to(grant)} ${grant.permission}`)]
}

const toAlice = { 'x-amz-grant-full-control': `id="${alice.canonicalId}"` }

describe.each(Object.entries(writers))('%s', (_, write) => {
  it.each<[Rule | undefined, Headers, string, string[] | undefined]>([
    [undefined, {}, 'Bob', undefined],
    [undefined, { 'x-amz-acl': 'private' }, 'Bob', undefined],
    [undefined, { 'x-amz-acl': 'public-read' }, 'Bob', ['Bob FULL_CONTROL', 'AllUsers READ']],
    [undefined, { 'x-amz-acl': 'bucket-owner-read' }, 'Bob', ['Bob FULL_CONTROL', 'Alice READ']],
    ['ObjectWriter', { 'x-amz-acl': 'bucket-owner-full-control' }, 'Bob', ['Bob FULL_CONTROL', 'Alice FULL_CONTROL']],
    ['ObjectWriter', toAlice, 'Bob', ['Alice FULL_CONTROL']],
    ['BucketOwnerPreferred', {}, 'Bob', undefined],
    ['BucketOwnerPreferred', { 'x-amz-acl': 'private' }, 'Bob', undefined],
    ['BucketOwnerPreferred', { 'x-amz-acl': 'bucket-owner-full-control' }, 'Alice', undefined],
    ['BucketOwnerPreferred', toAlice, 'Bob', ['Alice FULL_CONTROL']],
    ['BucketOwnerEnforced', {}, 'Alice', undefined],
    ['BucketOwnerEnforced', { 'x-amz-acl': 'bucket-owner-full-control' }, 'Alice', undefined],
    ['BucketOwnerEnforced', toAlice, 'Alice', undefined],
  ])('in a bucket of %s with %j makes an object of %s’s', async (rule, headers, owner, grants) => {
    const harness = await ownedBy(rule)
    await write(harness, headers)
    expect(await aclOf(harness)).toEqual([owner, grants])
  })

  it.each<[Headers, string]>([
    [{ 'x-amz-acl': 'private' }, 'AccessControlListNotSupported'],
    [{ 'x-amz-acl': 'public-read' }, 'AccessControlListNotSupported'],
    [{ 'x-amz-grant-read': `id="${bob.canonicalId}"` }, 'AccessControlListNotSupported'],
    [{ 'x-amz-acl': 'mine' }, 'InvalidArgument'],
    [{ 'x-amz-acl': 'log-delivery-write' }, 'InvalidArgument'],
    [{ 'x-amz-acl': 'private', ...toAlice }, 'InvalidRequest'],
    [{ 'x-amz-grant-read': 'id="x"' }, 'InvalidArgument'],
  ])('where ACLs are off with %j is refused, and nothing is left behind (P-186)', async (headers, code) => {
    const harness = await ownedBy('BucketOwnerEnforced')
    await expect(write(harness, headers)).rejects.toMatchObject({ code })
    await expect(harness.namespace.objects.stat({ bucket: 'photos', key: 'cat' })).rejects.toThrow()
    expect(await harness.namespace.uploads.list('photos', '')).toEqual([])
  })

  it('with a public ACL is refused where those are blocked (P-191)', async () => {
    const harness = await ownedBy()
    await writeBucketDocument(harness.namespace, 'photos', 'public-access', { ...allBlocked, ignorePublicAcls: false })
    for (const acl of ['public-read', 'public-read-write', 'authenticated-read'])
      await expect(write(harness, { 'x-amz-acl': acl })).rejects.toMatchObject({ code: 'AccessDenied' })
    await write(harness, { 'x-amz-acl': 'bucket-owner-read' })
    expect((await aclOf(harness))[0]).toBe('Bob')
  })
})

it('a copy does not take the ACL of its source over (P-144)', async () => {
  const harness = await ownedBy()
  await harness.call(putObject, { bucket: 'photos', key: 'source', headers: { 'x-amz-acl': 'public-read' } })
  await writers.CopyObject(harness, {})
  expect(await aclOf(harness)).toEqual(['Bob', undefined])
})

it('an upload says whose its object will be, and who began it', async () => {
  const harness = await ownedBy('BucketOwnerEnforced')
  const uploadId = await beginUpload(harness, 'cat', { identity: bob })
  const reply = await harness.call(listParts, { bucket: 'photos', key: 'cat', query: { uploadId } })
  expect(textsOf(reply, 'DisplayName')).toEqual(['Bob', 'Alice'])
})

it('the account blocks where no bucket does', async () => {
  const { call } = await ownedBy()
  const request = { bucket: 'photos', key: 'cat', headers: { 'x-amz-acl': 'public-read' } }
  const s3 = { accountPublicAccessBlock: true }
  for (const operation of [putObject, createMultipartUpload])
    await expect(call(operation, { ...request, s3 })).rejects.toMatchObject({ code: 'AccessDenied' })
})

it('what is written without a signature is the bucket owner’s', async () => {
  const { call, memory } = await ownedBy('ObjectWriter')
  const namespace = memory.as(alice)
  await call(putObject, { bucket: 'photos', key: 'cat', identity: null, headers: { 'x-amz-acl': 'public-read' } })
  const { acl } = await namespace.objects.stat({ bucket: 'photos', key: 'cat' })
  expect(acl?.[0]?.grantee).toMatchObject({ canonicalId: alice.canonicalId })
  expect(textsOf(await call(getObjectAcl, { bucket: 'photos', key: 'cat' }), 'Permission')).toEqual([
    'READ',
    'FULL_CONTROL',
  ])
})

it.each<Rule>(['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'])(
  'what a member of the group writes that owns the bucket is the group’s (%s)',
  async (rule) => {
    const harness = createHarness()
    const namespace = harness.memory.as({ ...alice, ...groupOwner({ name: 'staff' }) })
    await namespace.buckets.create('photos')
    await writeBucketDocument(namespace, 'photos', 'ownership', { rule })
    const put = (key: string, groups: readonly string[]) =>
      harness.call(putObject, { bucket: 'photos', key, identity: { ...bob, groups } })
    await put('theirs', ['staff'])
    await put('other', ['crew'])
    const ownerOf = async (key: string) => (await namespace.objects.stat({ bucket: 'photos', key })).owner.displayName
    expect(await ownerOf('theirs')).toBe('group:staff')
    expect(await ownerOf('other')).toBe(rule === 'BucketOwnerEnforced' ? 'group:staff' : 'Bob')
  },
)
