import { utimes } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LifecycleRule } from './lifecycle.ts'
import { alice, codeOf, type DocsFixture, listAll, openDocs, plain, put } from './testing/fixture.ts'

let fixture: DocsFixture

beforeEach(async () => {
  fixture = await openDocs({ lockTimeoutMs: 500 })
})

afterEach(() => fixture.close())

const dayMs = 86_400_000
const rule = (more: Partial<LifecycleRule>): LifecycleRule => ({ id: 'r', enabled: true, prefix: '', ...more })
const setRules = (...rules: readonly LifecycleRule[]) =>
  fixture.namespace.documents.write('docs', 'lifecycle', { rules })
const run = () => fixture.open.lifecycle({ everyMs: 0, dayMs })
const left = () => listAll(fixture.namespace, 'docs')

/** By the file's own time, as S3 clients see it. */
async function age(days: number, ...keys: readonly string[]): Promise<void> {
  const then = new Date(Date.now() - days * dayMs)
  for (const key of keys) await utimes(fixture.inBucket(key), then, then)
}

test('objects go when their days are over, and nothing else does', async () => {
  for (const key of ['old/a', 'old/b', 'keep/a', 'young']) await put(fixture.namespace, 'docs', key, key)
  await age(3, 'old/a', 'old/b', 'keep/a')
  await setRules(rule({ prefix: 'old/', expiration: { days: 1 } }))
  expect(await run()).toEqual({ objects: 2, versions: 0, uploads: 0 })
  expect(await left()).toEqual(['keep/a', 'young'])
  expect(await run()).toEqual({ objects: 0, versions: 0, uploads: 0 })
})

test('a rule that is off, a date to come and a bucket without rules take nothing', async () => {
  await put(fixture.namespace, 'docs', 'a', 'a')
  await age(9, 'a')
  expect(await run()).toEqual({ objects: 0, versions: 0, uploads: 0 })
  const future = new Date(Date.now() + dayMs).toISOString()
  await setRules(rule({ enabled: false, expiration: { days: 1 } }), rule({ id: 's', expiration: { date: future } }))
  expect(await run()).toEqual({ objects: 0, versions: 0, uploads: 0 })
  expect(await left()).toEqual(['a'])
})

test('filters by tag and size hold together', async () => {
  const tagged = { ...plain, tags: [{ key: 't', value: 'v' }] }
  await put(fixture.namespace, 'docs', 'tagged', '12345', tagged)
  await put(fixture.namespace, 'docs', 'small', '1', tagged)
  await put(fixture.namespace, 'docs', 'untagged', '12345')
  const filter = { tags: tagged.tags, sizeGreaterThanBytes: 1 }
  await setRules(rule({ prefix: undefined, filter, expiration: { date: '2015-01-01T00:00:00.000Z' } }))
  expect(await run()).toEqual({ objects: 1, versions: 0, uploads: 0 })
  expect(await left()).toEqual(['small', 'untagged'])
})

test('more than a page of objects goes', async () => {
  const keys = Array.from({ length: 1005 }, (_, index) => `k${index}`)
  for (const key of keys) await put(fixture.namespace, 'docs', key, '')
  await setRules(rule({ expiration: { date: '2015-01-01T00:00:00.000Z' } }))
  expect(await run()).toEqual({ objects: 1005, versions: 0, uploads: 0 })
  expect(await left()).toEqual([])
})

test('an upload that nobody completes is aborted, and leaves nothing', async () => {
  const { uploads } = fixture.namespace
  const begun = await uploads.begin({ bucket: 'docs', key: 'x/big' }, plain, undefined)
  const other = await uploads.begin({ bucket: 'docs', key: 'y/big' }, plain, undefined)
  await setRules(rule({ prefix: 'x/', abortUploadDays: 1 }))
  expect(await run()).toEqual({ objects: 0, versions: 0, uploads: 0 })
  expect(await fixture.open.lifecycle({ everyMs: 0, dayMs: 1 })).toEqual({ objects: 0, versions: 0, uploads: 1 })
  expect(await codeOf(uploads.stat({ bucket: 'docs', key: 'x/big', uploadId: begun.uploadId }))).toBe('NoSuchUpload')
  expect((await uploads.list('docs', '')).map(({ uploadId }) => uploadId)).toEqual([other.uploadId])
})

test('in a versioned bucket what expires is hidden by a delete marker of the owner', async () => {
  await put(fixture.namespace, 'docs', 'a', 'a')
  await fixture.namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
  await age(3, 'a')
  await setRules(rule({ expiration: { days: 1 } }))
  expect(await run()).toEqual({ objects: 1, versions: 0, uploads: 0 })
  expect(await left()).toEqual([])
  const target = { bucket: 'docs', key: 'a', versionId: 'null' }
  expect((await fixture.namespace.objects.stat(target)).owner).toEqual(alice)
})

test('of several gateways one does it, and again when its time has come', async () => {
  const other = await fixture.another()
  const options = { everyMs: 3_600_000, dayMs }
  const runs = await Promise.all([fixture.open, other, fixture.open].map((each) => each.lifecycle(options)))
  expect(runs.filter((each) => each !== undefined)).toEqual([{ objects: 0, versions: 0, uploads: 0 }])
  const hours = new Date(Date.now() - 2 * 3_600_000)
  await utimes(`${fixture.directory}/.causeway/expired`, hours, hours)
  expect(await other.lifecycle(options)).toEqual({ objects: 0, versions: 0, uploads: 0 })
})
