import { expect, it } from 'vitest'
import { headObject } from './head-object.ts'
import { listObjects } from './list-objects.ts'
import { alice, createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill, putFile } from './testing/fill.ts'

async function withKeys(keys: readonly string[]) {
  const harness = createHarness()
  await fill(harness, keys)
  const list = (query: Readonly<Record<string, string>> = {}) => harness.call(listObjects, { bucket: 'photos', query })
  return { ...harness, list }
}

it('lists keys in the order of their bytes, with owner and class (P-102, P-110)', async () => {
  const { list } = await withKeys(['a0', 'a/b', 'a-b', '\u{1f600}', '\uffee'])
  const reply = await list()
  expect(textsOf(reply, 'Key')).toEqual(['a-b', 'a/b', 'a0', '\uffee', '\u{1f600}'])
  expect(textsOf(reply, 'ID')[0]).toBe(alice.canonicalId)
  expect(textsOf(reply, 'StorageClass')[0]).toBe('STANDARD')
})

it('says of an object what HEAD says (P-112)', async () => {
  const { list, call } = await withKeys(['cat'])
  const reply = await list()
  const head = await call(headObject, { bucket: 'photos', key: 'cat' })
  expect(textsOf(reply, 'ETag')[0]).toBe(String(head.headers?.etag).replaceAll('"', '&quot;'))
  expect(textsOf(reply, 'Size')[0]).toBe('3')
  expect(new Date(textsOf(reply, 'LastModified')[0] ?? '').toUTCString()).toBe(head.headers?.['last-modified'])
})

it('groups by delimiter, and goes on behind a group (P-104, P-105)', async () => {
  const { list } = await withKeys(['a/1', 'a/2', 'b', 'c/1'])
  const first = await list({ delimiter: '/', 'max-keys': '1' })
  expect(textsOf(first, 'Prefix')).toEqual(['', 'a/'])
  expect(textsOf(first, 'NextMarker')).toEqual(['a/'])
  expect(textsOf(first, 'IsTruncated')).toEqual(['true'])
  const second = await list({ delimiter: '/', 'max-keys': '2', marker: 'a/' })
  expect(textsOf(second, 'Key')).toEqual(['b'])
  expect(textsOf(second, 'Prefix')).toEqual(['', 'c/'])
  expect(textsOf(second, 'IsTruncated')).toEqual(['false'])
  expect(textsOf(second, 'NextMarker')).toEqual([])
})

it('has no NextMarker without a delimiter (P-105)', async () => {
  const { list } = await withKeys(['a', 'b'])
  const reply = await list({ 'max-keys': '1' })
  expect(textsOf(reply, 'IsTruncated')).toEqual(['true'])
  expect(xmlOf(reply)).not.toContain('NextMarker')
})

it('echoes marker and prefix even when empty, the delimiter not (P-107)', async () => {
  const { list } = await withKeys([])
  const xml = xmlOf(await list())
  expect(xml).toMatch(/<Marker(\/>|><\/Marker>)/)
  expect(xml).toMatch(/<Prefix(\/>|><\/Prefix>)/)
  expect(xml).not.toContain('Delimiter')
  expect(xml).not.toContain('Contents')
})

it('answers nothing, and no more to come, for max-keys 0 (P-106)', async () => {
  const { list } = await withKeys(['a'])
  const reply = await list({ 'max-keys': '0' })
  expect(textsOf(reply, 'Key')).toEqual([])
  expect(textsOf(reply, 'IsTruncated')).toEqual(['false'])
  expect(textsOf(await list({ 'max-keys': '5000' }), 'MaxKeys')).toEqual(['1000'])
  await expect(list({ 'max-keys': 'blah' })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('encodes names as asked (P-095, P-097)', async () => {
  const { list } = await withKeys(['a b/(1)', 'x\n'])
  const reply = await list({ 'encoding-type': 'url', delimiter: '/', marker: 'A b' })
  expect(textsOf(reply, 'Prefix')).toContain('a%20b/')
  expect(textsOf(reply, 'Key')).toEqual(['x%0A'])
  expect(textsOf(reply, 'Marker')).toEqual(['A%20b'])
  expect(textsOf(reply, 'EncodingType')).toEqual(['url'])
  await expect(list({ 'encoding-type': '' })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

it('says NoSuchBucket', async () => {
  const { call } = createHarness()
  await expect(call(listObjects, { bucket: 'films' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

it('names the user of the uid as the owner of a file that only file users have written', async () => {
  const { call, namespace } = createHarness()
  await namespace.buckets.create('photos')
  for (const uid of [1002, 7]) await putFile(namespace, `of-${uid}`, uid)
  expect(textsOf(await call(listObjects, { bucket: 'photos' }), 'DisplayName')).toEqual(['Bob', 'uid-7'])
})
