import { expect, it } from 'vitest'
import { deleteBucketOwnershipControls } from './delete-bucket-ownership-controls.ts'
import { getBucketOwnershipControls } from './get-bucket-ownership-controls.ts'
import { putBucketAcl } from './put-bucket-acl.ts'
import { putBucketOwnershipControls } from './put-bucket-ownership-controls.ts'
import { bob, createHarness, textsOf } from './testing/call-operation.ts'

const rule = (ownership: string) => `<Rule><ObjectOwnership>${ownership}</ObjectOwnership></Rule>`
const controls = (...rules: readonly string[]) => `<OwnershipControls>${rules.join('')}</OwnershipControls>`

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  const put = (ownership: string) =>
    harness.call(putBucketOwnershipControls, { bucket: 'photos', xml: controls(rule(ownership)) })
  const get = () => harness.call(getBucketOwnershipControls, { bucket: 'photos' })
  return { ...harness, put, get }
}

it('keeps each of the three rules until it is deleted, and deletes what is not there', async () => {
  const { call, put, get } = await bucketHarness()
  for (const ownership of ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter']) {
    expect(await put(ownership)).toEqual({ status: 200 })
    expect(textsOf(await get(), 'ObjectOwnership')).toEqual([ownership])
  }
  for (let times = 0; times < 2; times += 1) {
    expect(await call(deleteBucketOwnershipControls, { bucket: 'photos' })).toEqual({ status: 204 })
    await expect(get()).rejects.toMatchObject({ code: 'OwnershipControlsNotFoundError' })
  }
})

it('ACLs are not turned off while the bucket’s gives anything to others (P-186)', async () => {
  const { call, put, get } = await bucketHarness()
  const acl = (headers: Record<string, string>) => call(putBucketAcl, { bucket: 'photos', headers })
  const others: Record<string, string>[] = [
    { 'x-amz-acl': 'public-read' },
    { 'x-amz-grant-read': `id=${bob.canonicalId}` },
  ]
  for (const headers of others) {
    await acl(headers)
    await expect(put('BucketOwnerEnforced')).rejects.toMatchObject({ code: 'InvalidBucketAclWithObjectOwnership' })
    await expect(get()).rejects.toMatchObject({ code: 'OwnershipControlsNotFoundError' })
  }
  await put('BucketOwnerPreferred')
  await acl({ 'x-amz-acl': 'private' })
  await put('BucketOwnerEnforced')
})

it.each([
  controls(),
  controls(rule('ObjectWriter'), rule('ObjectWriter')),
  controls(rule('objectwriter')),
  controls('<Rule/>'),
  '<Rule/>',
])('%s is MalformedXML', async (xml) => {
  const { call } = await bucketHarness()
  const put = async () => call(putBucketOwnershipControls, { bucket: 'photos', xml })
  await expect(put()).rejects.toMatchObject({ code: 'MalformedXML' })
})

it('knows none of a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(getBucketOwnershipControls, { bucket: 'films' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
