import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, type Fixture, get, listAll, openFixture, plain, put } from './testing/fixture.ts'
import { createModel, type Model } from './testing/model.ts'
import type { Namespace } from './verbs.ts'

/** Few names, so that keys clash, nest and come back. */
const segment = fc.constantFrom('a', 'b', '', '.', '..', '.s3', '.%=a', 'x'.repeat(254), 'ä\n')
const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/') || 'a')
const content = fc.constantFrom('', 'one', 'two')

type Step = (namespace: Namespace, model: Model) => Promise<void>

const getStep = async (namespace: Namespace, name: string): Promise<string | undefined> => {
  try {
    return await get(namespace, 'docs', name)
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'NoSuchKey') return undefined
    throw error
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(key, content).map(
    ([name, text]): Step =>
      async (namespace, model) => {
        await put(namespace, 'docs', name, text)
        model.put(name, text)
      },
  ),
  key.map(
    (name): Step =>
      async (namespace, model) => {
        await namespace.objects.remove({ bucket: 'docs', key: name }, {})
        model.remove(name)
      },
  ),
  fc.tuple(key, key).map(
    ([from, to]): Step =>
      async (namespace, model) => {
        const text = model.get(from)
        if (text === undefined) return
        await namespace.objects.copy(
          { bucket: 'docs', key: from },
          { bucket: 'docs', key: to },
          { describe: () => plain },
        )
        model.put(to, text)
      },
  ),
  key.map(
    (name): Step =>
      async (namespace, model) => {
        expect(await getStep(namespace, name)).toBe(model.get(name))
      },
  ),
)

async function runHistory(fixture: Fixture, steps: readonly Step[]): Promise<void> {
  const model = createModel()
  const workers = [fixture.namespace, (await fixture.another()).as(alice)]
  await fixture.namespace.buckets.create('docs')
  for (const [index, each] of steps.entries()) await each(workers[index % 2] ?? fixture.namespace, model)
  expect(await listAll(fixture.namespace, 'docs', { max: 3 })).toEqual(model.keys())
  for (const name of model.keys()) expect(await getStep(fixture.namespace, name)).toBe(model.get(name))
  // And when all is deleted, nothing is left: no alias, no directory, no temporary.
  for (const name of model.keys()) await fixture.namespace.objects.remove({ bucket: 'docs', key: name }, {})
  expect((await readdir(join(fixture.directory, 'docs'))).filter((name) => name !== '.s3')).toEqual([])
}

test('any history of puts, deletes, copies and gets over two workers comes to what a Map says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const fixture = await openFixture()
      try {
        await runHistory(fixture, steps)
      } finally {
        await fixture.close()
      }
    }),
    { numRuns: 100 },
  )
}, 120_000)
