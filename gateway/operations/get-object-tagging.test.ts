import { expect, it } from 'vitest'
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
