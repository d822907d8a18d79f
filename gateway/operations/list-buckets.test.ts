import { expect, it } from 'vitest'
import { groupOwner } from '#auth'
import { listBuckets } from './list-buckets.ts'
import { alice, bob, createHarness, textsOf, xmlOf } from './testing/call-operation.ts'

async function threeOfAlice() {
  const harness = createHarness()
  await harness.memory.as(bob).buckets.create('bobs')
  for (const name of ['cats', 'ants', 'bees']) await harness.namespace.buckets.create(name)
  return harness
}

it('lists the own buckets by name, and nobody else’s (P-116)', async () => {
  const { call } = await threeOfAlice()
  const reply = await call(listBuckets)
  expect(textsOf(reply, 'Name')).toEqual(['ants', 'bees', 'cats'])
  expect(textsOf(reply, 'CreationDate')[0]).toBe('2026-11-20T12:00:00.000Z')
  expect(textsOf(reply, 'ID')).toEqual([alice.canonicalId])
  expect(xmlOf(reply)).not.toContain('ContinuationToken')
})

it('lists the buckets of one’s groups among the own ones, and those of no other group', async () => {
  const { call, memory } = await threeOfAlice()
  for (const name of ['crew', 'staff']) await memory.as({ ...bob, ...groupOwner({ name }) }).buckets.create(`b-${name}`)
  const names = async (groups: readonly string[]) =>
    textsOf(await call(listBuckets, { identity: { ...alice, groups } }), 'Name')
  expect(await names(['staff'])).toEqual(['ants', 'b-staff', 'bees', 'cats'])
  expect(await names([])).toEqual(['ants', 'bees', 'cats'])
})

it('pages by max-buckets and the token, which the last page does not have (P-116)', async () => {
  const { call } = await threeOfAlice()
  const first = await call(listBuckets, { query: { 'max-buckets': '2' } })
  expect(textsOf(first, 'Name')).toEqual(['ants', 'bees'])
  const token = textsOf(first, 'ContinuationToken')[0] ?? ''
  const second = await call(listBuckets, { query: { 'max-buckets': '2', 'continuation-token': token } })
  expect(textsOf(second, 'Name')).toEqual(['cats'])
  expect(textsOf(second, 'ContinuationToken')).toEqual([])
})

it('counts an empty token as none and refuses one that is not ours', async () => {
  const { call } = await threeOfAlice()
  const reply = await call(listBuckets, { query: { 'continuation-token': '' } })
  expect(textsOf(reply, 'Name')).toHaveLength(3)
  await expect(call(listBuckets, { query: { 'continuation-token': 'Zm9v' } })).rejects.toMatchObject({
    code: 'InvalidArgument',
  })
})

it('refuses the token of another account', async () => {
  const { call, memory } = await threeOfAlice()
  await memory.as(bob).buckets.create('dogs')
  const first = await call(listBuckets, { query: { 'max-buckets': '1' }, identity: bob })
  const query = { 'continuation-token': textsOf(first, 'ContinuationToken')[0] ?? '' }
  expect(textsOf(await call(listBuckets, { query, identity: bob }), 'Name')).toEqual(['dogs'])
  await expect(call(listBuckets, { query })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('filters by prefix and by region, and echoes the prefix', async () => {
  const { call } = await threeOfAlice()
  const reply = await call(listBuckets, { query: { prefix: 'be', 'bucket-region': 'us-east-1' } })
  expect(textsOf(reply, 'Name')).toEqual(['bees'])
  expect(textsOf(reply, 'Prefix')).toEqual(['be'])
  const elsewhere = await call(listBuckets, { query: { 'bucket-region': 'eu-west-1' } })
  expect(textsOf(elsewhere, 'Name')).toEqual([])
})

it.each(['0', '10001', '-1', 'x'])('refuses max-buckets %s', async (max) => {
  const { call } = createHarness()
  await expect(call(listBuckets, { query: { 'max-buckets': max } })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('refuses an anonymous caller', async () => {
  const { call } = createHarness()
  await expect(call(listBuckets, { identity: null })).rejects.toMatchObject({ code: 'AccessDenied' })
})
