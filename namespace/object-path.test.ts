import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isErrno } from './file-errors.ts'
import type { PosixAcl } from './posix-acl.ts'
import { openPosixFiles } from './posix-files.ts'
import { type Fault, faultyFiles } from './testing/faulty-files.ts'
import { codeOf, type DocsFixture, openDocs, put } from './testing/fixture.ts'
import { writeAcl } from './testing/posix-acls.ts'

let fixture: DocsFixture

beforeEach(async () => {
  fixture = await openDocs()
})

afterEach(() => fixture.close())

/** Paths count from the root. */
async function pathOf(key: string, versionId?: string) {
  const { kind, components } = await fixture.open.path({ bucket: 'docs', key, versionId })
  const beneath = (path: string) => path.slice(fixture.directory.length + 1)
  return { kind, components: components.map(({ path, ...rest }) => ({ path: beneath(path), ...rest })) }
}

async function namesOf(key: string, versionId?: string) {
  const { kind, components } = await pathOf(key, versionId)
  return [kind, components.map(({ path }) => path)]
}

test('an object has every directory from the root of its mount to its file, each with owner and mode', async () => {
  await put(fixture.namespace, 'docs', 'a/b', 'x')
  await chmod(fixture.inBucket('a'), 0o2750)
  await chmod(fixture.inBucket('a/b'), 0o640)
  const { kind, components } = await pathOf('a/b')
  expect(kind).toBe('whole')
  expect(components.map(({ path, type }) => [path, type])).toEqual([
    ['', 'directory'],
    ['docs', 'directory'],
    ['docs/a', 'directory'],
    ['docs/a/b', 'file'],
  ])
  const own = { uid: process.getuid?.(), gid: process.getgid?.() }
  expect(components.slice(2)).toMatchObject([
    { mode: 0o2750, ...own, acl: undefined },
    { mode: 0o640, ...own, acl: undefined },
  ])
})

test('what there is of the way is told where the rest is missing or something else stands there', async () => {
  await put(fixture.namespace, 'docs', 'a/b', 'x')
  await symlink('/etc', fixture.inBucket('link'))
  expect(await namesOf('a/none/deeper')).toEqual(['partial', ['', 'docs', 'docs/a']])
  expect(await namesOf('a/b/under')).toEqual(['partial', ['', 'docs', 'docs/a', 'docs/a/b']])
  expect(await namesOf('link/passwd')).toEqual(['partial', ['', 'docs', 'docs/link']])
  expect((await pathOf('link/passwd')).components[2]).toMatchObject({ type: 'symlink' })
  expect(await namesOf('a')).toEqual(['partial', ['', 'docs', 'docs/a']])
})

test('an object that stepped aside, one of a key that ends in a slash and the bucket itself are where they lie', async () => {
  await put(fixture.namespace, 'docs', 'a', 'x')
  await put(fixture.namespace, 'docs', 'a/b', 'x')
  await put(fixture.namespace, 'docs', 'empty/', '')
  await put(fixture.namespace, 'docs', 'full/', 'x')
  expect(await namesOf('a')).toEqual(['whole', ['', 'docs', 'docs/.%=a']])
  expect(await namesOf('empty/')).toEqual(['whole', ['', 'docs', 'docs/empty']])
  expect(await namesOf('full/')).toEqual(['whole', ['', 'docs', 'docs/full', 'docs/full/.%e']])
  expect(await namesOf('')).toEqual(['whole', ['', 'docs']])
})

test('a bucket mapped deep in the tree has the directories above it, too', async () => {
  await mkdir(join(fixture.directory, 'deep/er'), { recursive: true })
  await writeFile(join(fixture.directory, 'deep/er/file'), 'x')
  const owner = { canonicalId: 'a'.repeat(64), displayName: 'alice' }
  await fixture.namespace.buckets.map('mapped', join(fixture.directory, 'deep/er'), owner)
  const { components } = await fixture.open.path({ bucket: 'mapped', key: 'file' })
  expect(components.map(({ path }) => path.slice(fixture.directory.length))).toEqual([
    '',
    '/deep',
    '/deep/er',
    '/deep/er/file',
  ])
})

test('an older version has the way to the directory of its key, the current one that to its file', async () => {
  await fixture.namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
  const before = (await put(fixture.namespace, 'docs', 'd/a', 'one')).stat.versionId
  const now = (await put(fixture.namespace, 'docs', 'd/a', 'two')).stat.versionId
  const entry = expect.stringMatching(/^docs\/\.s3\/versions\/d\/a\//)
  expect(await namesOf('d/a', before)).toEqual(['older', ['', 'docs', 'docs/d', entry]])
  expect(await namesOf('d/a', now)).toEqual(['whole', ['', 'docs', 'docs/d', 'docs/d/a']])
  expect(await codeOf(pathOf('a', 'no-id'))).toBe('InvalidArgument')
})

test('what this account may not look into ends the way, and is not called missing', async () => {
  await put(fixture.namespace, 'docs', 'a/b/c', 'x')
  const refusing: readonly Fault[] = [
    { call: 'statPath', path: /^docs\/a\/b/, code: 'EACCES' },
    { call: 'find', path: /^docs\/a$/, code: 'EACCES' },
  ]
  const openFiles: typeof openPosixFiles = (path, options) =>
    faultyFiles(openPosixFiles(path, options), { faults: refusing })
  const another = await fixture.another({ openFiles })
  const { kind, components } = await another.path({ bucket: 'docs', key: 'a/b/c' })
  expect(kind).toBe('hidden')
  expect(components.map(({ path }) => path.slice(fixture.directory.length))).toEqual(['', '/docs', '/docs/a'])
})

test('new buckets are made in the root', async () => {
  const { kind, components } = await fixture.open.path(undefined)
  expect([kind, components.map(({ path, type }) => [path, type])]).toEqual([
    'whole',
    [[fixture.directory, 'directory']],
  ])
})

test('a bucket that is not there is NoSuchBucket', async () => {
  expect(await codeOf(fixture.open.path({ bucket: 'none', key: 'a' }))).toBe('NoSuchBucket')
})

test('an ACL beside the mode comes with it', async ({ skip }) => {
  await writeFile(fixture.inBucket('a'), 'x')
  const acl: PosixAcl = [
    { tag: 'owner', permissions: 6, id: 0xffffffff },
    { tag: 'user', permissions: 4, id: 1001 },
    { tag: 'owningGroup', permissions: 0, id: 0xffffffff },
    { tag: 'mask', permissions: 4, id: 0xffffffff },
    { tag: 'other', permissions: 0, id: 0xffffffff },
  ]
  const files = openPosixFiles(fixture.directory, { threads: 1 })
  try {
    await writeAcl(files.as(undefined), 'docs/a', acl)
  } catch (error) {
    if (isErrno(error, 'ENOTSUP', 'EOPNOTSUPP')) skip('this mount knows no POSIX ACLs')
    throw error
  } finally {
    files.close()
  }
  expect((await pathOf('a')).components.map((component) => component.acl)).toEqual([undefined, undefined, acl])
})
