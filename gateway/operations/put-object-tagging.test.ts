import { expect, it } from 'vitest'
import { deleteObjectTagging } from './delete-object-tagging.ts'
import { getObjectTagging } from './get-object-tagging.ts'
import { headObject } from './head-object.ts'
import { putObjectTagging } from './put-object-tagging.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

const cat = { bucket: 'photos', key: 'cat' }

const tagging = (...pairs: readonly (readonly [string, string])[]) =>
  `<Tagging><TagSet>${pairs.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('')}</TagSet></Tagging>`

const many = (count: number) => tagging(...Array.from({ length: count }, (_, index) => [`k${index}`, 'v'] as const))

async function withCat() {
  const harness = createHarness()
  await fill(harness, ['cat'])
  return harness
}

it('replaces all tags, keeps the order given (P-193), and forgets them on deletion', async () => {
  const { call } = await withCat()
  const before = await call(headObject, cat)
  expect((await call(putObjectTagging, { ...cat, xml: many(10) })).status).toBe(200)
  expect((await call(putObjectTagging, { ...cat, xml: tagging(['z', '1'], ['a', ' é ']) })).status).toBe(200)
  const reply = await call(getObjectTagging, cat)
  expect([textsOf(reply, 'Key'), textsOf(reply, 'Value')]).toEqual([
    ['z', 'a'],
    ['1', ' é '],
  ])
  const after = await call(headObject, cat)
  expect(after.headers).toEqual({ ...before.headers, 'x-amz-tagging-count': 2 })
  expect((await call(deleteObjectTagging, cat)).status).toBe(204)
  expect(textsOf(await call(getObjectTagging, cat), 'Key')).toEqual([])
  expect((await call(deleteObjectTagging, cat)).status).toBe(204)
})

it('an empty set deletes them, too', async () => {
  const { call } = await withCat()
  await call(putObjectTagging, { ...cat, xml: many(1) })
  await call(putObjectTagging, { ...cat, xml: '<Tagging><TagSet/></Tagging>' })
  expect(textsOf(await call(getObjectTagging, cat), 'Key')).toEqual([])
})

it.each([
  ['11 tags', many(11), 'InvalidTag'],
  ['1,000 tags', many(1000), 'InvalidTag'],
  ['a key twice', tagging(['a', '1'], ['a', '2']), 'InvalidTag'],
  ['a key of 129 characters', tagging(['k'.repeat(129), 'v']), 'InvalidTag'],
  ['a value of 257 characters', tagging(['k', 'v'.repeat(257)]), 'InvalidTag'],
  ['no key', tagging(['', 'v']), 'InvalidTag'],
  ['a character that no tag has', tagging(['k', 'a?b']), 'InvalidTag'],
  ['a system tag', tagging(['aws:x', 'v']), 'InvalidTag'],
  ['a tag without value', '<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
  ['no set', '<Tagging/>', 'MalformedXML'],
  ['another document', '<TagSet/>', 'MalformedXML'],
  ['nothing', '', 'MalformedXML'],
])('refuses %s, and what was there stays (P-192)', async (_, xml, code) => {
  const { call } = await withCat()
  await call(putObjectTagging, { ...cat, xml: tagging(['old', 'v']) })
  // The body is read before `run`, so that what is thrown may be thrown at once.
  await expect((async () => call(putObjectTagging, { ...cat, xml }))()).rejects.toMatchObject({ code })
  expect(textsOf(await call(getObjectTagging, cat), 'Key')).toEqual(['old'])
})

it('says so where there is no object or no bucket', async () => {
  const { call } = await withCat()
  const dog = { bucket: 'photos', key: 'dog' }
  await expect(call(putObjectTagging, { ...dog, xml: many(1) })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(call(deleteObjectTagging, dog)).rejects.toMatchObject({ code: 'NoSuchKey' })
  const film = { bucket: 'films', key: 'cat' }
  await expect(call(putObjectTagging, { ...film, xml: many(1) })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})
