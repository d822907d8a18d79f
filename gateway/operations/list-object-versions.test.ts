import { expect, it } from 'vitest'
import { listObjectVersions } from './list-object-versions.ts'
import { createHarness, textsOf, xmlOf } from './testing/call-operation.ts'
import { fill, putFile } from './testing/fill.ts'

async function withKeys(keys: readonly string[]) {
  const harness = createHarness()
  await fill(harness, keys)
  const list = (query: Readonly<Record<string, string>> = {}) =>
    harness.call(listObjectVersions, { bucket: 'photos', query: { versions: '', ...query } })
  return { ...harness, list }
}

it('shows each object as its one version, null and the latest (P-117)', async () => {
  const { list } = await withKeys(['a', 'b'])
  const reply = await list()
  expect(textsOf(reply, 'Key')).toEqual(['a', 'b'])
  expect(textsOf(reply, 'VersionId')).toEqual(['null', 'null'])
  expect(textsOf(reply, 'IsLatest')).toEqual(['true', 'true'])
  expect(textsOf(reply, 'DisplayName')).toEqual(['Alice', 'Alice'])
  expect(xmlOf(reply)).not.toContain('NextKeyMarker')
})

it('gives both markers with a truncated page, and goes on from them to the end (P-213)', async () => {
  const { list } = await withKeys(['a', 'b', 'c'])
  const first = await list({ 'max-keys': '2' })
  expect(textsOf(first, 'NextKeyMarker')).toEqual(['b'])
  expect(textsOf(first, 'NextVersionIdMarker')).toEqual(['null'])
  const second = await list({ 'max-keys': '2', 'key-marker': 'b', 'version-id-marker': 'null' })
  expect(textsOf(second, 'Key')).toEqual(['c'])
  expect(textsOf(second, 'IsTruncated')).toEqual(['false'])
  expect(textsOf(second, 'VersionIdMarker')).toEqual(['null'])
})

it('pages over common prefixes, which have no version (P-117)', async () => {
  const { list } = await withKeys(['a/1', 'a/2', 'b'])
  const first = await list({ delimiter: '/', 'max-keys': '1' })
  expect(textsOf(first, 'NextKeyMarker')).toEqual(['a/'])
  expect(xmlOf(first)).not.toContain('NextVersionIdMarker')
  expect(textsOf(await list({ delimiter: '/', 'key-marker': 'a/' }), 'Key')).toEqual(['b'])
})

it('refuses a version marker without a key, or one that cannot be (P-117)', async () => {
  const { list } = await withKeys([])
  await expect(list({ 'version-id-marker': 'null' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(list({ 'key-marker': 'a', 'version-id-marker': 'HPni' })).rejects.toMatchObject({
    code: 'InvalidArgument',
  })
})

it('ignores the parameters of the other listings', async () => {
  const { list } = await withKeys(['a', 'b'])
  const reply = await list({ marker: 'a', 'start-after': 'a', 'encoding-type': 'url' })
  expect(textsOf(reply, 'Key')).toEqual(['a', 'b'])
})

it('names the user of the uid as the owner of a file that only file users have written', async () => {
  const { namespace, list } = await withKeys(['a'])
  for (const uid of [1002, 7]) await putFile(namespace, `of-${uid}`, uid)
  expect(textsOf(await list(), 'DisplayName')).toEqual(['Alice', 'Bob', 'uid-7'])
})
