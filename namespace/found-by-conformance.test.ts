/** What only whole-product load has shown, each cut down to the verb that was wrong. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { type DyingFiles, dyingFiles } from './testing/dying-files.ts'
import { alice, bodyOf, type Fixture, get, listAll, openFixture, plain, put } from './testing/fixture.ts'
import { pausingFiles } from './testing/pausing-files.ts'

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

test.each(['Off', 'Enabled', 'Suspended'])(
  'DELETEs of all keys of a directory at once, versioning %s: each is done, though one of them takes the directory away',
  async (status) => {
    const strict = await openFixture({ durability: 'strict' })
    await strict.namespace.buckets.create('docs')
    if (status !== 'Off') await strict.namespace.documents.write('docs', 'versioning', { status })
    const workers = [strict.namespace, (await strict.another()).as(alice)]
    for (let round = 0; round < 20; round++) {
      const keys = Array.from({ length: 8 }, (_, index) => `d/${round}/${index}`)
      await Promise.all(keys.map((key) => put(strict.namespace, 'docs', key, 'x')))
      await Promise.all(keys.map((key, index) => workers[index % 2]?.objects.remove({ bucket: 'docs', key }, {})))
      expect(await listAll(strict.namespace, 'docs')).toEqual([])
    }
    await strict.close()
  },
)

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

test('a PUT answers what it has published, also when a file user writes into the file before it has answered', async () => {
  const files = pausingFiles()
  const worker = (await fixture.another({ openFiles: files.openFiles })).as(alice)
  const rewritten: string[] = []
  for (let calls = 0, isOver = false; !isOver; calls += 1) {
    const key = `k${calls}`
    const path = join(fixture.directory, 'docs', key)
    isOver = true
    files.pauseAfter(calls, async () => {
      isOver = false
      if (!existsSync(path)) return
      await writeFile(path, 'a file user was here')
      rewritten.push(key)
    })
    expect((await put(worker, 'docs', key, 'bytes')).stat.eTag).toBe(createHash('md5').update('bytes').digest('hex'))
    await files.forget()
  }
  expect(rewritten).not.toEqual([])
})

test('a sweep ends a removal that was cut off a day ago, and puts back what it had no business to take', async () => {
  const taken = (name: string, generation: string) =>
    join(fixture.directory, 'docs', '.s3-armed-0123456789abcdef', `${name}.${generation}.taken`)
  const aged = async (directory: string, name: string) => {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, name), name)
    const { ino, mtimeNs, size } = await stat(join(directory, name), { bigint: true })
    return `${ino}-${mtimeNs}-${size}`
  }
  const generation = await aged(taken('one', 'x'), 'judged')
  await rename(taken('one', 'x'), taken('one', generation))
  await aged(taken('two', '1-2-3'), 'other')
  const long = new Date(Date.now() - 25 * 3_600_000)
  for (const directory of [taken('one', generation), taken('two', '1-2-3')]) await utimes(directory, long, long)
  await fixture.open.sweep()
  expect(await listAll(fixture.namespace, 'docs')).toEqual(['other'])
  expect((await readdir(join(fixture.directory, 'docs'))).sort()).toEqual(['.s3', 'other'])
})
