import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Reply } from '../reply.ts'
import { continuationTokens } from './continuation-tokens.ts'
import { listBuckets } from './list-buckets.ts'
import { listObjectsV2 } from './list-objects-v2.ts'
import {
  alice,
  bob,
  createHarness,
  fileOwner,
  type Request,
  textsOf,
  tokensOf,
  xmlOf,
} from './testing/call-operation.ts'
import { fill, putFile } from './testing/fill.ts'

async function withKeys(keys: readonly string[]) {
  const harness = createHarness()
  await fill(harness, keys)
  const list = (query: Readonly<Record<string, string>> = {}, request: Request = {}) =>
    harness.call(listObjectsV2, { bucket: 'photos', ...request, query: { 'list-type': '2', ...query } })
  return { ...harness, list }
}

const tokenOf = (reply: Reply, element = 'NextContinuationToken') => textsOf(reply, element)[0] ?? ''

it('pages by token to the end, each key once (P-109)', async () => {
  const { list } = await withKeys(['a', 'b/1', 'b/2', 'c', 'd'])
  const seen: string[] = []
  let token = ''
  do {
    const reply = await list({ 'max-keys': '2', delimiter: '/', 'continuation-token': token })
    seen.push(...textsOf(reply, 'Key'), ...textsOf(reply, 'Prefix').filter((prefix) => prefix !== ''))
    token = tokenOf(reply)
  } while (token !== '')
  expect(seen.sort()).toEqual(['a', 'b/', 'c', 'd'])
})

it('counts keys and prefixes (P-104)', async () => {
  const { list } = await withKeys(['a', 'b/1', 'b/2'])
  expect(textsOf(await list({ delimiter: '/' }), 'KeyCount')).toEqual(['2'])
})

it('prefers the token to start-after and echoes both (P-109)', async () => {
  const { list } = await withKeys(['a', 'b', 'c'])
  const token = tokenOf(await list({ 'max-keys': '2' }))
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

const incorrect = { code: 'InvalidArgument', detail: { message: 'The continuation token provided is incorrect' } }

it.each(['garbage', 'MQ==', 'MWI', 'Mf8', 'a b'])('refuses the token %j (P-109)', async (token) => {
  const { list } = await withKeys([])
  await expect(list({ 'continuation-token': token })).rejects.toMatchObject(incorrect)
})

describe('a continuation token', () => {
  it('cannot be read or made by a client, nor carried to another tree', async () => {
    const { list } = await withKeys(['secret-1', 'secret-2'])
    const token = tokenOf(await list({ 'max-keys': '1' }))
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('secret')
    const forged = `${token.slice(0, -4)}AAAA`
    await expect(list({ 'continuation-token': forged })).rejects.toMatchObject(incorrect)
    const elsewhere = list({ 'continuation-token': token }, { tokens: tokensOf(2) })
    await expect(elsewhere).rejects.toMatchObject(incorrect)
  })

  it('goes on in every worker of the tree, and after a restart', async () => {
    const { list } = await withKeys(['a', 'b'])
    const token = tokenOf(await list({ 'max-keys': '1' }, { tokens: tokensOf(7) }))
    expect(textsOf(await list({ 'continuation-token': token }, { tokens: tokensOf(7) }), 'Key')).toEqual(['b'])
  })

  it('is good for its own bucket and listing only', async () => {
    const { list, call, namespace } = await withKeys(['a', 'b'])
    await namespace.buckets.create('films')
    const ofPhotos = tokenOf(await list({ 'max-keys': '1' }))
    const ofBuckets = tokenOf(await call(listBuckets, { query: { 'max-buckets': '1' } }), 'ContinuationToken')
    const refused = [
      list({ 'continuation-token': ofPhotos }, { bucket: 'films' }),
      list({ 'continuation-token': ofBuckets }),
      call(listBuckets, { query: { 'continuation-token': ofPhotos } }),
    ]
    for (const reply of refused) await expect(reply).rejects.toMatchObject(incorrect)
  })

  it('is URL-safe and says what it was made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const { sealToken, openToken } = continuationTokens(tokensOf(), 'ListObjectsV2', 'photos')
        expect(sealToken(name)).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(openToken(sealToken(name))).toBe(name)
      }),
    )
  })
})

it('names the user of the uid as the owner of a file that only file users have written', async () => {
  const { call, namespace } = createHarness()
  await namespace.buckets.create('photos')
  for (const [key, uid] of [
    ['a', 1002],
    ['b', 7],
    ['c', 1001],
  ] as const)
    await putFile(namespace, key, uid)
  const list = (query: Record<string, string> = {}) =>
    call(listObjectsV2, { bucket: 'photos', query: { 'list-type': '2', ...query } })
  const reply = await list({ 'fetch-owner': 'true' })
  expect(textsOf(reply, 'DisplayName')).toEqual(['Bob', 'uid-7', 'Alice'])
  expect(textsOf(reply, 'ID')).toEqual([bob.canonicalId, fileOwner(7).canonicalId, alice.canonicalId])
  expect(xmlOf(await list())).not.toContain('Owner')
})
