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
  ['x-amz-acl', 'public-read', 'InvalidBucketAclWithObjectOwnership'],
  ['x-amz-acl', 'nonsense', 'InvalidArgument'],
  ['x-amz-grant-read', 'id="x"', 'InvalidBucketAclWithObjectOwnership'],
  ['x-amz-bucket-object-lock-enabled', 'perhaps', 'InvalidArgument'],
  ['x-amz-object-ownership', 'ObjectWriter', 'NotImplemented'],
])('refuses %s: %s with %s and makes no bucket', async (name, value, code) => {
  const { call, namespace } = createHarness()
  await expect(call(createBucket, { bucket: 'photos', headers: { [name]: value } })).rejects.toMatchObject({ code })
  expect(await namespace.buckets.find('photos')).toBeUndefined()
})

it('accepts the private ACL', async () => {
  const { call } = createHarness()
  expect((await call(createBucket, { bucket: 'photos', headers: { 'x-amz-acl': 'private' } })).status).toBe(200)
})

it('refuses an anonymous caller', async () => {
  const { call } = createHarness()
  await expect(call(createBucket, { bucket: 'photos', identity: null })).rejects.toMatchObject({ code: 'AccessDenied' })
})
