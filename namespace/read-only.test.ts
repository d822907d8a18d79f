import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, readdirSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Files } from './files.ts'
import { openPosixFiles } from './posix-files.ts'
import {
  alice,
  bodyOf,
  codeOf,
  type Fixture,
  get,
  listAll,
  makeDirectory,
  openFixture,
  plain,
  put,
} from './testing/fixture.ts'
import type { Namespace } from './verbs.ts'

/** Only root may mount; in a container without the right to, there is nothing to test on. */
function whyNoMount(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may bind a directory read-only'
  const tried = spawnSync('/usr/bin/unshare', ['-m', '/bin/mount', '--bind', '/tmp', '/tmp'], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `mount is not allowed here: ${tried.stderr}`
}

const reason = whyNoMount()
if (reason !== undefined) console.warn(`skipped: ${reason}`)

/** A root whose top directory belongs to somebody else; what lies below may be written to, but nobody has asked for that. */
const nobody = { uid: 65_534, gid: 65_534, groups: [] }
const openAsNobody = (path: string, options: { readonly threads: number }): Files => {
  const files = openPosixFiles(path, options)
  return { ...files, as: (identity) => files.as(identity ?? nobody) }
}

const kinds = [
  {
    how: 'is mounted read-only',
    skipped: reason,
    seal(root: string): void {
      execFileSync('/bin/mount', ['--bind', root, root])
      execFileSync('/bin/mount', ['-o', 'remount,bind,ro', root])
    },
    // Lazily: closed Files keep their root's descriptor until they are collected.
    unseal: (root: string): void => void execFileSync('/bin/umount', ['-l', root]),
    openFiles: openPosixFiles,
  },
  {
    how: 'this account may not write to',
    skipped: process.getuid?.() === 0 ? undefined : 'only root may become somebody else',
    seal(root: string): void {
      chmodSync(root, 0o755)
      for (const path of ['archive', 'archive/2026']) chmodSync(join(root, path), 0o777)
    },
    unseal: (): void => undefined,
    openFiles: openAsNobody,
  },
]

describe.each(kinds)('a bucket mapped on a root that $how', ({ skipped, seal, unseal, openFiles }) => {
  let fixture: Fixture
  let root: string
  let namespace: Namespace

  beforeEach(async (context) => {
    if (skipped !== undefined) context.skip(skipped)
    root = await makeDirectory()
    await mkdir(join(root, 'archive/2026'), { recursive: true })
    await writeFile(join(root, 'archive/2026/may.txt'), 'from tape')
    await symlink('/etc/passwd', join(root, 'archive/link'))
    seal(root)
    fixture = await openFixture({
      roots: [root],
      durability: 'strict',
      openFiles: (path, options) => (path === root ? openFiles : openPosixFiles)(path, options),
    })
    namespace = fixture.namespace
    await namespace.buckets.map('archive', join(root, 'archive'), alice)
  })

  afterEach(async () => {
    await fixture.close()
    unseal(root)
    await rm(root, { recursive: true })
  })

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
    expect(readdirSync(root, { recursive: true }).sort()).toEqual([
      'archive',
      'archive/2026',
      'archive/2026/may.txt',
      'archive/link',
    ])
    expect(fixture.problems).toEqual([])
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
