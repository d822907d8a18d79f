import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commonPrefix } from './common-prefix.ts'
import { NamespaceError } from './errors.ts'
import { alice, bodyOf, type Fixture, openFixture, plain } from './testing/fixture.ts'
import { createVersionsModel, type VersionsModel } from './testing/versions-model.ts'
import type { Namespace, VersionQuery } from './verbs.ts'

/** Few, so that they clash, nest and come back: 'a' sorts before 'a!', and that before 'a/b', whose versions lie in the directory of 'a'. */
const key = fc.constantFrom('a', 'a!', 'a/b', 'a/', 'a/b/c', 'a0', 'a//', '/x', '.%=a', `a/${'ä'.repeat(200)}`, 'b')
const content = fc.constantFrom('', 'one', 'two')

type World = { readonly namespace: Namespace; readonly bucket: string; readonly model: VersionsModel }
type Step = (world: World) => Promise<void>

async function read({ namespace, bucket }: World, name: string, versionId?: string): Promise<string> {
  try {
    const object = await namespace.objects.open({ bucket, key: name, versionId })
    const pieces: Buffer[] = []
    for await (const piece of object.read(0, object.stat.sizeBytes)) pieces.push(Buffer.from(piece))
    await object.close()
    return Buffer.concat(pieces).toString()
  } catch (error) {
    if (error instanceof NamespaceError) return error.code
    throw error
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(key, content).map(
    ([name, text]): Step =>
      async ({ namespace, bucket, model }) => {
        const { stat } = await namespace.objects.put({ bucket, key: name }, plain, bodyOf(text), {})
        model.put(name, text, stat.versionId)
      },
  ) },
  { weight: 2, arbitrary: key.map(
    (name): Step =>
      async ({ namespace, bucket, model }) => {
        const { versionId } = await namespace.objects.remove({ bucket, key: name }, {})
        model.remove(name, versionId)
      },
  ) },
  { weight: 3, arbitrary: fc.tuple(key, fc.nat(3)).map(
    ([name, index]): Step =>
      async ({ namespace, bucket, model }) => {
        const version = model.of(name)[index]
        if (version === undefined) return
        const removed = await namespace.objects.remove({ bucket, key: name, versionId: version.id }, {})
        expect(removed).toEqual({ changed: true, versionId: version.id, deleteMarker: version.content === undefined })
        model.removeVersion(name, version.id)
      },
  ) },
  fc.tuple(key, key, fc.nat(3)).map(
    ([from, to, index]): Step =>
      async ({ namespace, bucket, model }) => {
        const version = model.of(from)[index]
        if (version?.content === undefined) return
        const source = { bucket, key: from, versionId: version.id }
        const { stat } = await namespace.objects.copy(source, { bucket, key: to }, { describe: () => plain })
        model.put(to, version.content, stat.versionId)
      },
  ),
  fc.constantFrom('Enabled' as const, 'Enabled' as const, 'Suspended' as const).map(
    (status): Step =>
      async ({ namespace, bucket, model }) => {
        await namespace.documents.write(bucket, 'versioning', { status })
        model.status = status
      },
  ),
  fc.tuple(key, fc.nat(3)).map(
    ([name, index]): Step =>
      async (world) => {
        const versions = world.model.of(name)
        expect(await read(world, name)).toBe(versions[0]?.content ?? 'NoSuchKey')
        const version = versions[index]
        if (version !== undefined) expect(await read(world, name, version.id)).toBe(version.content ?? 'MethodNotAllowed')
      },
  ),
) // biome-ignore format: one step a block

type Shown =
  | { readonly prefix: string }
  | { readonly key: string; readonly id: string; readonly isLatest: boolean; readonly sizeBytes: number | undefined }

function expected(model: VersionsModel, { prefix, delimiter }: Pick<VersionQuery, 'prefix' | 'delimiter'>): Shown[] {
  const shown: Shown[] = []
  for (const name of model.keys()) {
    if (!name.startsWith(prefix)) continue
    const group = commonPrefix(name, prefix, delimiter)
    if (group === undefined)
      for (const [index, { id, content: text }] of model.of(name).entries())
        shown.push({ key: name, id, isLatest: index === 0, sizeBytes: text?.length })
    else if (!shown.some((entry) => 'prefix' in entry && entry.prefix === group)) shown.push({ prefix: group })
  }
  return shown
}

async function listed(
  { namespace, bucket }: World,
  query: Pick<VersionQuery, 'prefix' | 'delimiter' | 'max'>,
): Promise<Shown[]> {
  const shown: Shown[] = []
  let markers: Pick<VersionQuery, 'keyMarker' | 'versionIdMarker'> = { keyMarker: '', versionIdMarker: undefined }
  for (;;) {
    const page = await namespace.objects.listVersions({ bucket, ...query, ...markers })
    expect(page.entries.length).toBeLessThanOrEqual(query.max)
    for (const entry of page.entries)
      shown.push(
        'prefix' in entry
          ? entry
          : { key: entry.key, id: entry.versionId, isLatest: entry.isLatest, sizeBytes: entry.object?.sizeBytes },
      )
    expect(page.truncated).toBe(page.next !== undefined)
    if (page.next === undefined) return shown
    markers = page.next
  }
}

async function runHistory(
  fixture: Fixture,
  other: Namespace,
  bucket: string,
  steps: readonly Step[],
  max: number,
): Promise<void> {
  const model = createVersionsModel()
  const workers = [fixture.namespace, other]
  await fixture.namespace.buckets.create(bucket)
  for (const [index, each] of steps.entries()) await each({ namespace: workers[index % 2] ?? other, bucket, model })
  const world = { namespace: fixture.namespace, bucket, model }
  for (const prefix of ['', 'a', 'a/', 'a/b'])
    for (const delimiter of ['', '/', 'b'])
      expect(await listed(world, { prefix, delimiter, max }), `${prefix} ${delimiter}`).toEqual(
        expected(model, { prefix, delimiter }),
      )
  for (const name of model.keys())
    for (const { id, content: text } of model.of(name))
      expect(await read(world, name, id)).toBe(text ?? 'MethodNotAllowed')
  // And when all is deleted, nothing keeps the bucket.
  for (const name of model.keys())
    for (const { id } of model.of(name)) await other.objects.remove({ bucket, key: name, versionId: id }, {})
  expect(await listed(world, { prefix: '', delimiter: '', max: 1000 })).toEqual([])
  await fixture.namespace.buckets.remove(bucket)
}

/** With a seed and a number of one's own: VERSIONS_SEED=… VERSIONS_RUNS=2000 npx vitest run namespace/versions-model.test.ts */
test('any history of puts, deletes, copies and removed versions over two workers comes to what a model says', async () => {
  const seed = Number(process.env.VERSIONS_SEED ?? Date.now() % 2 ** 31)
  const fixture = await openFixture()
  const other = (await fixture.another()).as(alice)
  let count = 0
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        async (steps, max) => {
          count += 1
          await runHistory(fixture, other, `docs-${count}`, steps, max)
        },
      ),
      { numRuns: Number(process.env.VERSIONS_RUNS ?? 60), seed },
    )
  } finally {
    await fixture.close()
  }
}, 600_000)
