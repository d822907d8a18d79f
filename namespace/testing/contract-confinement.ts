/** No path leaves the root, whatever its letters and whatever is planted in the tree. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { FileCalls } from '../files.ts'
import type { OpenedFiles } from './contract-tree.ts'
import { contentOf, statOnly, testOnTree, written } from './contract-tree.ts'

/** Every call that takes a path. */
const byPath: Readonly<Record<string, (calls: FileCalls, path: string) => Promise<unknown>>> = {
  find: (calls, path) => calls.find(path, statOnly),
  'open to read': (calls, path) => calls.open(path, 'read'),
  'open to write': (calls, path) => calls.open(path, 'write'),
  'open a directory': (calls, path) => calls.open(path, 'directory'),
  create: (calls, path) => calls.create(path, 0o644, false),
  statPath: (calls, path) => calls.statPath(path),
  flushDirectory: (calls, path) => calls.flushDirectory(path),
  'rename from': (calls, path) => calls.rename(path, 'free'),
  'rename to': (calls, path) => calls.rename('mine', path),
  'link from': (calls, path) => calls.link(path, 'free'),
  'link to': (calls, path) => calls.link('mine', path),
  unlink: (calls, path) => calls.unlink(path),
  removeDirectory: (calls, path) => calls.removeDirectory(path),
  makeDirectory: (calls, path) => calls.makeDirectory(path, 0o755),
  scan: (calls, path) => calls.scan(path),
  statMany: (calls, path) => calls.statMany(path, [Buffer.from('x')], ''),
}

export function confinementContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree('a path that is not plain is EINVAL in every call', async ({ calls }) => {
    await written(calls, 'mine')
    await calls.makeDirectory('d', 0o755)
    const paths = [
      '..',
      '../x',
      'd/../mine',
      '.',
      './mine',
      'd/.',
      '/',
      '/etc/passwd',
      'd//x',
      'd/',
      'mine\0',
      'a\0b',
      '\ud800',
    ]
    for (const [name, call] of Object.entries(byPath))
      for (const path of paths)
        await expect(call(calls, path), `${name} ${JSON.stringify(path)}`).rejects.toMatchObject({
          code: 'EINVAL',
          syscall: 'openat2',
        })
    expect(await contentOf(calls, 'mine')).toBe('')
  })

  onTree('the root itself cannot be renamed, linked, made or removed', async ({ calls }) => {
    await written(calls, 'mine')
    for (const name of [
      'rename from',
      'rename to',
      'link from',
      'link to',
      'unlink',
      'removeDirectory',
      'makeDirectory',
    ])
      await expect(byPath[name]?.(calls, ''), name).rejects.toMatchObject({ code: 'EINVAL' })
  })

  onTree('a symbolic link is followed by no call, at the end or in the middle', async ({ calls, directory }) => {
    const outside = mkdtempSync(join(tmpdir(), 'causeway-outside-'))
    try {
      writeFileSync(join(outside, 'secret'), 'secret')
      mkdirSync(join(outside, 'd'))
      await written(calls, 'mine', 'mine')
      await calls.makeDirectory('inside', 0o755)
      await written(calls, 'inside/secret', 'mine')
      symlinkSync(outside, join(directory, 'out'))
      symlinkSync('inside', join(directory, 'in'))
      symlinkSync(join(outside, 'secret'), join(directory, 'file'))
      symlinkSync('/proc/self/root', join(directory, 'magic'))

      for (const path of ['out/secret', 'in/secret', 'out/d', 'magic/etc/passwd', 'file', 'out']) {
        expect(await calls.find(path, { attribute: '', bodyBytesMax: 100, keepOpen: true }), path).toBeUndefined()
        for (const name of ['open to read', 'open to write', 'create', 'scan', 'statMany', 'flushDirectory'])
          await expect(byPath[name]?.(calls, path), `${name} ${path}`).rejects.toMatchObject({
            code: expect.stringMatching(/^(ELOOP|ENOTDIR)$/),
          })
      }
      for (const path of ['out/secret', 'in/secret', 'out/d', 'out/new']) {
        expect(await calls.statPath(path), path).toBeUndefined()
        for (const name of [
          'rename from',
          'rename to',
          'link from',
          'link to',
          'unlink',
          'removeDirectory',
          'makeDirectory',
        ])
          await expect(byPath[name]?.(calls, path), `${name} ${path}`).rejects.toMatchObject({
            code: expect.stringMatching(/^(ELOOP|ENOTDIR)$/),
          })
      }
      expect(await calls.statPath('file')).toMatchObject({ type: 'symlink' })
      // The link itself is an entry like any other.
      expect(await calls.unlink('file')).toBe(true)
      expect(await contentOf(calls, 'inside/secret')).toBe('mine')
      rmSync(join(directory, 'out'))
    } finally {
      rmSync(outside, { recursive: true })
    }
  })

  onTree('a directory swapped with a link under way never lets a look-up out', async ({ calls, directory }) => {
    const outside = mkdtempSync(join(tmpdir(), 'causeway-outside-'))
    try {
      writeFileSync(join(outside, 'x'), 'outside')
      mkdirSync(join(directory, 'swap'))
      writeFileSync(join(directory, 'swap/x'), 'inside')
      symlinkSync(outside, join(directory, 'link'))
      const seen = new Map<string, number>()
      const end = Date.now() + 1000
      const look = async () => {
        while (Date.now() < end) {
          const content = (await contentOf(calls, 'swap/x').catch((error) => error.code)) ?? 'nothing'
          seen.set(content, (seen.get(content) ?? 0) + 1)
        }
      }
      const swap = async () => {
        while (Date.now() < end) {
          // Pool threads look up while this thread renames; what they saw is counted only when it pauses, however slow a rename is.
          for (const pause = Date.now() + 20; Date.now() < pause; ) {
            renameSync(join(directory, 'swap'), join(directory, 'aside'))
            renameSync(join(directory, 'link'), join(directory, 'swap'))
            renameSync(join(directory, 'swap'), join(directory, 'link'))
            renameSync(join(directory, 'aside'), join(directory, 'swap'))
          }
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
      await Promise.all([swap(), ...Array.from({ length: 64 }, look)])
      expect([...seen.keys()].filter((content) => content !== 'inside' && content !== 'nothing')).toEqual([])
      expect(seen.get('inside')).toBeGreaterThan(0)
    } finally {
      rmSync(outside, { recursive: true })
    }
  })
}
