/** What only whole-product load has shown, each cut down to the verb that was wrong. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { type DyingFiles, dyingFiles } from './testing/dying-files.ts'
import { alice, bodyOf, type Fixture, get, listAll, openFixture, plain, put } from './testing/fixture.ts'

let dying: DyingFiles
let fixture: Fixture

beforeEach(async () => {
  dying = dyingFiles()
  fixture = await openFixture({ openFiles: dying.openFiles })
  await fixture.namespace.buckets.create('docs')
})

afterEach(async () => {
  await fixture.close()
})

test('a directory that is in the way of a key, and goes before it can be looked at, is no error', async () => {
  dying.arm({ faults: [{ call: 'rename', nth: 1, code: 'EISDIR' }] })
  await put(fixture.namespace, 'docs', 'c', 'bytes')
  dying.arm({})
  expect(await get(fixture.namespace, 'docs', 'c')).toBe('bytes')
})

test.each(['..', '.', 'docs/../docs', '.causeway', ''])(
  'a name that no bucket can have is no bucket: %j',
  async (name) => {
    expect(await fixture.namespace.buckets.find(name)).toBeUndefined()
    const failed = await fixture.namespace.objects.stat({ bucket: name, key: 'k' }).catch((error: unknown) => error)
    expect(failed instanceof NamespaceError && failed.code).toBe('NoSuchBucket')
  },
)

test('an object that is closed while a piece of it is read: the read ends first, and no other file is read in its place', async () => {
  const content = Buffer.alloc(3 * 1024 * 1024, 'x')
  await put(fixture.namespace, 'docs', 'large', content)
  dying.arm({ delay: { seed: 1, maxMs: 20 } })
  for (let round = 0; round < 10; round++) {
    const object = await fixture.namespace.objects.open({ bucket: 'docs', key: 'large' })
    const source = object.read(0, content.length)
    const errors: unknown[] = []
    source.on('error', (error) => errors.push(error)).on('data', () => {})
    await new Promise((resolve) => setTimeout(resolve, round * 4))
    await object.close()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(errors).toEqual([])
  }
})

test('DELETEs of all keys of a directory at once: each is done, though one of them takes the directory away', async () => {
  const strict = await openFixture({ durability: 'strict' })
  await strict.namespace.buckets.create('docs')
  const workers = [strict.namespace, (await strict.another()).as(alice)]
  for (let round = 0; round < 20; round++) {
    const keys = Array.from({ length: 8 }, (_, index) => `d/${round}/${index}`)
    await Promise.all(keys.map((key) => put(strict.namespace, 'docs', key, 'x')))
    await Promise.all(keys.map((key, index) => workers[index % 2]?.objects.remove({ bucket: 'docs', key }, {})))
    expect(await listAll(strict.namespace, 'docs')).toEqual([])
  }
  await strict.close()
})

test('a copy of an empty object keeps the checksum of its source', async () => {
  const body = { ...bodyOf(''), digests: ['CRC32' as const] }
  const verify: typeof body.verify = ({ digests }) => ({
    algorithm: 'CRC32',
    type: 'FULL_OBJECT',
    value: digests.CRC32?.toString('base64') ?? '',
  })
  await fixture.namespace.objects.put({ bucket: 'docs', key: 'empty' }, plain, { ...body, verify }, {})
  const copied = await fixture.namespace.objects.copy(
    { bucket: 'docs', key: 'empty' },
    { bucket: 'docs', key: 'copy' },
    { describe: () => plain },
  )
  expect(copied.stat.checksum).toEqual({ algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' })
})
