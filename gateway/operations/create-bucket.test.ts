import { expect, it } from 'vitest'
import { createBucket } from './create-bucket.ts'
import { bob, createHarness } from './testing/call-operation.ts'

const inRegion = (region: string) =>
  `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`

it('creates a bucket and says where it is', async () => {
  const { call, namespace } = createHarness()
  const reply = await call(createBucket, { bucket: 'photos' })
  expect(reply).toMatchObject({ status: 200, headers: { location: '/photos' } })
  expect((await namespace.buckets.read('photos')).owner.displayName).toBe('Alice')
})

it('answers 200 in us-east-1 and 409 elsewhere when the owner creates it again (P-180)', async () => {
  const { call } = createHarness()
  await call(createBucket, { bucket: 'photos' })
  expect((await call(createBucket, { bucket: 'photos' })).status).toBe(200)
  await expect(call(createBucket, { bucket: 'photos', region: 'eu-west-1' })).rejects.toMatchObject({
    code: 'BucketAlreadyOwnedByYou',
  })
})

it('answers BucketAlreadyExists for somebody else’s name (P-180)', async () => {
  const { call } = createHarness()
  await call(createBucket, { bucket: 'photos' })
  await expect(call(createBucket, { bucket: 'photos', identity: bob })).rejects.toMatchObject({
    code: 'BucketAlreadyExists',
  })
})

it.each([
  ['us-east-1', 'us-east-1', 'InvalidLocationConstraint'],
  ['us-east-1', 'nowhere', 'InvalidLocationConstraint'],
  ['eu-west-1', 'us-west-1', 'IllegalLocationConstraintException'],
])('refuses in %s the location %s with %s (P-181)', async (region, location, code) => {
  const { call } = createHarness()
  await expect(call(createBucket, { bucket: 'photos', region, xml: inRegion(location) })).rejects.toMatchObject({
    code,
  })
})

it('accepts the region’s own name outside us-east-1', async () => {
  const { call } = createHarness()
  const reply = await call(createBucket, { bucket: 'photos', region: 'eu-west-1', xml: inRegion('eu-west-1') })
  expect(reply.status).toBe(200)
})

it.each([
  ['x-amz-acl', 'nonsense', 'InvalidArgument'],
  ['x-amz-acl', 'bucket-owner-read', 'InvalidArgument'],
  ['x-amz-grant-read', 'id="x"', 'InvalidArgument'],
  ['x-amz-grant-read', 'emailAddress="x@example.com"', 'UnresolvableGrantByEmailAddress'],
  ['x-amz-bucket-object-lock-enabled', 'perhaps', 'InvalidArgument'],
  ['x-amz-object-ownership', 'objectwriter', 'InvalidArgument'],
])('refuses %s: %s with %s and makes no bucket', async (name, value, code) => {
  const { call, namespace } = createHarness()
  await expect(call(createBucket, { bucket: 'photos', headers: { [name]: value } })).rejects.toMatchObject({ code })
  expect(await namespace.buckets.find('photos')).toBeUndefined()
})

const enforced = { 'x-amz-object-ownership': 'BucketOwnerEnforced' }
const toBob = { 'x-amz-grant-read': `id="${bob.canonicalId}"` }

it('makes a bucket with the ACL and the ownership asked for, else with what is configured', async () => {
  const { call, namespace } = createHarness()
  const document = (name: string) => namespace.documents.find('photos', name)
  const headers = { 'x-amz-acl': 'public-read', 'x-amz-object-ownership': 'ObjectWriter' }
  await call(createBucket, { bucket: 'photos', headers, s3: { objectOwnership: 'BucketOwnerEnforced' } })
  expect(await document('ownership')).toEqual({ rule: 'ObjectWriter' })
  expect(await document('acl')).toMatchObject({ grants: [{ permission: 'FULL_CONTROL' }, { permission: 'READ' }] })
  expect(await document('public-access')).toBeUndefined()
  await namespace.buckets.remove('photos')
  const s3 = { objectOwnership: 'BucketOwnerEnforced', publicAccessBlock: true } as const
  await call(createBucket, { bucket: 'photos', headers: { 'x-amz-acl': 'private' }, s3 })
  expect(await document('ownership')).toEqual({ rule: 'BucketOwnerEnforced' })
  expect(await document('public-access')).toMatchObject({ blockPublicAcls: true, restrictPublicBuckets: true })
})

it.each([
  [{ ...enforced, 'x-amz-acl': 'public-read' }, {}, 'InvalidBucketAclWithObjectOwnership'],
  [{ ...enforced, ...toBob }, {}, 'InvalidBucketAclWithObjectOwnership'],
  [toBob, { objectOwnership: 'BucketOwnerEnforced' }, 'InvalidBucketAclWithObjectOwnership'],
  [{ 'x-amz-acl': 'public-read' }, { publicAccessBlock: true }, 'InvalidBucketAclWithBlockPublicAccessError'],
  [{ 'x-amz-acl': 'public-read' }, { accountPublicAccessBlock: true }, 'InvalidBucketAclWithBlockPublicAccessError'],
] as const)('refuses %j where %j, and makes no bucket (P-186, P-191)', async (headers, s3, code) => {
  const { call, namespace } = createHarness()
  await expect(call(createBucket, { bucket: 'photos', headers, s3 })).rejects.toMatchObject({ code })
  expect(await namespace.buckets.find('photos')).toBeUndefined()
})

it('refuses an anonymous caller', async () => {
  const { call } = createHarness()
  await expect(call(createBucket, { bucket: 'photos', identity: null })).rejects.toMatchObject({ code: 'AccessDenied' })
})
