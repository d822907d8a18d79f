import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, bodyOf, type Fixture, get, listAll, makeDirectory, openFixture, plain, put } from './testing/fixture.ts'
import type { Namespace } from './verbs.ts'

/** Only root may mount; in a container without the right to, there is nothing to test on. */
function whyNoMount(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may bind a directory read-only'
  const tried = spawnSync('/usr/bin/unshare', ['-m', '/bin/mount', '--bind', '/tmp', '/tmp'], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `mount is not allowed here: ${tried.stderr}`
}

const reason = whyNoMount()
if (reason !== undefined) console.warn(`skipped: ${reason}`)

describe.skipIf(reason !== undefined)('a bucket mapped on a root that is mounted read-only', () => {
  let fixture: Fixture
  let root: string
  let namespace: Namespace

  beforeEach(async () => {
    root = await makeDirectory()
    await mkdir(join(root, 'archive/2026'), { recursive: true })
    await writeFile(join(root, 'archive/2026/may.txt'), 'from tape')
    await symlink('/etc/passwd', join(root, 'archive/link'))
    execFileSync('/bin/mount', ['--bind', root, root])
    execFileSync('/bin/mount', ['-o', 'remount,bind,ro', root])
    fixture = await openFixture({ roots: [root], durability: 'strict' })
    namespace = fixture.namespace
    await namespace.buckets.map('archive', join(root, 'archive'), alice)
  })

  afterEach(async () => {
    await fixture.close()
    // Lazily: closed Files keep their root's descriptor until they are collected.
    execFileSync('/bin/umount', ['-l', root])
    await rm(root, { recursive: true })
  })

  const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
    work.then(
      () => undefined,
      (error: unknown) => (error instanceof NamespaceError ? error.code : String(error)),
    )

  test('is read like any other', async () => {
    expect(await listAll(namespace, 'archive')).toEqual(['2026/may.txt'])
    expect(await get(namespace, 'archive', '2026/may.txt')).toBe('from tape')
    expect(await codeOf(namespace.objects.stat({ bucket: 'archive', key: 'none' }))).toBe('NoSuchKey')
    expect(await namespace.uploads.list('archive', '')).toEqual([])
    await namespace.buckets.create('docs')
    const copied = await namespace.objects.copy(
      { bucket: 'archive', key: '2026/may.txt' },
      { bucket: 'docs', key: 'k' },
      { describe: () => plain },
    )
    expect(copied.stat.sizeBytes).toBe(9)
  })

  test('answers every write with ReadOnlyTree', async () => {
    const target = { bucket: 'archive', key: '2026/may.txt' }
    const precondition = (): void => undefined
    expect(await codeOf(put(namespace, 'archive', 'new', '1'))).toBe('ReadOnlyTree')
    expect(await codeOf(put(namespace, 'archive', 'new/dir/k', '1'))).toBe('ReadOnlyTree')
    expect(await codeOf(put(namespace, 'archive', '2026/', ''))).toBe('ReadOnlyTree')
    expect(await codeOf(namespace.objects.put(target, plain, bodyOf('x'), { precondition }))).toBe('ReadOnlyTree')
    expect(await codeOf(namespace.objects.remove(target, {}))).toBe('ReadOnlyTree')
    expect(await codeOf(namespace.objects.copy(target, target, { describe: () => plain }))).toBe('ReadOnlyTree')
    expect(await codeOf(namespace.uploads.begin(target, plain, undefined))).toBe('ReadOnlyTree')
    expect(await get(namespace, 'archive', '2026/may.txt')).toBe('from tape')
  })

  test('keeps its documents, is swept and checked without a complaint, and is unmapped', async () => {
    await namespace.documents.write('archive', 'policy', { a: 1 })
    expect(await namespace.documents.find('archive', 'policy')).toEqual({ a: 1 })
    await fixture.open.sweep()
    expect(fixture.problems).toEqual([])
    for await (const { kind } of fixture.open.check({ repair: true })) expect(kind).toBe('name-without-key')
    expect(await codeOf(namespace.buckets.remove('archive'))).toBe('BucketNotEmpty')
    await namespace.buckets.unmap('archive')
    expect(await codeOf(namespace.buckets.read('archive'))).toBe('NoSuchBucket')
  })
})
