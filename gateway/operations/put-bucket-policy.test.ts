import { describe, expect, it } from 'vitest'
import { ALL_USERS } from '#auth'
import { writeBucketDocument } from '../bucket-documents.ts'
import { deleteBucketPolicy } from './delete-bucket-policy.ts'
import { getBucketPolicy } from './get-bucket-policy.ts'
import { getBucketPolicyStatus } from './get-bucket-policy-status.ts'
import { putBucketPolicy } from './put-bucket-policy.ts'
import { alice, bob, createHarness, textsOf } from './testing/call-operation.ts'

type Statement = Readonly<Record<string, unknown>>

const policyOf = (...statements: readonly Statement[]) =>
  `${JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((statement) => ({
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: 'arn:aws:s3:::photos',
      ...statement,
    })),
  })}\n`

const forAll = policyOf({ Principal: '*' })
const forBob = policyOf({ Principal: { AWS: bob.canonicalId } })

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  const ask = (operation: Parameters<typeof harness.call>[0], request: Parameters<typeof harness.call>[1] = {}) =>
    harness.call(operation, { bucket: 'photos', ...request })
  const text = async () => {
    const { content } = await ask(getBucketPolicy)
    return content?.kind === 'text' ? content : undefined
  }
  return { ...harness, ask, text }
}

describe('a policy', () => {
  it('comes back byte for byte as JSON, until it is deleted', async () => {
    const { ask, text } = await bucketHarness()
    const odd = forBob.replace('{', '{\r\n\t ').replace('Statement', '\\u0053tatement')
    expect(await ask(putBucketPolicy, { text: odd })).toEqual({ status: 204 }) // P-207
    expect(await text()).toEqual({ kind: 'text', type: 'application/json', text: odd })
    expect(await ask(deleteBucketPolicy)).toEqual({ status: 204 })
    await expect(ask(getBucketPolicy)).rejects.toMatchObject({ code: 'NoSuchBucketPolicy' })
    expect(await ask(deleteBucketPolicy)).toEqual({ status: 204 })
  })

  it.each([
    ['no JSON', 'hello'],
    ['a list', '[]'],
    ['another bucket', forBob.replace(':photos', ':films')],
    ['an unknown action', forBob.replace('ListBucket', 'ListBuckett')],
    ['more than 20 KB', forBob.padEnd(20 * 1024 + 1)],
    ['a hundred thousand brackets', `{"Statement":${'['.repeat(100_000)}`],
  ])('of %s is refused, and the one before stays', async (_, text) => {
    const { ask, text: kept } = await bucketHarness()
    await ask(putBucketPolicy, { text: forBob })
    await expect(ask(putBucketPolicy, { text })).rejects.toMatchObject({ code: 'MalformedPolicy' })
    expect((await kept())?.text).toBe(forBob)
  })

  it('of nothing at all is a missing body', async () => {
    const { ask } = await bucketHarness()
    await expect(ask(putBucketPolicy)).rejects.toMatchObject({ code: 'MissingRequestBodyError' })
  })

  it('of a bucket that is not there is NoSuchBucket', async () => {
    const { call } = createHarness()
    for (const operation of [getBucketPolicy, getBucketPolicyStatus, deleteBucketPolicy])
      await expect(call(operation, { bucket: 'photos' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
  })
})

describe('the policy status (P-190)', () => {
  it.each([
    ['everybody', forAll, 'true'],
    ['one user', forBob, 'false'],
    [
      'everybody at one address',
      policyOf({ Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/32' } } }),
      'false',
    ],
  ])('for %s', async (_, text, isPublic) => {
    const { ask } = await bucketHarness()
    await ask(putBucketPolicy, { text })
    expect(textsOf(await ask(getBucketPolicyStatus), 'IsPublic')).toEqual([isPublic])
  })

  it('of a bucket without a policy is that of its ACL', async () => {
    const { ask, namespace } = await bucketHarness()
    expect(textsOf(await ask(getBucketPolicyStatus), 'IsPublic')).toEqual(['false'])
    const grantee = { kind: 'group', uri: ALL_USERS } as const
    await writeBucketDocument(namespace, 'photos', 'acl', { grants: [{ grantee, permission: 'READ' }] })
    expect(textsOf(await ask(getBucketPolicyStatus), 'IsPublic')).toEqual(['true'])
  })
})

it('a public policy is refused where the public access block says so, and only that', async () => {
  const { ask, namespace } = await bucketHarness()
  const others = { blockPublicAcls: false, ignorePublicAcls: false, restrictPublicBuckets: false }
  await writeBucketDocument(namespace, 'photos', 'public-access', { ...others, blockPublicPolicy: true })
  await expect(ask(putBucketPolicy, { text: forAll })).rejects.toMatchObject({ code: 'AccessDenied' })
  await expect(ask(getBucketPolicy)).rejects.toMatchObject({ code: 'NoSuchBucketPolicy' })
  expect(await ask(putBucketPolicy, { text: forBob })).toEqual({ status: 204 })
})

describe('whoever locks themselves out must say so (P-190)', () => {
  const denied = policyOf({ Effect: 'Deny', Principal: '*', Action: 's3:PutBucketPolicy' })

  it('is asked, and done when confirmed', async () => {
    const { ask } = await bucketHarness()
    await expect(ask(putBucketPolicy, { text: denied, identity: bob })).rejects.toMatchObject({
      code: 'InvalidRequest',
    })
    const headers = { 'x-amz-confirm-remove-self-bucket-access': 'true' }
    expect(await ask(putBucketPolicy, { text: denied, identity: bob, headers })).toEqual({ status: 204 })
  })

  it('the owner is never locked out, and not asked', async () => {
    const { ask } = await bucketHarness()
    expect(await ask(putBucketPolicy, { text: denied, identity: alice })).toEqual({ status: 204 })
  })
})
