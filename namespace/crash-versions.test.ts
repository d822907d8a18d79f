import { expect, test } from 'vitest'
import { complete, contentOf, crashes, crashTimeoutMs, large, nothing, remove, uploadParts } from './testing/crash.ts'
import { dyingFiles } from './testing/dying-files.ts'
import { alice, openFixture, plain, put } from './testing/fixture.ts'
import type { Namespace } from './verbs.ts'

/** The same as crash.test.ts in a versioned bucket: a verb that is stopped leaves all versions of before, and has committed or has not. */
type VersionedScenario = {
  readonly name: string
  readonly key: string
  readonly before: (namespace: Namespace) => Promise<unknown>
  readonly act: (namespace: Namespace, prepared: unknown) => Promise<unknown>
}

const enable = (namespace: Namespace) => namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
const suspend = (namespace: Namespace) => namespace.documents.write('docs', 'versioning', { status: 'Suspended' })
const latestId = async (namespace: Namespace, key: string) =>
  (await namespace.objects.stat({ bucket: 'docs', key })).versionId
const removeId = (key: string) => (namespace: Namespace, versionId: unknown) =>
  namespace.objects.remove({ bucket: 'docs', key, versionId: String(versionId) }, {})

async function versions(namespace: Namespace, key: string, ...contents: readonly (string | undefined)[]) {
  let id: string | undefined
  for (const content of contents)
    id =
      content === undefined
        ? (await remove(namespace, key)).versionId
        : (await put(namespace, 'docs', key, content)).stat.versionId
  return id
}

const versionedScenarios: readonly VersionedScenario[] = ['d/k', 'd/'].flatMap((key) => [
  { name: 'put', key, before: (n) => versions(n, key, 'one', 'two'), act: (n) => put(n, 'docs', key, 'new') },
  { name: 'put of a new key', key, before: nothing, act: (n) => put(n, 'docs', key, 'new') },
  { name: 'put over an object of before versioning', key, before: async (n) => { await n.documents.remove('docs', 'versioning'); await put(n, 'docs', key, ''); await enable(n) }, act: (n) => put(n, 'docs', key, 'new') },
  { name: 'put over a marker', key, before: (n) => versions(n, key, 'one', undefined), act: (n) => put(n, 'docs', key, 'new') },
  { name: 'put with a record in a side-car', key, before: (n) => put(n, 'docs', key, 'one', large), act: (n) => put(n, 'docs', key, 'new', large) },
  { name: 'delete', key, before: (n) => versions(n, key, 'one', 'two'), act: (n) => remove(n, key) },
  { name: 'delete of an object of before versioning', key, before: async (n) => { await n.documents.remove('docs', 'versioning'); await put(n, 'docs', key, ''); await enable(n) }, act: (n) => remove(n, key) },
  { name: 'delete of what is not there', key, before: nothing, act: (n) => remove(n, key) },
  { name: 'delete of the current version', key, before: async (n) => { await versions(n, key, 'one', 'two'); return latestId(n, key) }, act: removeId(key) },
  { name: 'delete of the only version', key, before: (n) => versions(n, key, 'one'), act: removeId(key) },
  { name: 'delete of a version behind which a marker is', key, before: (n) => versions(n, key, 'one', undefined, 'two'), act: removeId(key) },
  { name: 'delete of an older version', key, before: async (n) => { const id = await versions(n, key, 'one'); await versions(n, key, 'two'); return id }, act: removeId(key) },
  { name: 'delete of a marker', key, before: (n) => versions(n, key, 'one', 'two', undefined), act: removeId(key) },
  { name: 'delete of the newer of two markers', key, before: (n) => versions(n, key, 'one', undefined, undefined), act: removeId(key) },
  { name: 'put, suspended', key, before: async (n) => { await versions(n, key, 'one'); await suspend(n) }, act: (n) => put(n, 'docs', key, 'new') },
  { name: 'put over the null version, suspended', key, before: async (n) => { await versions(n, key, 'one'); await suspend(n); await versions(n, key, 'null') }, act: (n) => put(n, 'docs', key, 'new') },
  { name: 'put with an older null version, suspended', key, before: async (n) => { await suspend(n); await versions(n, key, 'null'); await enable(n); await versions(n, key, 'one'); await suspend(n) }, act: (n) => put(n, 'docs', key, 'new') },
  { name: 'delete, suspended', key, before: async (n) => { await suspend(n); await versions(n, key, 'null'); await enable(n); await versions(n, key, 'one'); await suspend(n) }, act: (n) => remove(n, key) },
  { name: 'delete of the null version, suspended', key, before: async (n) => { await versions(n, key, 'one'); await suspend(n); await versions(n, key, 'null') }, act: (n) => remove(n, key) },
  { name: 'copy onto itself', key, before: (n) => versions(n, key, 'one', 'two'), act: (n) => n.objects.copy({ bucket: 'docs', key }, { bucket: 'docs', key }, { describe: () => plain }) },
] satisfies VersionedScenario[]) // biome-ignore format: one scenario a line

const completing: VersionedScenario = {
  name: 'complete',
  key: 'k',
  before: async (n) => {
    await versions(n, 'k', 'one')
    return uploadParts(n, 'k', ['new'])
  },
  act: complete('k'),
}

/** All of a key as clients see it: what GET says, then each version, newest first. Ids as the n-th one that was seen, for comparing trees. */
async function everyVersion(namespace: Namespace, key: string): Promise<{ ids: string[]; shown: string[] }> {
  const page = await namespace.objects.listVersions({
    bucket: 'docs',
    prefix: '',
    delimiter: '',
    keyMarker: '',
    versionIdMarker: undefined,
    max: 1000,
  })
  const ids: string[] = []
  const shown = [`GET ${(await contentOf(namespace, key)) ?? 'none'}`]
  for (const entry of page.entries) {
    if ('prefix' in entry || entry.key !== key) continue
    ids.push(entry.versionId)
    const kind = entry.versionId === 'null' ? 'null' : 'id'
    const content = entry.object === undefined ? 'marker' : await contentAt(namespace, key, entry.versionId)
    shown.push(`${kind}${entry.isLatest ? ' latest' : ''} ${content}`)
  }
  return { ids, shown }
}

async function contentAt(namespace: Namespace, key: string, versionId: string): Promise<string> {
  const object = await namespace.objects.open({ bucket: 'docs', key, versionId })
  expect(object.stat.foreign).toBe(false)
  const pieces: Buffer[] = []
  for await (const piece of object.read(0, object.stat.sizeBytes)) pieces.push(Buffer.from(piece))
  await object.close()
  return Buffer.concat(pieces).toString()
}

/** What it is before and after, when nothing crashes; then each crash must leave one of the two. */
async function crashVersioned(scenario: VersionedScenario, count: number, locksExpire: boolean): Promise<boolean> {
  const dying = dyingFiles()
  const fixture = await openFixture({ durability: 'strict', locksExpire })
  const survivor = fixture.namespace
  const { key } = scenario
  try {
    await survivor.buckets.create('docs')
    await enable(survivor)
    const prepared = await scenario.before(survivor)
    const before = await everyVersion(survivor, key)
    const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
    dying.arm({ crashAfter: count })
    const crashed = await crashes(scenario.act(victim, prepared))
    await dying.bury()
    const where = `${scenario.name} of ${key}, stopped after ${count}: ${dying.log().join('; ')}`
    const between = await everyVersion(survivor, key)
    if (crashed) {
      await scenario.act(survivor, prepared)
      const after = await everyVersion(survivor, key)
      // Committed, or not at all. What was committed is repeated by a put or a delete: another version, never one less.
      const isBefore = JSON.stringify(between) === JSON.stringify(before)
      const isAfter = between.shown.join() === (await expectedAfter(scenario, locksExpire)).shown.join()
      expect(isBefore || isAfter, `${where}\n${JSON.stringify({ before, between, after })}`).toBe(true)
      expect(after.shown.slice(0, 2), where).toEqual((await expectedAfter(scenario, locksExpire)).shown.slice(0, 2))
      for (const id of before.ids)
        if (id !== 'null' && id !== prepared) expect(after.ids, `${id} after ${where}`).toContain(id)
    } else {
      expected.set(`${scenario.name} ${key} ${locksExpire}`, between)
    }
    await removeAll(survivor)
    await survivor.buckets.remove('docs')
    return crashed
  } finally {
    await fixture.close()
  }
}

const expected = new Map<string, { ids: string[]; shown: string[] }>()

async function expectedAfter(scenario: VersionedScenario, locksExpire: boolean) {
  const name = `${scenario.name} ${scenario.key} ${locksExpire}`
  if (!expected.has(name)) await crashVersioned(scenario, 1_000_000, locksExpire)
  return expected.get(name) ?? { ids: [], shown: [] }
}

async function removeAll(namespace: Namespace): Promise<void> {
  const all = { bucket: 'docs', prefix: '', delimiter: '', keyMarker: '', versionIdMarker: undefined, max: 1000 }
  const { entries } = await namespace.objects.listVersions(all)
  for (const entry of entries)
    if (!('prefix' in entry))
      await namespace.objects.remove({ bucket: 'docs', key: entry.key, versionId: entry.versionId }, {})
}

test.each(
  [...versionedScenarios, completing].flatMap((scenario) => [
    { name: scenario.name, key: scenario.key, scenario, locksExpire: false },
    { name: `${scenario.name}, fenced,`, key: scenario.key, scenario, locksExpire: true },
  ]),
)(
  'in a versioned bucket, $name of $key leaves all versions of before, wherever it is stopped',
  async ({ scenario, locksExpire }) => {
    let stops = 0
    while (await crashVersioned(scenario, stops, locksExpire)) stops += 1
    expect(stops).toBeGreaterThan(1)
  },
  crashTimeoutMs,
)
