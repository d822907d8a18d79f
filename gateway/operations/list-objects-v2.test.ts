import fc from 'fast-check'
import { expect, it } from 'vitest'
import { continuationToken } from './continuation-token.ts'
import { listObjectsV2 } from './list-objects-v2.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

async function withKeys(keys: readonly string[]) {
  const harness = createHarness()
  await fill(harness, keys)
  const list = (query: Readonly<Record<string, string>> = {}) =>
    harness.call(listObjectsV2, { bucket: 'photos', query: { 'list-type': '2', ...query } })
  return { ...harness, list }
}

it('pages by token to the end, each key once (P-109)', async () => {
  const { list } = await withKeys(['a', 'b/1', 'b/2', 'c', 'd'])
  const seen: string[] = []
  let token = ''
  do {
    const reply = await list({ 'max-keys': '2', delimiter: '/', 'continuation-token': token })
    seen.push(...textsOf(reply, 'Key'), ...textsOf(reply, 'Prefix').filter((prefix) => prefix !== ''))
    token = textsOf(reply, 'NextContinuationToken')[0] ?? ''
  } while (token !== '')
  expect(seen.sort()).toEqual(['a', 'b/', 'c', 'd'])
})

it('counts keys and prefixes (P-104)', async () => {
  const { list } = await withKeys(['a', 'b/1', 'b/2'])
  expect(textsOf(await list({ delimiter: '/' }), 'KeyCount')).toEqual(['2'])
})

it('prefers the token to start-after and echoes both (P-109)', async () => {
  const { list } = await withKeys(['a', 'b', 'c'])
  const token = continuationToken.sealToken('b')
  const reply = await list({ 'start-after': 'a', 'continuation-token': token })
  expect(textsOf(reply, 'Key')).toEqual(['c'])
  expect(textsOf(reply, 'StartAfter')).toEqual(['a'])
  expect(textsOf(reply, 'ContinuationToken')).toEqual([token])
  expect(textsOf(await list({ 'start-after': 'a' }), 'Key')).toEqual(['b', 'c'])
})

it('takes an empty token for none and echoes it (P-109)', async () => {
  const { list } = await withKeys(['a'])
  const reply = await list({ 'continuation-token': '' })
  expect(textsOf(reply, 'Key')).toEqual(['a'])
  expect(xmlOf(reply)).toMatch(/<ContinuationToken(\/>|><\/ContinuationToken>)/)
})

it('names owners only on request (P-110)', async () => {
  const { list } = await withKeys(['a'])
  expect(xmlOf(await list())).not.toContain('Owner')
  expect(textsOf(await list({ 'fetch-owner': 'true' }), 'DisplayName')).toEqual(['Alice'])
})

it.each(['garbage', 'MQ==', 'Mf8', 'a b'])('refuses the token %j (P-109)', async (token) => {
  const { list } = await withKeys([])
  await expect(list({ 'continuation-token': token })).rejects.toMatchObject({
    code: 'InvalidArgument',
    detail: { message: 'The continuation token provided is incorrect' },
  })
})

it('tokens are URL-safe and say what they were made of', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      const token = continuationToken.sealToken(name)
      expect(token).toMatch(/^[A-Za-z0-9_-]+$/)
      expect(continuationToken.openToken(token)).toBe(name)
    }),
  )
})
