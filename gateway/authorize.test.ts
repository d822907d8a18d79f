import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { AuthError, groupOwner, type Identity, parseIdentityPolicy } from '#auth'
import { type Namespace, NamespaceError, type Owner } from '#namespace'
import { authorize } from './authorize.ts'
import { writeBucketDocument } from './bucket-documents.ts'
import type { Operation } from './operation.ts'
import { copyObject } from './operations/copy-object.ts'
import { createMultipartUpload } from './operations/create-multipart-upload.ts'
import { deleteObjects } from './operations/delete-objects.ts'
import { getObject } from './operations/get-object.ts'
import { listBuckets } from './operations/list-buckets.ts'
import { listObjects } from './operations/list-objects.ts'
import { listParts } from './operations/list-parts.ts'
import { postObject } from './operations/post-object.ts'
import { putBucketPolicy } from './operations/put-bucket-policy.ts'
import { putObject } from './operations/put-object.ts'
import { alice, bob, createHarness, directory } from './operations/testing/call-operation.ts'
import { putFile } from './operations/testing/fill.ts'
import { uploadPart } from './operations/upload-part.ts'
import { parseS3Request } from './s3-request.ts'

const denied = expect.objectContaining({ code: 'AccessDenied' })

async function bucketHarness() {
  const { namespace, memory } = createHarness()
  await namespace.buckets.create('photos')
  await writeBucketDocument(namespace, 'photos', 'ownership', { rule: 'BucketOwnerEnforced' })
  const body = {
    bytes: Readable.from([]),
    sizeBytes: 0,
    digests: [],
    verify: () => undefined,
  }
  await namespace.objects.put({ bucket: 'photos', key: 'a' }, { headers: {}, metadata: {} }, body, {})
  return { namespace, memory }
}

type Sent = {
  readonly url?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly identity?: Identity
  readonly client?: string
  readonly directory?: Parameters<typeof authorize>[0]['directory']
}

function ask(namespace: Namespace, operation: Operation, sent: Sent = {}) {
  const reasons: string[] = []
  const access = authorize({
    operation,
    request: parseS3Request({
      method: operation.match.method,
      rawUrl: sent.url ?? '/photos/a',
      headers: Object.entries(sent.headers ?? {}),
    }),
    identity: sent.identity,
    namespace,
    directory: sent.directory ?? directory,
    circumstances: {
      clientAddress: sent.client ?? '192.0.2.7',
      scheme: 'https',
      now: new Date('2026-11-20T12:00:00Z'),
    },
    s3: { accountPublicAccessBlock: false },
    decided(action, _resource, { allow, reason }) {
      if (!allow) reasons.push(`${action}: ${reason}`)
    },
  })
  return { access, reasons }
}

const allowing = (action: string, more: object = {}) => ({
  text: JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'Some',
        Effect: 'Allow',
        Principal: '*',
        Action: action,
        Resource: ['arn:aws:s3:::photos', 'arn:aws:s3:::photos/*'],
        ...more,
      },
    ],
  }),
})

it('lets the owner do it and nobody else, and says why not to the log only', async () => {
  const { namespace } = await bucketHarness()
  await ask(namespace, putObject, { identity: alice }).access
  for (const identity of [bob, undefined]) {
    const { access, reasons } = ask(namespace, putObject, { ...(identity && { identity }) })
    await expect(access).rejects.toEqual(denied)
    expect(reasons).toEqual([expect.stringMatching(/^s3:PutObject: /)])
  }
})

it('says that a bucket is not there before it says anything about rights (P-203)', async () => {
  const { namespace } = createHarness()
  await expect(ask(namespace, listObjects, { url: '/photos' }).access).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

it('lets anybody do what the policy allows, where its conditions hold', async () => {
  const { namespace } = await bucketHarness()
  const network = { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:PutObject', network))
  await ask(namespace, putObject, { identity: bob }).access
  await ask(namespace, putObject).access
  await expect(ask(namespace, putObject, { client: '198.51.100.1' }).access).rejects.toEqual(denied)
  await expect(ask(namespace, listObjects, { url: '/photos', identity: bob }).access).rejects.toEqual(denied)
})

it('tells who may read but not list neither which keys there are nor which are not (P-203)', async () => {
  const { namespace } = await bucketHarness()
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:GetObject'))
  const sent = { url: '/photos/none', identity: bob }
  await ask(namespace, getObject, { identity: bob }).access
  await expect(ask(namespace, getObject, sent).access).rejects.toEqual(denied)
  const listing = { Condition: { StringLike: { 's3:prefix': 'no*' } } }
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:ListBucket', listing))
  await expect(ask(namespace, getObject, sent).access).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(ask(namespace, getObject, { ...sent, url: '/photos/other' }).access).rejects.toEqual(denied)
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:*'))
  await expect(ask(namespace, getObject, sent).access).rejects.toMatchObject({ code: 'NoSuchKey' })
})

it('tells that a file is refused for its second name only who could read it otherwise; who may write may overwrite it', async () => {
  const { namespace: there } = await bucketHarness()
  const linked = new NamespaceError('AccessDenied', { message: 'It has another name.', Links: 2 })
  const namespace = { ...there, objects: { ...there.objects, stat: () => Promise.reject(linked) } }
  const may = (operation: Operation, identity: Identity) => ask(namespace, operation, { identity }).access
  const byTag = { Condition: { StringEquals: { 's3:ExistingObjectTag/open': 'yes' } } }
  await writeBucketDocument(there, 'photos', 'policy', allowing('s3:*', byTag))
  await expect(may(getObject, alice)).rejects.toBe(linked)
  for (const operation of [getObject, putObject]) {
    const refused: unknown = await may(operation, bob).catch((error: unknown) => error)
    expect(refused).toEqual(denied)
    expect(refused).not.toBe(linked)
  }
  await expect(may(putObject, alice)).resolves.toBeDefined()
  // As it is when it may be listed, of which a missing object tells.
  await writeBucketDocument(there, 'photos', 'policy', allowing('s3:ListBucket'))
  await expect(may(getObject, bob)).rejects.not.toBe(linked)
})

it('denies everything by a stored policy that is not understood, but for putting another one', async () => {
  const { namespace } = await bucketHarness()
  await writeBucketDocument(namespace, 'photos', 'policy', { text: '{"Version":"2099-01-01"}' })
  await expect(ask(namespace, putObject, { identity: alice }).access).rejects.toEqual(denied)
  await ask(namespace, putBucketPolicy, { url: '/photos?policy', identity: alice }).access
})

it('asks for s3:GetObjectVersion where a version is named', async () => {
  const { namespace } = await bucketHarness()
  const { access, reasons } = ask(namespace, getObject, { url: '/photos/a?versionId=null', identity: bob })
  await expect(access).rejects.toEqual(denied)
  expect(reasons).toHaveLength(1)
  await writeBucketDocument(
    namespace,
    'photos',
    'policy',
    allowing('s3:GetObject', { Action: ['s3:GetObject', 's3:ListBucket'] }),
  )
  await ask(namespace, getObject, { identity: bob }).access
  await expect(ask(namespace, getObject, { url: '/photos/a?versionId=null', identity: bob }).access).rejects.toEqual(
    denied,
  )
})

it('asks for the source of a copy, too', async () => {
  const { namespace } = await bucketHarness()
  await namespace.buckets.create('hers', { ownership: { rule: 'BucketOwnerEnforced' } })
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:PutObject'))
  const headers = { 'x-amz-copy-source': '/hers/secret' }
  await expect(ask(namespace, copyObject, { headers, identity: bob }).access).rejects.toEqual(denied)
  await ask(namespace, copyObject, { headers, identity: alice }).access
})

it('leaves the keys of a DeleteObjects to be asked for one by one', async () => {
  const { namespace } = await bucketHarness()
  const only = { Resource: 'arn:aws:s3:::photos/theirs/*' }
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:DeleteObject', only))
  const access = await ask(namespace, deleteObjects, { url: '/photos?delete', identity: bob }).access
  await access.require('s3:DeleteObject', { bucket: 'photos', key: 'theirs/a' })
  await expect(access.require('s3:DeleteObject', { bucket: 'photos', key: 'a' })).rejects.toEqual(denied)
})

it('lets who began an upload see its parts', async () => {
  const { namespace, memory } = await bucketHarness()
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:PutObject'))
  const { uploadId } = await memory
    .as(bob)
    .uploads.begin({ bucket: 'photos', key: 'a' }, { headers: {}, metadata: {} }, undefined)
  const url = `/photos/a?uploadId=${uploadId}`
  await ask(namespace, listParts, { url, identity: bob }).access
  await expect(ask(namespace, listParts, { url }).access).rejects.toEqual(denied)
  await expect(ask(namespace, listParts, { url: '/photos/a?uploadId=none', identity: bob }).access).rejects.toEqual(
    denied,
  )
})

it('asks for the bypass of governance where a bucket has object lock, and not elsewhere (P-152)', async () => {
  const { namespace } = await bucketHarness()
  const headers = { 'x-amz-bypass-governance-retention': 'true' }
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:DeleteObject'))
  const sent = { url: '/photos?delete', headers, identity: bob }
  await ask(namespace, deleteObjects, sent).access
  await writeBucketDocument(namespace, 'photos', 'object-lock', {})
  const { access, reasons } = ask(namespace, deleteObjects, sent)
  await expect(access).rejects.toEqual(denied)
  expect(reasons).toEqual([expect.stringMatching(/^s3:BypassGovernanceRetention: /)])
})

describe('of headers that lock the new object', () => {
  const mode = { 'x-amz-object-lock-mode': 'GOVERNANCE' }
  const until = { 'x-amz-object-lock-retain-until-date': '2030-01-01T00:00:00Z' }
  const hold = { 'x-amz-object-lock-legal-hold': 'OFF' }
  const source = { 'x-amz-copy-source': '/photos/a' }
  /** As admit-form.ts asks for it. */
  const form: Operation = { ...postObject, action: 's3:PutObject' }
  const writes = ['s3:PutObject', 's3:GetObject']

  it.each([
    ['PutObject', putObject, '/photos/new', {}],
    ['CopyObject', copyObject, '/photos/new', source],
    ['CreateMultipartUpload', createMultipartUpload, '/photos/new?uploads', {}],
    ['PostObject', form, '/photos/new', {}],
  ])('%s asks for s3:PutObjectRetention and s3:PutObjectLegalHold', async (_, operation, url, more) => {
    const { namespace } = await bucketHarness()
    const reasonsOf = async (headers: Sent['headers'], ...allowed: readonly string[]) => {
      const policy = allowing('', { Action: [...writes, ...allowed] })
      await writeBucketDocument(namespace, 'photos', 'policy', policy)
      const { access, reasons } = ask(namespace, operation, { url, headers: { ...more, ...headers }, identity: bob })
      await access.catch((error: unknown) => expect(error).toEqual(denied))
      return reasons.map((reason) => reason.split(': ', 1)[0])
    }
    expect(await reasonsOf({})).toEqual([])
    expect(await reasonsOf(mode)).toEqual(['s3:PutObjectRetention'])
    expect(await reasonsOf(until)).toEqual(['s3:PutObjectRetention'])
    expect(await reasonsOf(hold)).toEqual(['s3:PutObjectLegalHold'])
    expect(await reasonsOf({ ...mode, ...until, ...hold }, 's3:PutObjectRetention')).toEqual(['s3:PutObjectLegalHold'])
    expect(await reasonsOf({ ...mode, ...until, ...hold }, 's3:PutObjectRetention', 's3:PutObjectLegalHold')).toEqual(
      [],
    )
  })

  it('a Deny on them holds for the owner, too', async () => {
    const { namespace } = await bucketHarness()
    await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:PutObjectRetention', { Effect: 'Deny' }))
    const headers = { ...mode, ...until }
    await expect(ask(namespace, putObject, { headers, identity: alice }).access).rejects.toEqual(denied)
    await ask(namespace, putObject, { headers: hold, identity: alice }).access
  })

  it('a part asks for none: the upload has its lock from its beginning', async () => {
    const { namespace } = await bucketHarness()
    await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:PutObject'))
    const url = '/photos/new?partNumber=1&uploadId=u'
    await ask(namespace, uploadPart, { url, headers: { ...mode, ...until, ...hold }, identity: bob }).access
  })
})

describe('a session with a policy of its own', () => {
  const within = (Condition: object): Identity => {
    const Statement = { Effect: 'Allow', Action: 's3:*', Resource: '*', Condition }
    return { ...alice, sessionPolicy: parseIdentityPolicy(JSON.stringify({ Version: '2012-10-17', Statement })) }
  }

  it('has its conditions asked of requests for a bucket without a policy, and of those for none', async () => {
    const { namespace } = await bucketHarness()
    const identity = within({ IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } })
    for (const [operation, url] of [
      [getObject, '/photos/a'],
      [listBuckets, '/'],
    ] as const) {
      await ask(namespace, operation, { url, identity }).access
      const elsewhere = ask(namespace, operation, { url, identity, client: '198.51.100.7' })
      await expect(elsewhere.access).rejects.toEqual(denied)
      expect(elsewhere.reasons).toEqual([expect.stringContaining('the session policy of alice does not allow')])
    }
  })

  it('has the tags of the object looked at where its policy names them', async () => {
    const { namespace } = await bucketHarness()
    const identity = within({ StringEquals: { 's3:ExistingObjectTag/open': 'yes' } })
    await expect(ask(namespace, getObject, { identity }).access).rejects.toEqual(denied)
    await namespace.objects.amend({ bucket: 'photos', key: 'a' }, (now) => ({
      ...now,
      tags: [{ key: 'open', value: 'yes' }],
    }))
    await ask(namespace, getObject, { identity }).access
  })
})

describe('a file that only file users have written', () => {
  const carol = { ...bob, canonicalId: 'c'.repeat(64), userName: 'carol' }
  const inStaff = { ...carol, groups: ['staff'] }
  const staff = groupOwner({ name: 'staff' })

  /** `photos` is Alice's or the group's. What is in it: a key of Bob's uid, one of nobody's. */
  async function withFiles(owner: Owner, rule: 'ObjectWriter' | 'BucketOwnerEnforced') {
    const { memory } = createHarness()
    const namespace = memory.as(owner)
    await namespace.buckets.create('photos')
    await writeBucketDocument(namespace, 'photos', 'ownership', { rule })
    for (const uid of [1002, 7]) await putFile(namespace, `of-${uid}`, uid)
    return namespace
  }

  it.each<[string, Owner, 'ObjectWriter' | 'BucketOwnerEnforced', Identity, string, boolean]>([
    ['the user of its uid may read', alice, 'ObjectWriter', bob, 'of-1002', true],
    ['the bucket’s owner may not read', alice, 'ObjectWriter', alice, 'of-1002', false],
    ['somebody else may not read', alice, 'ObjectWriter', carol, 'of-1002', false],
    ['of a uid without a user the bucket’s owner may read', alice, 'ObjectWriter', alice, 'of-7', true],
    ['of a uid without a user nobody else may read', alice, 'ObjectWriter', bob, 'of-7', false],
    ['is the bucket’s owner’s where ACLs are off', alice, 'BucketOwnerEnforced', alice, 'of-1002', true],
    ['is not the user’s where ACLs are off', alice, 'BucketOwnerEnforced', bob, 'of-1002', false],
    [
      'in a group’s bucket, of a uid outside the group, members may not read',
      staff,
      'ObjectWriter',
      inStaff,
      'of-1002',
      false,
    ],
    ['in a group’s bucket, of a uid without a user, members may read', staff, 'ObjectWriter', inStaff, 'of-7', true],
    ['in a group’s bucket where ACLs are off members may read', staff, 'BucketOwnerEnforced', inStaff, 'of-1002', true],
    ['in a group’s bucket others may not read', staff, 'BucketOwnerEnforced', carol, 'of-1002', false],
  ])('%s', async (_name, owner, rule, identity, key, allowed) => {
    const { access } = ask(await withFiles(owner, rule), getObject, { identity, url: `/photos/${key}` })
    if (allowed) await access
    else await expect(access).rejects.toEqual(denied)
  })

  it('of a member of the group that owns the bucket is the group’s, as if uploaded', async () => {
    const namespace = await withFiles(staff, 'ObjectWriter')
    const findByUid = async () => ({ ...bob, groups: ['staff'] })
    const sent = { url: '/photos/of-1002', directory: { findByUid } }
    await ask(namespace, getObject, { ...sent, identity: inStaff }).access
    await expect(ask(namespace, getObject, { ...sent, identity: bob }).access).rejects.toEqual(denied)
  })

  it('is nobody’s to read while the directory does not say whose it is, unless ACLs are off', async () => {
    const unavailable = new AuthError('ServiceUnavailable')
    const sent = {
      identity: alice,
      url: '/photos/of-1002',
      directory: { findByUid: () => Promise.reject(unavailable) },
    }
    await expect(ask(await withFiles(alice, 'ObjectWriter'), getObject, sent).access).rejects.toBe(unavailable)
    await ask(await withFiles(alice, 'BucketOwnerEnforced'), getObject, sent).access
  })
})

it('blocks what the configuration blocks for every bucket', async () => {
  const { namespace } = await bucketHarness()
  await writeBucketDocument(namespace, 'photos', 'policy', allowing('s3:PutObject'))
  const { access } = ask(namespace, putObject, { identity: bob })
  await access
  const blocked = authorize({
    operation: putObject,
    request: parseS3Request({ method: 'PUT', rawUrl: '/photos/a', headers: [] }),
    identity: bob,
    namespace,
    directory,
    circumstances: { clientAddress: '192.0.2.7', scheme: 'https', now: new Date() },
    s3: { accountPublicAccessBlock: true },
    decided: () => {},
  })
  await expect(blocked).rejects.toEqual(denied)
})

it('a policy of a group may ask about the request and the tags of the object', async () => {
  const { namespace } = await bucketHarness()
  await namespace.objects.put(
    { bucket: 'photos', key: 'tagged' },
    { headers: {}, metadata: {}, tags: [{ key: 'team', value: 'blue' }] },
    { bytes: Readable.from([]), sizeBytes: 0, digests: [], verify: () => undefined },
    {},
  )
  const Condition = {
    IpAddress: { 'aws:SourceIp': '192.0.2.0/24' },
    StringEquals: { 's3:ExistingObjectTag/team': 'blue' },
  }
  const Statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: '*', Condition }
  const policy = parseIdentityPolicy(JSON.stringify({ Version: '2012-10-17', Statement }))
  const identity = { ...bob, groupPolicies: [{ name: 'team', group: 'staff', policy }] }
  const may = (url: string, client: string) => ask(namespace, getObject, { url, identity, client }).access
  await expect(may('/photos/tagged', '192.0.2.7')).resolves.toBeDefined()
  await expect(may('/photos/tagged', '198.51.100.7')).rejects.toEqual(denied)
  await expect(may('/photos/a', '192.0.2.7')).rejects.toEqual(denied)
})

it('a Deny of a group may ask about the request where no bucket is asked', async () => {
  const { namespace } = await bucketHarness()
  const Condition = { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }
  const Statement = { Effect: 'Deny', Action: 's3:ListAllMyBuckets', Resource: '*', Condition }
  const policy = parseIdentityPolicy(JSON.stringify({ Version: '2012-10-17', Statement }))
  const identity = { ...bob, groupPolicies: [{ name: 'team', group: 'staff', policy }] }
  const may = (client: string) => ask(namespace, listBuckets, { url: '/', identity, client }).access
  await expect(may('192.0.2.7')).rejects.toEqual(denied)
  await expect(may('198.51.100.7')).resolves.toBeDefined()
})
