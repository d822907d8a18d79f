import { expect, it } from 'vitest'
import { headObject } from './head-object.ts'
import { createHarness, type Request } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

async function withCat() {
  const harness = createHarness()
  await fill(harness, { 'cat.jpg': '0123456789' })
  const head = (request: Request = {}) => harness.call(headObject, { bucket: 'photos', key: 'cat.jpg', ...request })
  return { ...harness, head }
}

it('answers the length a GET would have, and opens nothing (P-015)', async () => {
  const { head, memory } = await withCat()
  const reply = await head()
  expect(reply).toMatchObject({ status: 200, headers: { 'content-length': 10 } })
  expect(reply.content).toBeUndefined()
  expect(memory.openObjects()).toBe(0)
})

it('answers for a range as GET does', async () => {
  const { head } = await withCat()
  const reply = await head({ headers: { range: 'bytes=-3' } })
  expect(reply).toMatchObject({ status: 206, headers: { 'content-length': 3, 'content-range': 'bytes 7-9/10' } })
})

it('is conditional as GET is (P-125)', async () => {
  const { head } = await withCat()
  await expect(head({ headers: { 'if-match': '"x"' } })).rejects.toMatchObject({ code: 'PreconditionFailed' })
  await expect(head({ headers: { 'if-none-match': '*' } })).rejects.toMatchObject({ code: 'NotModified' })
})

it('says NoSuchKey', async () => {
  const { head } = await withCat()
  await expect(head({ key: 'dog.jpg' })).rejects.toMatchObject({ code: 'NoSuchKey' })
})
