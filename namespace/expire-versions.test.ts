import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LifecycleRule } from './lifecycle.ts'
import type { OpenNamespace } from './namespace.ts'
import { type DocsFixture, get, openDocs, plain, put } from './testing/fixture.ts'
import { type WatchedFiles, watchedFiles } from './testing/watched-files.ts'
import type { Description } from './verbs.ts'

let fixture: DocsFixture

beforeEach(async () => {
  fixture = await openDocs({ lockTimeoutMs: 1000 })
  await setStatus('Enabled')
})

afterEach(() => fixture.close())

const setStatus = (status: 'Enabled' | 'Suspended') =>
  fixture.namespace.documents.write('docs', 'versioning', { status })

const rule = (more: Partial<LifecycleRule>): LifecycleRule => ({ id: 'r', enabled: true, prefix: '', ...more })
const noncurrent = (newerVersions?: number) => rule({ noncurrentExpiration: { days: 1, newerVersions } })
const markers = rule({ id: 'm', expiration: { expiredObjectDeleteMarker: true } })
const setRules = (...rules: readonly LifecycleRule[]) =>
  fixture.namespace.documents.write('docs', 'lifecycle', { rules })

/** With days of a millisecond, which are over by then. */
async function run(by: OpenNamespace = fixture.open) {
  await sleep(5)
  const answer = await by.lifecycle({ everyMs: 0, dayMs: 1 })
  expect(fixture.problems).toEqual([])
  return answer
}
const expired = (more: { readonly objects?: number; readonly versions?: number }) => ({
  objects: 0,
  versions: 0,
  uploads: 0,
  ...more,
})

async function putId(key: string, content: string, description: Description = plain): Promise<string> {
  await sleep(2)
  return (await put(fixture.namespace, 'docs', key, content, description)).stat.versionId ?? 'none'
}

const remove = (key: string, versionId?: string) =>
  fixture.namespace.objects.remove({ bucket: 'docs', key, versionId }, {})

/** Of each key its versions, newest first; those of markers in brackets. */
async function left(): Promise<readonly string[]> {
  const query = { bucket: 'docs', prefix: '', delimiter: '', keyMarker: '', versionIdMarker: undefined, max: 5000 }
  const { entries } = await fixture.namespace.objects.listVersions(query)
  return entries.flatMap((entry) =>
    'prefix' in entry ? [] : [entry.object === undefined ? `[${entry.versionId}]` : entry.versionId],
  )
}

/** A worker between whose look and deletion others do something. */
async function interrupted(): Promise<{ readonly slow: OpenNamespace; readonly watched: WatchedFiles }> {
  const watched = watchedFiles()
  return { slow: await fixture.another({ openFiles: watched.openFiles }), watched }
}
const anEntry = /\.s3\/versions\/.*\.%@/

test.each(['k', 'd/k', 'd/', 'x'.repeat(300)])(
  'noncurrent versions of %j go, and the current one stays',
  async (key) => {
    await putId(key, 'one')
    await putId(key, 'two')
    const last = await putId(key, 'three')
    const other = await putId('z', 'only')
    await setRules(noncurrent())
    expect(await fixture.open.lifecycle({ everyMs: 0, dayMs: 86_400_000 })).toEqual(expired({}))
    expect(await run()).toEqual(expired({ versions: 2 }))
    expect(await left()).toEqual([last, other])
    expect(await get(fixture.namespace, 'docs', key)).toBe('three')
    expect(await run()).toEqual(expired({}))
    expect(fixture.problems).toEqual([])
  },
)

test('the newest noncurrent versions are kept, also of more versions than a page has', async () => {
  const ids: string[] = []
  for (let n = 0; n < 1005; n += 1) {
    ids.unshift((await put(fixture.namespace, 'docs', 'k', '')).stat.versionId ?? 'none')
  }
  const other = await putId('z', 'only')
  await setRules(noncurrent(5))
  expect(await run()).toEqual(expired({ versions: 999 }))
  expect(await left()).toEqual([...ids.slice(0, 6), other])
}, 60_000)

test('what a delete marker hides goes, and then the marker, and nothing is left of the key', async () => {
  await putId('d/k', 'one')
  await remove('d/k')
  await setRules(markers)
  expect(await run()).toEqual(expired({}))
  await setRules(noncurrent(), markers)
  expect(await run()).toEqual(expired({ versions: 1 }))
  expect(await run()).toEqual(expired({ versions: 1 }))
  expect(await left()).toEqual([])
  expect(await readdir(fixture.inBucket('.s3', 'versions')).catch(() => [])).toEqual([])
})

test('days make a marker, which stays before the version, and goes by its own days when it is alone', async () => {
  const one = await putId('k', 'one')
  await setRules(rule({ expiration: { days: 1 } }))
  expect(await run()).toEqual(expired({ objects: 1 }))
  expect(await run()).toEqual(expired({}))
  expect(await left()).toEqual([expect.stringMatching(/^\[/), one])
  await remove('k', one)
  expect(await run()).toEqual(expired({ versions: 1 }))
  expect(await left()).toEqual([])
})

test('locked versions are passed over, and go when they are free', async () => {
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const held = await putId('k', 'held', { ...plain, legalHold: true })
  const retained = await putId('k', 'retained', { ...plain, retention: { mode: 'GOVERNANCE', until } })
  await putId('k', 'free')
  const last = await putId('k', 'last')
  await setRules(noncurrent())
  expect(await run()).toEqual(expired({ versions: 1 }))
  expect(await left()).toEqual([last, retained, held])
  await fixture.namespace.objects.amend({ bucket: 'docs', key: 'k', versionId: held }, () => ({ legalHold: false }))
  expect(await run()).toEqual(expired({ versions: 1 }))
  expect(await left()).toEqual([last, retained])
})

test('a version that is locked meanwhile stays, quietly', async () => {
  const { slow, watched } = await interrupted()
  const one = await putId('k', 'one')
  const two = await putId('k', 'two')
  await setRules(noncurrent())
  const target = { bucket: 'docs', key: 'k', versionId: one }
  watched.after('find', anEntry, () => fixture.namespace.objects.amend(target, () => ({ legalHold: true })))
  expect(await run(slow)).toEqual(expired({}))
  expect(await left()).toEqual([two, one])
})

test('a version that has become the current one meanwhile stays', async () => {
  const { slow, watched } = await interrupted()
  const one = await putId('k', 'one')
  const two = await putId('k', 'two')
  await setRules(noncurrent())
  watched.after('find', anEntry, () => remove('k', two))
  expect(await run(slow)).toEqual(expired({}))
  expect(await left()).toEqual([one])
  expect(await get(fixture.namespace, 'docs', 'k')).toBe('one')
})

test('of the newest noncurrent versions none goes because one of them was deleted meanwhile', async () => {
  const { slow, watched } = await interrupted()
  const one = await putId('k', 'one')
  const two = await putId('k', 'two')
  const three = await putId('k', 'three')
  await setRules(noncurrent(1))
  watched.after('find', anEntry, () => remove('k', two))
  expect(await run(slow)).toEqual(expired({}))
  expect(await left()).toEqual([three, one])
})

test('a null version that was rewritten meanwhile stays, as the current one and as a noncurrent one', async () => {
  const { slow, watched } = await interrupted()
  await setStatus('Suspended')
  await putId('k', 'null of before')
  await setStatus('Enabled')
  const two = await putId('k', 'two')
  await setRules(noncurrent())
  let three = ''
  watched.after('find', anEntry, async () => {
    await setStatus('Suspended')
    await putId('k', 'null of now')
    await setStatus('Enabled')
    three = await putId('k', 'three')
  })
  expect(await run(slow)).toEqual(expired({}))
  expect(await left()).toEqual([three, 'null', two])
})

test('a delete marker that is not alone any more stays', async () => {
  const { slow, watched } = await interrupted()
  const marker = (await remove('k')).versionId
  await setRules(markers)
  let two = ''
  watched.after('find', anEntry, async () => {
    two = await putId('k', 'two')
  })
  expect(await run(slow)).toEqual(expired({}))
  expect(await left()).toEqual([two, `[${marker}]`])
  await remove('k', two)
  expect(await run(slow)).toEqual(expired({ versions: 1 }))
  expect(await left()).toEqual([])
})

test('an object that was rewritten meanwhile is not hidden', async () => {
  const { slow, watched } = await interrupted()
  const dayMs = 2000
  await putId('k', 'old')
  await sleep(dayMs + 10)
  await setRules(rule({ expiration: { days: 1 } }))
  watched.after('statMany', /docs$/, () => putId('k', 'new'))
  expect(await slow.lifecycle({ everyMs: 0, dayMs })).toEqual(expired({}))
  expect(fixture.problems).toEqual([])
  expect(await get(fixture.namespace, 'docs', 'k')).toBe('new')
  expect(await left()).toHaveLength(2)
})
