import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dyingFiles } from './testing/dying-files.ts'
import { alice, bodyOf, codeOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'
import { type WatchedFiles, watchedFiles } from './testing/watched-files.ts'
import type { Namespace, Removed } from './verbs.ts'

/** Two workers on one tree: `slow` is interrupted between two of its calls, and there `other` does something whole. */
let fixture: DocsFixture
let other: Namespace
let watched: WatchedFiles
let slow: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  other = fixture.namespace
  watched = watchedFiles()
  slow = (await fixture.another({ openFiles: watched.openFiles, lockTimeoutMs: 1000 })).as(alice)
})

afterEach(() => fixture.close())

const inBucket = (...path: readonly string[]): string => fixture.inBucket(...path)
const remove = (namespace: Namespace, key: string): Promise<Removed> =>
  namespace.objects.remove({ bucket: 'docs', key }, {})

test('an object on its way back survives a directory that comes and goes in its place', async () => {
  await put(other, 'docs', 'a', 'object')
  await put(other, 'docs', 'a/b', '1')
  // The directory is made anew before the link (EEXIST) and is gone when it is looked at.
  watched.before('link', /\.%=a$/, () => mkdir(inBucket('a')))
  watched.before('statPath', /docs\/a$/, () => rm(inBucket('a'), { recursive: true }))
  await remove(slow, 'a/b')
  expect(await get(other, 'docs', 'a')).toBe('object')
})

test('an object that stepped aside survives a link that a file user puts in its place', async () => {
  await put(other, 'docs', 'a', 'object')
  await put(other, 'docs', 'a/b', '1')
  watched.before('link', /\.%=a$/, () => symlink('nowhere', inBucket('a')))
  await remove(slow, 'a/b')
  expect(await get(other, 'docs', 'a')).toBe('object')
})

test('a directory object written while its directory is being made is not marked away', async () => {
  watched.after('makeDirectory', /docs\/dir$/, () => put(other, 'docs', 'dir/', ''))
  await put(slow, 'docs', 'dir/x', '1')
  expect(await listAll(other, 'docs')).toEqual(['dir/', 'dir/x'])
  await remove(other, 'dir/')
  await remove(other, 'dir/x')
  expect(existsSync(inBucket('dir')), 'the gateway made it and takes it away').toBe(false)
})

test('a PUT in whose way an object was finds a directory there that somebody has made meanwhile', async () => {
  await put(other, 'docs', 'a', 'object')
  watched.before('find', /docs\/a$/, () => rm(inBucket('a')))
  watched.after('find', /docs\/a$/, () => mkdir(inBucket('a')))
  await put(slow, 'docs', 'a/b', '1')
  expect(await listAll(other, 'docs')).toEqual(['a/b'])
})

test('a PUT whose directories are pruned while it makes them makes them again', async () => {
  await put(other, 'docs', 'a/old', '1')
  watched.after('makeDirectory', /docs\/a$/, () => remove(other, 'a/old'))
  await put(slow, 'docs', 'a/b/new', '2')
  expect(await listAll(other, 'docs')).toEqual(['a/b/new'])
})

test('a PUT whose directory becomes an object again while it makes what is below steps it aside again', async () => {
  await put(other, 'docs', 'a', 'object')
  await put(other, 'docs', 'a/old', '1')
  watched.after('makeDirectory', /docs\/a$/, () => remove(other, 'a/old'))
  await put(slow, 'docs', 'a/b/new', '2')
  expect(await listAll(other, 'docs')).toEqual(['a', 'a/b/new'])
  expect(await get(other, 'docs', 'a')).toBe('object')
})

test('a PUT without bytes replaces a directory object whose bytes stepped aside', async () => {
  await put(other, 'docs', 'a/', 'bytes')
  await put(other, 'docs', 'a//b', 'child')
  await put(other, 'docs', 'a/', '')
  expect(await get(other, 'docs', 'a/')).toBe('')
  await put(other, 'docs', 'a/', 'more')
  expect(await get(other, 'docs', 'a/')).toBe('more')
  expect(await listAll(other, 'docs')).toEqual(['a/', 'a//b'])
  await remove(other, 'a/')
  expect(await listAll(other, 'docs')).toEqual(['a//b'])
})

test('bytes of a directory object that have to step aside replace its record on the directory', async () => {
  await put(other, 'docs', 'a/', '')
  await put(other, 'docs', 'a//b', 'child')
  await put(other, 'docs', 'a/', 'more')
  // Were the record left, a DELETE that is cut off after the alias would show it again.
  watched.after('unlink', /\.%=$/, () => Promise.reject(new Error('crash')))
  await remove(slow, 'a/').catch(() => undefined)
  expect(await listAll(other, 'docs')).toEqual(['a//b'])
})

test('a DELETE that has removed its object succeeds though its directory cannot be pruned', async () => {
  await put(other, 'docs', 'd/k', '1')
  const dying = dyingFiles()
  const third = (await fixture.another({ openFiles: dying.openFiles })).as(alice)
  dying.arm({ faults: [{ call: 'removeDirectory', code: 'EACCES' }] })
  expect(await remove(third, 'd/k')).toMatchObject({ changed: true })
  dying.arm({})
  expect(fixture.problems).toContainEqual(expect.objectContaining({ kind: 'directory-not-pruned' }))
})

test('a PUT that fails takes the directories that it made away', async () => {
  const body = { ...bodyOf('short'), sizeBytes: 9 }
  expect(await codeOf(other.objects.put({ bucket: 'docs', key: 'x/y/z' }, plain, body, {}))).toBe('IncompleteBody')
  expect(await readdir(inBucket())).not.toContain('x')
})

test('a DELETE in a bucket that goes meanwhile is NoSuchBucket', async () => {
  watched.before('create', /\.s3\/locks$/, () => other.buckets.remove('docs'))
  expect(await codeOf(remove(slow, 'k'))).toBe('NoSuchBucket')
})

test('locks are never taken in a .s3 that somebody else put there', async () => {
  await rename(inBucket('.s3'), inBucket('moved-away'))
  await mkdir(inBucket('.s3'))
  expect(await codeOf(put(slow, 'docs', 'k', '1'))).toBe('SlowDown')
  await rm(inBucket('.s3'), { recursive: true })
  expect(await codeOf(remove(slow, 'k'))).toBe('SlowDown')
})

test('the lock files of buckets that are gone are closed', async () => {
  for (let count = 0; count < 5; count += 1) {
    await slow.buckets.create(`gone-${count}`)
    await put(slow, `gone-${count}`, 'k', '1')
    await slow.objects.remove({ bucket: `gone-${count}`, key: 'k' }, {})
    await slow.buckets.remove(`gone-${count}`)
  }
  await expect.poll(() => watched.open(), { timeout: 5000 }).toEqual([])
  await put(slow, 'docs', 'k', '1')
})

test('an Abort removes what a part leaves in the directory of its upload meanwhile', async () => {
  const target = { bucket: 'docs', key: 'k' }
  const { uploadId } = await other.uploads.begin(target, plain, undefined)
  watched.after('scan', new RegExp(`uploads/${uploadId}$`), () =>
    writeFile(inBucket('.s3/uploads', uploadId, 'data.1.late'), 'late'),
  )
  await slow.uploads.abort({ ...target, uploadId })
  expect(await readdir(inBucket('.s3/uploads'))).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)(
  'one file that cannot be read is left out of a listing and does not fail it',
  async () => {
    for (const key of ['a', 'secret', 'z']) await put(other, 'docs', key, key)
    await chmod(fixture.directory, 0o755)
    await chmod(inBucket(), 0o755)
    await chmod(inBucket('secret'), 0o600)
    const nobody = fixture.open.as({ ...alice, posix: { uid: 65_534, gid: 65_534, groups: [] } })
    expect(await listAll(nobody, 'docs')).toEqual(['a', 'z'])
  },
)

test('one writer a key, of keys that clash, through three workers: what was acknowledged is what anybody reads', async () => {
  const workers = [other, slow, (await fixture.another()).as(alice)]
  const any = (): Namespace => workers[Math.floor(Math.random() * workers.length)] ?? other
  const long = 'x'.repeat(254)
  const keys = [
    'a',
    'a/',
    'a/b',
    'a/b/',
    'a/b/c',
    'a//',
    'a//b',
    'a/b/c/d',
    long,
    `${long}/y`,
    `a/${long}`,
    `a/${long}/q`,
  ]
  const live = async (key: string): Promise<void> => {
    for (let round = 0; round < 60; round += 1) {
      const what = `${key.slice(0, 9)} (${key.length}), round ${round}`
      if (Math.random() < 0.55) {
        const content = Math.random() < 0.3 ? '' : `${round}`
        const options = Math.random() < 0.3 ? { precondition: () => undefined } : {}
        await any().objects.put({ bucket: 'docs', key }, plain, bodyOf(content), options)
        expect(await get(any(), 'docs', key), what).toBe(content)
        expect((await any().objects.stat({ bucket: 'docs', key })).foreign, what).toBe(false)
      } else {
        await remove(any(), key)
        expect(await codeOf(any().objects.stat({ bucket: 'docs', key })), what).toBe('NoSuchKey')
      }
    }
    await remove(any(), key)
  }
  await Promise.all(keys.map(live))
  expect(await readdir(inBucket())).toEqual(['.s3'])
}, 300_000)
