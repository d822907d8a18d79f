import { describe, expect, it } from 'vitest'
import { copyObject } from './copy-object.ts'
import { putObject } from './put-object.ts'
import { createHarness, textsOf } from './testing/call-operation.ts'
import { fill } from './testing/fill.ts'

async function withCat() {
  const harness = createHarness()
  await fill(harness)
  const headers = { 'content-type': 'image/jpeg', 'x-amz-meta-place': 'Rome', 'x-amz-tagging': 'animal=cat' }
  await harness.call(putObject, { bucket: 'photos', key: 'cat', bytes: 'meow', headers, checksum: 'CRC32' })
  const copy = (key: string, more: Readonly<Record<string, string>> = {}) =>
    harness.call(copyObject, { bucket: 'photos', key, headers: { 'x-amz-copy-source': 'photos/cat', ...more } })
  const stat = (key: string) => harness.namespace.objects.stat({ bucket: 'photos', key })
  return { ...harness, copy, stat }
}

it('copies bytes, headers, metadata, tags and checksum (P-144, P-145, P-087)', async () => {
  const { copy, stat } = await withCat()
  const reply = await copy('copy')
  expect(textsOf(reply, 'ETag')).toEqual(['&quot;4a4be40c96ac6314e91d93f38043a634&quot;'])
  expect(textsOf(reply, 'LastModified')).toEqual(['2026-11-20T12:00:00.000Z'])
  expect(textsOf(reply, 'ChecksumCRC32')).toHaveLength(1)
  expect(await stat('copy')).toMatchObject({
    sizeBytes: 4,
    headers: { 'content-type': 'image/jpeg' },
    metadata: { place: 'Rome' },
    tags: [{ key: 'animal', value: 'cat' }],
  })
})

it('replaces metadata and tags independently (P-144)', async () => {
  const { copy, stat } = await withCat()
  await copy('one', { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-place': 'Oslo' })
  const one = await stat('one')
  expect(one).toMatchObject({ metadata: { place: 'Oslo' }, tags: [{ key: 'animal', value: 'cat' }] })
  expect(one.headers['content-type']).not.toBe('image/jpeg')
  await copy('two', { 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'a=b' })
  expect(await stat('two')).toMatchObject({ metadata: { place: 'Rome' }, tags: [{ key: 'a', value: 'b' }] })
  await copy('three', { 'x-amz-tagging-directive': 'REPLACE' })
  expect((await stat('three')).tags ?? []).toEqual([])
})

it('ignores metadata and tags that come without REPLACE', async () => {
  const { copy, stat } = await withCat()
  await copy('copy', { 'x-amz-meta-place': 'Oslo', 'x-amz-tagging': 'a=b' })
  expect(await stat('copy')).toMatchObject({ metadata: { place: 'Rome' }, tags: [{ key: 'animal', value: 'cat' }] })
})

it('computes the checksum that is asked for (P-087)', async () => {
  const { copy } = await withCat()
  const reply = await copy('copy', { 'x-amz-checksum-algorithm': 'sha256' })
  expect(textsOf(reply, 'ChecksumSHA256')).toHaveLength(1)
  await expect(copy('copy', { 'x-amz-checksum-algorithm': 'XXHASH3' })).rejects.toMatchObject({
    code: 'InvalidRequest',
  })
})

describe('a copy onto itself (P-142)', () => {
  it('is illegal without a change', async () => {
    const { copy } = await withCat()
    await expect(copy('cat')).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(copy('cat', { 'x-amz-acl': 'private' })).rejects.toMatchObject({ code: 'InvalidRequest' })
  })

  it('replaces what is said of the object', async () => {
    const { copy, stat } = await withCat()
    await copy('cat', { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-place': 'Oslo' })
    expect((await stat('cat')).metadata).toEqual({ place: 'Oslo' })
    expect((await copy('cat', { 'x-amz-storage-class': 'STANDARD' })).status).toBe(200)
  })
})

it('is refused with 412 when the source does not match, never 304 (P-143)', async () => {
  const { copy } = await withCat()
  const eTag = '"4a4be40c96ac6314e91d93f38043a634"'
  await expect(copy('copy', { 'x-amz-copy-source-if-match': '"other"' })).rejects.toMatchObject({
    code: 'PreconditionFailed',
  })
  await expect(copy('copy', { 'x-amz-copy-source-if-none-match': eTag })).rejects.toMatchObject({
    code: 'PreconditionFailed',
  })
})

it('respects conditions on the target (P-139)', async () => {
  const { copy } = await withCat()
  await copy('copy', { 'if-none-match': '*' })
  await expect(copy('copy', { 'if-none-match': '*' })).rejects.toMatchObject({ code: 'PreconditionFailed' })
  await expect(copy('new', { 'if-match': '"x"' })).rejects.toMatchObject({ code: 'NoSuchKey' })
})

it('says what is missing or wrong (P-141, P-144)', async () => {
  const { copy } = await withCat()
  await expect(copy('copy', { 'x-amz-copy-source': 'photos/dog' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(copy('copy', { 'x-amz-copy-source': 'films/dog' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
  await expect(copy('copy', { 'x-amz-copy-source': 'photos' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(copy('copy', { 'x-amz-metadata-directive': 'KEEP' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(copy('copy', { 'x-amz-tagging-directive': 'copy' })).rejects.toMatchObject({ code: 'InvalidArgument' })
})
