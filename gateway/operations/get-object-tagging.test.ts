import { expect, it } from 'vitest'
import { deleteObjectTagging } from './delete-object-tagging.ts'
import { getObjectTagging } from './get-object-tagging.ts'
import { putObject } from './put-object.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

const cat = { bucket: 'photos', key: 'cat' }

it('answers the tags of a header in the order of their keys', async () => {
  const harness = createHarness()
  await fill(harness)
  await harness.call(putObject, { ...cat, headers: { 'x-amz-tagging': 'z=1&a=2&m=' } })
  const reply = await harness.call(getObjectTagging, cat)
  expect(textsOf(reply, 'Key')).toEqual(['a', 'm', 'z'])
})

it('answers an empty set for an object without tags, 404 without an object (P-192)', async () => {
  const harness = createHarness()
  await fill(harness, ['cat'])
  expect(textsOf(await harness.call(getObjectTagging, cat), 'Key')).toEqual([])
  await expect(harness.call(getObjectTagging, { bucket: 'photos', key: 'dog' })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
})

it('does not claim to have deleted tags that stay', async () => {
  const harness = createHarness()
  await fill(harness, ['cat'])
  expect((await harness.call(deleteObjectTagging, cat)).status).toBe(204)
  await harness.call(putObject, { ...cat, headers: { 'x-amz-tagging': 'a=b' } })
  await expect(harness.call(deleteObjectTagging, cat)).rejects.toMatchObject({ code: 'NotImplemented' })
})
