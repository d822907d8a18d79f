import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { alice, bodyOf, type Fixture, makeDirectory, openFixture, plain, put } from './testing/fixture.ts'
import { type WatchedFiles, watchedFiles } from './testing/watched-files.ts'
import type { Namespace } from './verbs.ts'

/**
 * Under `strict`, what a verb has acknowledged survives the loss of power: by then every file and every entry of a directory that the
 * answer depends on has been flushed, by the letter of POSIX and not only by what one file system's journal does.
 */
let watched: WatchedFiles
let fixture: Fixture
let namespace: Namespace

beforeEach(async () => {
  watched = watchedFiles()
  fixture = await openFixture({ durability: 'strict', openFiles: watched.openFiles })
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const mebibyte = 2 ** 20
/** A record that no file system's attribute takes (64 KiB): it has a side-car. */
const large = {
  ...plain,
  metadata: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`n${i}`, 'v'.repeat(999)])),
}
const long = 'x'.repeat(254)
const remove = (key: string) => namespace.objects.remove({ bucket: 'docs', key }, {})
const lasting = (after: string): void => expect(watched.unflushed(), after).toEqual([])

test('a bucket made, its documents and its removal', async () => {
  await namespace.buckets.create('docs')
  lasting('create')
  await namespace.documents.write('docs', 'policy', {})
  lasting('document')
  await namespace.documents.remove('docs', 'policy')
  lasting('document removed')
  await namespace.buckets.remove('docs')
  // What is removed from the trash was given up before.
  expect(watched.unflushed().filter((line) => !line.includes('trash/'))).toEqual([])
})

test('a bucket mapped on a root of its own, and unmapped', async () => {
  const root = await makeDirectory()
  await mkdir(join(root, 'alpha'))
  // Nothing else has made the namespace root lasting.
  const fresh = await makeDirectory()
  const other = await fixture.another({ root: fresh, roots: [root] })
  await other.as(alice).buckets.map('alpha', join(root, 'alpha'), alice)
  lasting('mapped')
  await other.as(alice).buckets.unmap('alpha')
  lasting('unmapped')
})

test('an object, its directories, and what steps aside for them', async () => {
  await namespace.buckets.create('docs')
  await put(namespace, 'docs', 'a', '1')
  lasting('put')
  await put(namespace, 'docs', 'a/b/c', '2')
  lasting('put below an object')
  await put(namespace, 'docs', long, '3')
  await put(namespace, 'docs', `${long}/below`, '4')
  lasting('a long name that stepped aside into a chain')
  await put(namespace, 'docs', `${long}`, '5')
  lasting('put over what stepped aside')
  await put(namespace, 'docs', 'dir/', '')
  lasting('directory object')
  await remove('a/b/c')
  // The directories are pruned and the alias is gone: what comes back after a loss of power is an empty directory or a second name.
  expect(watched.unflushed().filter((line) => !/^-docs\/(a\/b|\.%=a)$/.test(line))).toEqual([])
})

test('a record on a directory of a server, which fsync asks for nothing: a name is made there, and the server flushes both', async () => {
  const served = (await fixture.another({ locksExpire: true })).as(alice)
  await served.buckets.create('docs')
  await put(served, 'docs', 'dir/below', '1')
  const flushes: string[] = []
  const expectFlush = (after: string): void => {
    watched.after('writeAttribute', /docs\/dir$/, async () => {
      watched.after('create', /docs\/dir\/\.s3-/, async () => flushes.push(after))
    })
  }
  expectFlush('put')
  await put(served, 'docs', 'dir/', '')
  expectFlush('remove')
  await served.objects.remove({ bucket: 'docs', key: 'dir/' }, {})
  expect(flushes).toEqual(['put', 'remove'])
})

test('a record in a side-car, in the directory of side-cars', async () => {
  await namespace.buckets.create('docs')
  await put(namespace, 'docs', 'k', '1', large)
  lasting('put')
})

test('an upload, its parts in their slots and beside them, its end either way', async () => {
  await namespace.buckets.create('docs')
  const target = { bucket: 'docs', key: 'd/k' }
  const { uploadId } = await namespace.uploads.begin(target, plain, undefined)
  lasting('begin')
  const upload = { ...target, uploadId }
  const parts = []
  for (const [index, size] of [5 * mebibyte, 5 * mebibyte, 7].entries()) {
    parts.push(await namespace.uploads.putPart(upload, index + 1, bodyOf(Buffer.alloc(size, 'p'), mebibyte)))
    lasting(`part ${index + 1}`)
  }
  const wanted = parts.map(({ partNumber, eTag }) => ({ partNumber, eTag, checksums: {} }))
  await namespace.uploads.complete(upload, wanted, {})
  const cleared = /^-docs\/\.s3\/uploads\/[^/]+\/(data|done|part|slots)/
  expect(watched.unflushed().filter((line) => !cleared.test(line))).toEqual([])
  const second = await namespace.uploads.begin(target, plain, undefined)
  await namespace.uploads.abort({ ...target, uploadId: second.uploadId })
  expect(
    watched.unflushed().filter((line) => !cleared.test(line)),
    'abort',
  ).toEqual([])
})
