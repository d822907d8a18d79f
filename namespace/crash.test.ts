import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { NamespaceError } from './errors.ts'
import { dyingFiles } from './testing/dying-files.ts'
import { CrashError } from './testing/faulty-files.ts'
import { alice, bodyOf, get, listAll, openFixture, plain, put } from './testing/fixture.ts'
import type { CompletePart, Namespace } from './verbs.ts'

/**
 * Each verb is stopped after its 1st, 2nd, 3rd … change to the disk, as by kill -9. Another process then must find every key old or new,
 * whole, with its own ETag, never neither; must be able to do the same again; and what was left must not keep the bucket.
 */
type Scenario = {
  readonly name: string
  /** Answers what `act` needs. */
  readonly before: (namespace: Namespace) => Promise<unknown>
  readonly act: (namespace: Namespace, prepared: unknown) => Promise<unknown>
  /** Key → contents it may have after a crash; undefined stands for no object. The last one is how it ends. */
  readonly keys: Readonly<Record<string, readonly (string | undefined)[]>>
}

const nothing = async (): Promise<void> => undefined
/** A record that no file system's attribute takes (64 KiB): it has a side-car. */
const large = {
  ...plain,
  metadata: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`n${i}`, 'v'.repeat(999)])),
}
const mebibyte = 2 ** 20
const fives = (letter: string): string => letter.repeat(5 * mebibyte)

const remove = (namespace: Namespace, key: string) => namespace.objects.remove({ bucket: 'docs', key }, {})

async function uploadParts(namespace: Namespace, key: string, contents: readonly string[]) {
  const target = { bucket: 'docs', key }
  const { uploadId } = await namespace.uploads.begin(target, plain, undefined)
  const parts: CompletePart[] = []
  for (const [index, content] of contents.entries()) {
    const part = await namespace.uploads.putPart({ ...target, uploadId }, index + 1, bodyOf(content, mebibyte))
    parts.push({ partNumber: part.partNumber, eTag: part.eTag, checksums: {} })
  }
  return { uploadId, parts }
}

/** `prepared` is what uploadParts answered. */
const complete = (key: string) => (namespace: Namespace, prepared: unknown) => {
  const { uploadId, parts } = prepared as Awaited<ReturnType<typeof uploadParts>>
  return namespace.uploads.complete({ bucket: 'docs', key, uploadId }, parts, {})
}

const scenarios: readonly Scenario[] = [
  { name: 'put of a new key', before: nothing, act: (n) => put(n, 'docs', 'd/e/k', 'new'), keys: { 'd/e/k': [undefined, 'new'] } },
  {
    name: 'put over an object',
    before: (n) => put(n, 'docs', 'k', 'old'),
    act: (n) => put(n, 'docs', 'k', 'new'),
    keys: { k: ['old', 'new'] },
  },
  {
    name: 'conditional put',
    before: (n) => put(n, 'docs', 'k', 'old'),
    act: (n) => n.objects.put({ bucket: 'docs', key: 'k' }, plain, bodyOf('new'), { precondition: () => undefined }),
    keys: { k: ['old', 'new'] },
  },
  {
    name: 'conditional creation',
    before: nothing,
    act: (n) => n.objects.put({ bucket: 'docs', key: 'k' }, plain, bodyOf('new'), { precondition: () => undefined }),
    keys: { k: [undefined, 'new'] },
  },
  {
    name: 'put with a record in a side-car',
    before: (n) => put(n, 'docs', 'k', 'old', large),
    act: (n) => put(n, 'docs', 'k', 'new', large),
    keys: { k: ['old', 'new'] },
  },
  {
    name: 'put below an object, which steps aside',
    before: (n) => put(n, 'docs', 'a', 'file'),
    act: (n) => put(n, 'docs', 'a/b', 'new'),
    keys: { a: ['file'], 'a/b': [undefined, 'new'] },
  },
  {
    name: 'put of an object where a directory is',
    before: (n) => put(n, 'docs', 'a/b', 'child'),
    act: (n) => put(n, 'docs', 'a', 'new'),
    keys: { a: [undefined, 'new'], 'a/b': ['child'] },
  },
  {
    name: 'put over an object that stepped aside',
    before: (n) => put(n, 'docs', 'a/b', 'child').then(() => put(n, 'docs', 'a', 'old')),
    act: (n) => put(n, 'docs', 'a', 'new'),
    keys: { a: ['old', 'new'], 'a/b': ['child'] },
  },
  {
    name: 'delete',
    before: (n) => put(n, 'docs', 'd/k', 'old'),
    act: (n) => remove(n, 'd/k'),
    keys: { 'd/k': ['old', undefined] },
  },
  {
    name: 'delete of an object that stepped aside',
    before: (n) => put(n, 'docs', 'a/b', 'child').then(() => put(n, 'docs', 'a', 'old')),
    act: (n) => remove(n, 'a'),
    keys: { a: ['old', undefined], 'a/b': ['child'] },
  },
  {
    name: 'delete of the last key below, after which the object moves back',
    before: (n) => put(n, 'docs', 'a', 'file').then(() => put(n, 'docs', 'a/b', 'old')),
    act: (n) => remove(n, 'a/b'),
    keys: { a: ['file'], 'a/b': ['old', undefined] },
  },
  { name: 'put of a directory', before: nothing, act: (n) => put(n, 'docs', 'd/', ''), keys: { 'd/': [undefined, ''] } },
  {
    name: 'put of bytes over a directory',
    before: (n) => put(n, 'docs', 'd/', ''),
    act: (n) => put(n, 'docs', 'd/', 'new'),
    keys: { 'd/': ['', 'new'] },
  },
  {
    name: 'delete of a directory',
    before: (n) => put(n, 'docs', 'd/', ''),
    act: (n) => remove(n, 'd/'),
    keys: { 'd/': ['', undefined] },
  },
  {
    name: 'copy',
    before: (n) => put(n, 'docs', 's', 'source').then(() => put(n, 'docs', 't', 'old')),
    act: (n) => n.objects.copy({ bucket: 'docs', key: 's' }, { bucket: 'docs', key: 't' }, { describe: () => plain }),
    keys: { s: ['source'], t: ['old', 'source'] },
  },
  {
    name: 'copy onto itself',
    before: (n) => put(n, 'docs', 's', 'source'),
    act: (n) => n.objects.copy({ bucket: 'docs', key: 's' }, { bucket: 'docs', key: 's' }, { describe: () => plain }),
    keys: { s: ['source'] },
  },
  {
    name: 'complete, the assembly in place',
    before: (n) => put(n, 'docs', 'k', 'old').then(() => uploadParts(n, 'k', [fives('a'), fives('b'), 'tail'])),
    act: complete('k'),
    keys: { k: ['old', `${fives('a')}${fives('b')}tail`] },
  },
  {
    name: 'complete, by copying',
    before: (n) => put(n, 'docs', 'k', 'old').then(() => uploadParts(n, 'k', [`${fives('a')}!`, 'tail'])),
    act: complete('k'),
    keys: { k: ['old', `${fives('a')}!tail`] },
  },
] // biome-ignore format: one scenario a block

const contentOf = async (namespace: Namespace, key: string): Promise<string | undefined> => {
  try {
    const content = await get(namespace, 'docs', key)
    const { eTag, foreign } = await namespace.objects.stat({ bucket: 'docs', key })
    expect(foreign, `${key} has its record`).toBe(false)
    if (!eTag.includes('-')) expect(eTag).toBe(createHash('md5').update(content).digest('hex'))
    return content
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'NoSuchKey') return undefined
    throw error
  }
}

const short = (content: string | undefined): string =>
  content === undefined ? 'no object' : `${content.length}:${content.slice(0, 9)}`

/** false: the verb ended before it could crash. */
async function crashAfter(scenario: Scenario, count: number, locksExpire: boolean): Promise<boolean> {
  const dying = dyingFiles()
  const fixture = await openFixture({ durability: 'strict', locksExpire })
  const survivor = fixture.namespace
  try {
    await survivor.buckets.create('docs')
    const prepared = await scenario.before(survivor)
    const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
    dying.arm({ crashAfter: count })
    const crashed = await scenario.act(victim, prepared).then(
      () => false,
      (error: unknown) => {
        if (!(error instanceof CrashError)) throw error
        return true
      },
    )
    await dying.bury()
    const where = `${scenario.name}, stopped after ${count}: ${dying.log().join('; ')}`
    await expectOldOrNew(survivor, scenario, where, crashed)
    if (crashed) await repeat(survivor, scenario, prepared, where)
    for (const key of Object.keys(scenario.keys)) await remove(survivor, key)
    await survivor.buckets.remove('docs')
    return crashed
  } finally {
    await fixture.close()
  }
}

async function expectOldOrNew(
  namespace: Namespace,
  scenario: Scenario,
  where: string,
  crashed: boolean,
): Promise<void> {
  const listed = await listAll(namespace, 'docs')
  for (const [key, allowed] of Object.entries(scenario.keys)) {
    const content = await contentOf(namespace, key)
    const right = crashed ? allowed : allowed.slice(-1)
    expect(right.map(short), `${key} after ${where}`).toContain(short(content))
    expect(right.includes(content), `${key} whole after ${where}`).toBe(true)
    expect(listed.includes(key), `${key} listed after ${where}`).toBe(content !== undefined)
  }
}

/** The client did not hear, and tries again. */
async function repeat(namespace: Namespace, scenario: Scenario, prepared: unknown, where: string): Promise<void> {
  await scenario.act(namespace, prepared)
  await expectOldOrNew(namespace, scenario, `${where}, and again`, false)
}

test.each(
  scenarios.flatMap((scenario) => [
    { name: scenario.name, scenario, locksExpire: false },
    { name: `${scenario.name}, fenced as on a server's mount,`, scenario, locksExpire: true },
  ]),
)(
  '$name leaves the old or the new object, wherever it is stopped',
  async ({ scenario, locksExpire }) => {
    let stops = 0
    while (await crashAfter(scenario, stops, locksExpire)) stops += 1
    // A scenario that makes fewer changes than these does not do what it says.
    expect(stops).toBeGreaterThan(2)
  },
  120_000,
)

test('a bucket is made or not made, wherever its making or removal is stopped, and can be made and removed again', async () => {
  for (const act of ['create', 'remove'] as const) {
    for (let count = 0, crashed = true; crashed; count += 1) {
      const dying = dyingFiles()
      const fixture = await openFixture({ durability: 'strict' })
      const survivor = fixture.namespace
      if (act === 'remove') await survivor.buckets.create('docs')
      const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
      dying.arm({ crashAfter: count })
      crashed = await victim.buckets[act]('docs').then(
        () => false,
        () => true,
      )
      await dying.bury()
      const there = (await survivor.buckets.find('docs')) !== undefined
      if (!there) await survivor.buckets.create('docs')
      await put(survivor, 'docs', 'k', 'x')
      await remove(survivor, 'k')
      await survivor.buckets.remove('docs')
      expect(await survivor.buckets.list()).toEqual([])
      // Not at once on NFS, which keeps the lock file until all workers have closed it.
      await vi.waitFor(async () => {
        await fixture.open.sweep()
        expect(await readdir(join(fixture.directory, '.causeway/trash'))).toEqual([])
      }, 5000)
      expect(await readdir(fixture.directory)).toEqual(['.causeway'])
      await fixture.close()
    }
  }
}, 120_000)

test.each(['ENOSPC', 'EDQUOT', 'EIO', 'ESTALE', 'EROFS'])(
  '%s in any call leaves the old object and a code of S3',
  async (code) => {
    const expected = {
      ENOSPC: 'StorageFull',
      EDQUOT: 'QuotaExceeded',
      EIO: 'InternalError',
      ESTALE: 'SlowDown',
      EROFS: 'ReadOnlyTree',
    }
    const dying = dyingFiles()
    const fixture = await openFixture({ durability: 'strict', openFiles: dying.openFiles })
    await fixture.namespace.buckets.create('docs')
    await put(fixture.namespace, 'docs', 'k', 'old')
    for (const call of ['create', 'write', 'flush', 'rename'] as const) {
      dying.arm({ faults: [{ call, code }] })
      const failed = await put(fixture.namespace, 'docs', 'k', 'new').then(
        () => undefined,
        (error: unknown) => (error instanceof NamespaceError ? error.code : error),
      )
      expect(failed, call).toBe(expected[code as keyof typeof expected])
      dying.arm({})
      expect(await get(fixture.namespace, 'docs', 'k')).toBe('old')
      expect(await listAll(fixture.namespace, 'docs')).toEqual(['k'])
    }
    await remove(fixture.namespace, 'k')
    await fixture.namespace.buckets.remove('docs')
    await fixture.close()
  },
)

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
    const crashed = await scenario.act(victim, prepared).then(
      () => false,
      (error: unknown) => {
        if (!(error instanceof CrashError)) throw error
        return true
      },
    )
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
  120_000,
)
