import { expect, it } from 'vitest'
import { deletePublicAccessBlock } from './delete-public-access-block.ts'
import { getPublicAccessBlock } from './get-public-access-block.ts'
import { putPublicAccessBlock } from './put-public-access-block.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'

const names = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'] as const
const block = (inner: string) => `<PublicAccessBlockConfiguration>${inner}</PublicAccessBlockConfiguration>`

async function bucketHarness() {
  const harness = createHarness()
  await harness.namespace.buckets.create('photos')
  const put = async (inner: string) => harness.call(putPublicAccessBlock, { bucket: 'photos', xml: block(inner) })
  const get = () => harness.call(getPublicAccessBlock, { bucket: 'photos' })
  return { ...harness, put, get }
}

it.each(names)('keeps %s by itself: what is left out is off (P-191)', async (on) => {
  const { put, get } = await bucketHarness()
  expect(await put(`<${on}>true</${on}>`)).toEqual({ status: 200 })
  const reply = await get()
  expect(names.filter((name) => textsOf(reply, name)[0] === 'true')).toEqual([on])
})

it('is there until it is deleted, and deletes what is not there', async () => {
  const { call, put, get } = await bucketHarness()
  await put('')
  await get()
  for (let times = 0; times < 2; times += 1) {
    expect(await call(deletePublicAccessBlock, { bucket: 'photos' })).toEqual({ status: 204 })
    await expect(get()).rejects.toMatchObject({ code: 'NoSuchPublicAccessBlockConfiguration' })
  }
})

it('says the bucket’s own, whatever the account blocks', async () => {
  const { call } = await bucketHarness()
  const request = { bucket: 'photos', s3: { accountPublicAccessBlock: true } }
  await expect(call(getPublicAccessBlock, request)).rejects.toMatchObject({
    code: 'NoSuchPublicAccessBlockConfiguration',
  })
})

it('refuses what is not true or false', async () => {
  const { put, get } = await bucketHarness()
  await expect(put('<BlockPublicAcls>maybe</BlockPublicAcls>')).rejects.toMatchObject({ code: 'MalformedXML' })
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchPublicAccessBlockConfiguration' })
})

it('knows none of a bucket that is not there', async () => {
  const { call } = createHarness()
  await expect(call(getPublicAccessBlock, { bucket: 'films' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
