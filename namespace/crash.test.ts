import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { NamespaceError } from './errors.ts'
import {
  complete,
  contentOf,
  crashes,
  crashTimeoutMs,
  large,
  mebibyte,
  nothing,
  remove,
  uploadParts,
} from './testing/crash.ts'
import { dyingFiles } from './testing/dying-files.ts'
import { alice, bodyOf, get, listAll, openFixture, plain, put } from './testing/fixture.ts'
import type { Amendable, Namespace } from './verbs.ts'

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
  /** Key → tags it may have, likewise. */
  readonly tags?: Readonly<Record<string, readonly Amendable['tags'][]>>
}

const fives = (letter: string): string => letter.repeat(5 * mebibyte)

const small = [{ key: 'k', value: 'v' }]
const manyTags = Array.from({ length: 99 }, (_, i) => ({ key: `k${i}`, value: 'v'.repeat(999) }))

const tag = (namespace: Namespace, key: string, tags: Amendable['tags']) =>
  namespace.objects.amend({ bucket: 'docs', key }, () => ({ tags }))

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
    name: 'amendment',
    before: (n) => put(n, 'docs', 'k', 'old'),
    act: (n) => tag(n, 'k', small),
    keys: { k: ['old'] },
    tags: { k: [undefined, small] },
  },
  {
    name: 'amendment that needs a side-car',
    before: (n) => put(n, 'docs', 'k', 'old', { ...plain, tags: small }),
    act: (n) => tag(n, 'k', manyTags),
    keys: { k: ['old'] },
    tags: { k: [small, manyTags] },
  },
  {
    name: 'amendment that needs no side-car any more',
    before: (n) => put(n, 'docs', 'k', 'old').then(() => tag(n, 'k', manyTags)),
    act: (n) => tag(n, 'k', small),
    keys: { k: ['old'] },
    tags: { k: [manyTags, small] },
  },
  {
    name: 'amendment of a directory',
    before: (n) => put(n, 'docs', 'd/', ''),
    act: (n) => tag(n, 'd/', small),
    keys: { 'd/': [''] },
    tags: { 'd/': [undefined, small] },
  },
  {
    name: 'amendment of a directory that becomes a file',
    before: (n) => put(n, 'docs', 'd/', '', { ...plain, tags: small }),
    act: (n) => tag(n, 'd/', manyTags),
    keys: { 'd/': [''] },
    tags: { 'd/': [small, manyTags] },
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
    const crashed = await crashes(scenario.act(victim, prepared))
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
    const allowedTags = scenario.tags?.[key]
    if (allowedTags === undefined) continue
    const { tags } = await namespace.objects.stat({ bucket: 'docs', key })
    expect(crashed ? allowedTags : allowedTags.slice(-1), `tags of ${key} after ${where}`).toContainEqual(tags)
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
    expect(stops).toBeGreaterThan(scenario.tags === undefined ? 2 : 0)
  },
  crashTimeoutMs,
)

test(
  'a bucket is made or not made, wherever its making or removal is stopped, and can be made and removed again',
  async () => {
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
  },
  crashTimeoutMs,
)

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
