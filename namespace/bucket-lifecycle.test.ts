import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dyingFiles } from './testing/dying-files.ts'
import { alice, bob, bodyOf, codeOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'
import { watchedFiles } from './testing/watched-files.ts'
import type { Namespace } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const inBucket = (...path: readonly string[]): string => fixture.inBucket(...path)
const inState = (...path: string[]): string => join(fixture.directory, '.causeway', ...path)
const recordOf = async (name: string) => JSON.parse(await readFile(inState('buckets', name, 'bucket.json'), 'utf8'))
/** A record that no file system's attribute takes (64 KiB): it has a side-car. */
const large = {
  ...plain,
  metadata: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`n${i}`, 'v'.repeat(999)])),
}

test('a bucket does not inherit the policy of one whose removal was cut off', async () => {
  await namespace.documents.write('docs', 'policy', { Statement: 'alice may do all' })
  await rm(inBucket(), { recursive: true })
  await rm(inState('buckets/docs/bucket.json'))
  const theirs = fixture.open.as(bob)
  await theirs.buckets.create('docs')
  expect(await theirs.documents.find('docs', 'policy')).toBeUndefined()
})

test('a bucket whose removal was cut off earlier does not come back with its policy either', async () => {
  await namespace.documents.write('docs', 'policy', { Statement: 'alice may do all' })
  const { inode: _inode, ...unfinished } = await recordOf('docs')
  await writeFile(inState('buckets/docs/bucket.json'), JSON.stringify(unfinished))
  await fixture.open.as(bob).buckets.create('docs')
  expect(await namespace.documents.find('docs', 'policy')).toBeUndefined()
  expect((await recordOf('docs')).id).not.toBe(unfinished.id)
})

test('a directory of file users is not adopted by repeating a creation that was cut off', async () => {
  const { inode: _inode, transitInode: _transitInode, ...unfinished } = await recordOf('docs')
  await mkdir(inState('buckets/home'))
  const record = { ...unfinished, name: 'home', directory: 'home' }
  await writeFile(inState('buckets/home/bucket.json'), JSON.stringify(record))
  await mkdir(join(fixture.directory, 'home'))
  await writeFile(join(fixture.directory, 'home/private'), 'theirs')
  expect(await codeOf(namespace.buckets.create('home'))).toBe('BucketAlreadyExists')
  expect(await namespace.buckets.find('home')).toBeUndefined()
})

test('a mapping that was cut off is finished by the next one', async () => {
  const directory = join(fixture.directory, 'alpha')
  await mkdir(directory)
  await namespace.buckets.map('alpha', directory, alice)
  const { inode: _inode, transitInode: _transitInode, ...unfinished } = await recordOf('alpha')
  await writeFile(inState('buckets/alpha/bucket.json'), JSON.stringify(unfinished))
  await namespace.buckets.map('alpha', directory, bob)
  expect((await namespace.buckets.read('alpha')).owner.displayName).toBe('bob')
})

test('a .s3 that lies in a directory before it is mapped is not trusted', async () => {
  const directory = join(fixture.directory, 'alpha')
  await mkdir(join(directory, '.s3/uploads'), { recursive: true })
  await chmod(join(directory, '.s3'), 0o777)
  await expect(namespace.buckets.map('alpha', directory, alice)).rejects.toThrow('.s3')
  expect(await namespace.buckets.find('alpha')).toBeUndefined()
  await rm(join(directory, '.s3'), { recursive: true })
  await namespace.buckets.map('alpha', directory, alice)
})

test('.s3 is never empty, so that nobody who may write the bucket can remove it and take its inode', async () => {
  expect(await readdir(inBucket('.s3'))).toEqual(['locks'])
})

test('roots that lie in each other do not make buckets overlap', async () => {
  const inner = join(fixture.directory, 'mount')
  await mkdir(join(inner, 'alpha'), { recursive: true })
  const both = await fixture.another({ roots: [inner] })
  await both.as(alice).buckets.map('inside', join(inner, 'alpha'), alice)
  await mkdir(join(fixture.directory, 'other'))
  // A gateway without that root sees the same directory through the namespace root.
  await expect(namespace.buckets.map('again', join(inner, 'alpha'), alice)).rejects.toThrow('overlaps')
  await namespace.buckets.map('other', join(fixture.directory, 'other'), alice)
})

test('two mappings of one directory at once make one bucket', async () => {
  await mkdir(join(fixture.directory, 'alpha/sub'), { recursive: true })
  const tries = await Promise.allSettled([
    namespace.buckets.map('one', join(fixture.directory, 'alpha'), alice),
    namespace.buckets.map('two', join(fixture.directory, 'alpha/sub'), alice),
  ])
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('an object that slips into a bucket on its way out is put back whole, with its record and the pending uploads', async () => {
  const watched = watchedFiles()
  const slow = (await fixture.another({ openFiles: watched.openFiles })).as(alice)
  const target = { bucket: 'docs', key: 'pending' }
  const upload = await namespace.uploads.begin(target, plain, undefined)
  // After the second look: a rename that had opened its directory before the bucket went lands in it all the same.
  watched.after('scan', /trash\/[^/]+$/, async () => {
    const [trash = ''] = await readdir(inState('trash'))
    await writeFile(inState('trash', trash, 'slipped'), 'in')
  })
  expect(await codeOf(slow.buckets.remove('docs'))).toBe('BucketNotEmpty')
  expect(await get(namespace, 'docs', 'slipped')).toBe('in')
  expect((await namespace.uploads.list('docs', '')).map(({ uploadId }) => uploadId)).toEqual([upload.uploadId])
  // Neither worker has locks of a directory that is no more.
  for (const each of [slow, namespace]) await each.objects.put({ bucket: 'docs', key: 'k' }, plain, bodyOf('1'), {})
})

test('a worker that gives a bucket back, whose first act it was, can write to it', async () => {
  const watched = watchedFiles()
  const slow = (await fixture.another({ openFiles: watched.openFiles })).as(alice)
  watched.before('rename', /docs\/bucket\.json$/, () => put(namespace, 'docs', 'k', 'slipped in', large))
  expect(await codeOf(slow.buckets.remove('docs'))).toBe('BucketNotEmpty')
  await put(slow, 'docs', 'other', '1')
  expect((await slow.objects.stat({ bucket: 'docs', key: 'k' })).foreign).toBe(false)
  expect(await listAll(slow, 'docs')).toEqual(['k', 'other'])
})

test('an object that slips in just before the removal is cut off comes back with the next sweep', async () => {
  const dying = dyingFiles()
  const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
  dying.arm({ crashAfter: 5 })
  await victim.buckets.remove('docs').catch(() => undefined)
  await dying.bury()
  const [trash = ''] = await readdir(inState('trash'))
  expect(trash, dying.log().join('; ')).not.toBe('')
  await writeFile(inState('trash', trash, 'slipped'), 'in')
  await fixture.open.sweep()
  expect(await get(namespace, 'docs', 'slipped')).toBe('in')
  expect(await readdir(inState('trash'))).toEqual([])
})

test('what a document that was being written has left is cleared by sweep, a day later, also of a bucket that was never finished', async () => {
  await mkdir(inState('buckets/unfinished'))
  const left = ['docs', 'unfinished'].map((name) => inState('buckets', name, 'policy.json.0123456789abcdef.tmp'))
  for (const path of left) await writeFile(path, 'half')
  await fixture.open.sweep()
  for (const path of left) expect(existsSync(path)).toBe(true)
  const long = new Date(Date.now() - 25 * 3_600_000)
  for (const path of left) await utimes(path, long, long)
  expect((await fixture.open.sweep()).temporaries).toBe(2)
  for (const path of left) expect(existsSync(path)).toBe(false)
})

test('what a removal that was cut off has left is cleared by sweep, and check has nothing to say', async () => {
  const dying = dyingFiles()
  const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
  dying.arm({ crashAfter: 5 })
  await victim.buckets.remove('docs').catch(() => undefined)
  await dying.bury()
  await fixture.open.sweep()
  expect(await readdir(inState('trash'))).toEqual([])
  for await (const finding of fixture.open.check({ repair: false })) expect(finding).toBeUndefined()
  expect(existsSync(inState('buckets/docs'))).toBe(false)
})

test('a document that cannot be read is an error, never taken for none', async () => {
  await namespace.documents.write('docs', 'policy', { a: 1 })
  await writeFile(inState('buckets/docs/policy.json'), '{"a":')
  expect(await codeOf(namespace.documents.find('docs', 'policy'))).toBe('InternalError')
  await rm(inState('buckets/docs/policy.json'))
  await mkdir(inState('buckets/docs/policy.json'))
  expect(await codeOf(namespace.documents.find('docs', 'policy'))).toBe('InternalError')
})

test('documents read in one go are those of that moment, and only the one that cannot be read throws', async () => {
  const worker = await fixture.another()
  for (const text of ['alice', 'bobby', 'carol']) {
    await namespace.documents.write('docs', 'policy', { text })
    const read = await worker.as(alice, { forOneRequest: true }).documents.read('docs')
    expect(read('policy')).toEqual({ text })
    expect(read('cors')).toBeUndefined()
  }
  await writeFile(inState('buckets/docs/cors.json'), '{')
  const read = await worker.as(alice, { forOneRequest: true }).documents.read('docs')
  expect(read('policy')).toEqual({ text: 'carol' })
  expect(() => read('cors')).toThrow("The document 'cors' of bucket docs is damaged")
  expect(() => read('../docs/policy')).toThrow('is no name of a document')
  expect(await codeOf(namespace.documents.read('none'))).toBe('NoSuchBucket')
})

test("a bucket's record that somebody has rewritten at the same size is seen by the next request", async () => {
  const path = inState('buckets/docs/bucket.json')
  for (const id of ['a', 'b', 'c'].map((letter) => letter.repeat(32))) {
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"id": "[^"]*"/, `"id": "${id}"`))
    expect((await fixture.open.as(alice, { forOneRequest: true }).buckets.find('docs'))?.id).toBe(id)
  }
})

test('a document written while its bucket is removed is NoSuchBucket, and does not reach the next bucket of that name', async () => {
  const watched = watchedFiles()
  const slow = (await fixture.another({ openFiles: watched.openFiles })).as(alice)
  let removal: Promise<unknown> = Promise.resolve()
  watched.before('create', /policy\.json/, async () => {
    removal = namespace.buckets.remove('docs')
    await new Promise((resolve) => setTimeout(resolve, 100))
  })
  const written = await codeOf(slow.documents.write('docs', 'policy', { a: 1 }))
  await removal
  expect([undefined, 'NoSuchBucket']).toContain(written)
  await fixture.open.as(bob).buckets.create('docs')
  expect(await namespace.documents.find('docs', 'policy')).toBeUndefined()
})

test('not even check --repair takes a .s3 that others can write to', async () => {
  await rename(inBucket('.s3'), inBucket('moved-away'))
  await mkdir(inBucket('.s3'))
  await chmod(inBucket('.s3'), 0o777)
  const found: [string, boolean][] = []
  for await (const { kind, repaired } of fixture.open.check({ repair: true })) found.push([kind, repaired])
  expect(found).toContainEqual(['bucket-directory-replaced', false])
  expect(await codeOf(namespace.uploads.begin({ bucket: 'docs', key: 'x' }, plain, undefined))).toBe('SlowDown')
})

test('a bucket goes although NFS keeps files of it that are still open, and sweep takes them later', async () => {
  const dying = dyingFiles()
  const busy = await fixture.another({ openFiles: dying.openFiles })
  const { uploadId } = await namespace.uploads.begin({ bucket: 'docs', key: 'pending' }, plain, undefined)
  for (const place of ['.s3/.nfs0000000000000098', `.s3/uploads/${uploadId}/.nfs0000000000000099`])
    await writeFile(inBucket(place), '')
  dying.arm({ faults: [{ call: 'unlink', path: /\.nfs/, code: 'EBUSY' }] })
  await busy.as(alice).buckets.remove('docs')
  expect(await namespace.buckets.list()).toEqual([])
  expect(await readdir(inState('trash'))).toHaveLength(1)
  await busy.sweep()
  expect(await readdir(inState('trash'))).toHaveLength(1)
  dying.arm({})
  await busy.sweep()
  expect(await readdir(inState('trash'))).toEqual([])
})
