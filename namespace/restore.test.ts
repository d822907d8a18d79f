import { execFileSync } from 'node:child_process'
import { readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Finding } from './check-tree.ts'
import type { OpenNamespace } from './namespace.ts'
import { alice, bodyOf, type Fixture, get, makeDirectory, openFixture, plain, put } from './testing/fixture.ts'
import { watchedFiles } from './testing/watched-files.ts'

/** What README.md promises of backups, with the tools that it names. */
let fixture: Fixture
const copies: string[] = []

beforeEach(async () => {
  fixture = await openFixture()
  await fixture.namespace.buckets.create('docs')
})

afterEach(async () => {
  await fixture.close()
  for (const copy of copies.splice(0)) await rm(copy, { recursive: true })
})

const inBucket = (...path: string[]): string => join(fixture.directory, 'docs', ...path)
/** A record that no file system's attribute takes (64 KiB): it has a side-car. */
const large = {
  ...plain,
  metadata: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`n${i}`, 'v'.repeat(999)])),
}
const longAgo = new Date(Date.now() - 3 * 86_400_000)

async function check(open: OpenNamespace, repair: boolean): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const finding of open.check({ repair })) found.push(finding)
  return found
}

const told = (findings: readonly Finding[]): string[] =>
  findings.map(({ kind, repaired }) => `${kind}${repaired ? ', repaired' : ''}`).sort()

/** The whole tree as a backup gives it back: other inodes, everything else as it was. */
async function restored(...how: readonly string[]): Promise<OpenNamespace> {
  const copy = await makeDirectory()
  copies.push(copy)
  execFileSync('cp', [...how, `${fixture.directory}/.`, copy])
  return fixture.another({ root: copy })
}

test('a tree copied with cp -a is served as it was, and check --repair takes its new inodes', async () => {
  const { stat } = await put(fixture.namespace, 'docs', 'dir/k', 'bytes')
  await put(fixture.namespace, 'docs', 'dir/', '')
  await put(fixture.namespace, 'docs', 'large', 'bytes', large)
  const target = { bucket: 'docs', key: 'pending' }
  const { uploadId } = await fixture.namespace.uploads.begin(target, plain, undefined)
  const body = bodyOf('part')
  const { eTag } = await fixture.namespace.uploads.putPart({ ...target, uploadId }, 1, body)
  await put(fixture.namespace, 'docs', 'large/below', 'large steps aside')
  const open = await restored('-a', '--preserve=xattr')
  const namespace = open.as(alice)

  const back = await namespace.objects.stat({ bucket: 'docs', key: 'dir/k' })
  expect(back).toEqual({ ...stat, lastModified: back.lastModified })
  expect((await namespace.objects.stat({ bucket: 'docs', key: 'dir/' })).foreign).toBe(false)
  await expect(namespace.uploads.list('docs', '')).rejects.toThrow('causeway check')

  expect(told(await check(open, false))).toEqual(['bucket-directory-replaced', 'sidecar-of-another-inode'])
  expect(told(await check(open, true))).toEqual([
    'bucket-directory-replaced, repaired',
    'sidecar-of-another-inode, repaired',
  ])
  expect(await check(open, false)).toEqual([])

  const found = await namespace.objects.stat({ bucket: 'docs', key: 'large' })
  expect(found).toMatchObject({ foreign: false, metadata: large.metadata })
  expect(await get(namespace, 'docs', 'large')).toBe('bytes')
  await put(namespace, 'docs', 'new', '1')
  await namespace.uploads.complete({ ...target, uploadId }, [{ partNumber: 1, eTag, checksums: {} }], {})
  expect(await get(namespace, 'docs', 'pending')).toBe('part')
})

test('without the times of modification, bytes and metadata are there and ETags are not believed', async () => {
  const { stat } = await put(fixture.namespace, 'docs', 'k', 'bytes', { ...plain, metadata: { colour: 'red' } })
  const open = await restored('-a', '--no-preserve=timestamps')
  const back = await open.as(alice).objects.stat({ bucket: 'docs', key: 'k' })
  expect(back).toMatchObject({ foreign: true, metadata: { colour: 'red' } })
  expect(back.eTag).not.toBe(stat.eTag)
})

test('a bucket that is given back without its .s3 gets a new one', async () => {
  await rm(inBucket('.s3'), { recursive: true })
  expect(told(await check(fixture.open, true))).toEqual(['bucket-directory-replaced, repaired'])
  await put(fixture.namespace, 'docs', 'k', '1')
  await fixture.namespace.uploads.begin({ bucket: 'docs', key: 'x' }, plain, undefined)
})

test('a bucket whose directory is gone is reported, and the others are walked', async () => {
  await fixture.namespace.buckets.create('second')
  await rename(inBucket(), join(fixture.directory, 'renamed'))
  await writeFile(join(fixture.directory, 'second/bad\nname'), '')
  expect(told(await check(fixture.open, true))).toEqual(['bucket-directory-replaced', 'name-without-key'])
})

test('repair keeps an object that stepped aside, whatever stands at its plain path', async () => {
  await put(fixture.namespace, 'docs', 'a', 'object')
  await put(fixture.namespace, 'docs', 'a/b', '1')
  await rm(inBucket('a'), { recursive: true })
  await symlink('nowhere', inBucket('a'))
  expect(told(await check(fixture.open, true))).toContain('alias-without-reason')
  expect(await get(fixture.namespace, 'docs', 'a')).toBe('object')
  await rm(inBucket('a'))
  expect(told(await check(fixture.open, true))).toEqual(['alias-without-reason, repaired'])
  expect(await readdir(inBucket())).toEqual(['.s3', 'a'])
})

test('repair keeps an object that stepped aside when its directory comes back meanwhile', async () => {
  const watched = watchedFiles()
  const slow = await fixture.another({ openFiles: watched.openFiles })
  await put(fixture.namespace, 'docs', 'a', 'object')
  await put(fixture.namespace, 'docs', 'a/b', '1')
  await rm(inBucket('a'), { recursive: true })
  watched.before('link', /\.%=a$/, async () => {
    await put(fixture.namespace, 'docs', 'a/c', '2')
  })
  await check(slow, true)
  expect(await get(fixture.namespace, 'docs', 'a')).toBe('object')
})

test('repair takes no side-car of an object that is just being put, or was renamed to what is no key', async () => {
  const watched = watchedFiles()
  const slow = (await fixture.another({ openFiles: watched.openFiles })).as(alice)
  await put(fixture.namespace, 'docs', 'odd', '1', large)
  await rename(inBucket('odd'), inBucket('odd\n'))
  for (const name of await readdir(inBucket('.s3/records'))) {
    await utimes(inBucket('.s3/records', name), longAgo, longAgo)
  }
  watched.before('publish', /docs\/k$/, () => check(fixture.open, true))
  await put(slow, 'docs', 'k', '1', large)
  expect((await fixture.namespace.objects.stat({ bucket: 'docs', key: 'k' })).foreign).toBe(false)
  await rename(inBucket('odd\n'), inBucket('odd'))
  expect((await fixture.namespace.objects.stat({ bucket: 'docs', key: 'odd' })).foreign).toBe(false)
})

test('repair gives the side-car of an object to no copy of it', async () => {
  await put(fixture.namespace, 'docs', 'k', '1', large)
  execFileSync('cp', ['-p', inBucket('k'), inBucket('copy')])
  expect(await check(fixture.open, true)).toEqual([])
  expect((await fixture.namespace.objects.stat({ bucket: 'docs', key: 'k' })).foreign).toBe(false)
  expect((await fixture.namespace.objects.stat({ bucket: 'docs', key: 'copy' })).foreign).toBe(true)
  expect(await readFile(inBucket('copy'), 'utf8')).toBe('1')
})
