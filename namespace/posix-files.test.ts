import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPosixFiles } from './posix-files.ts'
import { filesContract } from './testing/contract.ts'
import type { OpenedFiles } from './testing/contract-tree.ts'
import { removeDirectory } from './testing/fixture.ts'

/** A new empty tree below `place`, which is removed again. */
function openBelow(place: string, threads: number, atOnce = true): () => Promise<OpenedFiles> {
  return async () => {
    mkdirSync(place, { recursive: true })
    const directory = mkdtempSync(join(place, 'causeway-contract-'))
    const files = openPosixFiles(directory, { threads, atOnce })
    return {
      files,
      directory,
      async close() {
        files.close()
        await removeDirectory(directory)
      },
    }
  }
}

filesContract('posix files in a temporary directory', openBelow(tmpdir(), 4))
filesContract('posix files that leave every call to a thread', openBelow(tmpdir(), 4, false))
if (existsSync('/dev/shm')) filesContract('posix files in memory', openBelow('/dev/shm', 4))

// The same on a real mount: NAMESPACE_ROOT=/mnt/global npx vitest run namespace/posix-files.test.ts
const mounted = process.env.NAMESPACE_ROOT
if (mounted !== undefined) filesContract(`posix files on ${mounted}`, openBelow(mounted, 32))

test('a root that is no directory is refused with the path', () => {
  expect(() => openPosixFiles('/nonexistent', { threads: 1 })).toThrow(
    expect.objectContaining({ name: 'FileError', code: 'ENOENT', path: '/nonexistent' }),
  )
  expect(() => openPosixFiles(import.meta.filename, { threads: 1 })).toThrow(
    expect.objectContaining({ code: 'ENOTDIR' }),
  )
  expect(() => openPosixFiles('/tmp\0/x', { threads: 1 })).toThrow(expect.objectContaining({ code: 'EINVAL' }))
})

test('the root stays the directory that was opened, also when it is renamed', async () => {
  const place = mkdtempSync(join(tmpdir(), 'causeway-root-'))
  mkdirSync(join(place, 'a'))
  const files = openPosixFiles(join(place, 'a'), { threads: 1 })
  renameSync(join(place, 'a'), join(place, 'b'))
  mkdirSync(join(place, 'a'))
  await files.as(undefined).makeDirectory('d', 0o755)
  expect(readdirSync(join(place, 'b'))).toEqual(['d'])
  files.close()
  rmSync(place, { recursive: true })
})

test('no call leaves a descriptor behind, whether it succeeds or fails', async () => {
  const { files, directory, close } = await openBelow(tmpdir(), 4)()
  const calls = files.as(undefined)
  writeFileSync(join(directory, 'f'), 'x')
  mkdirSync(join(directory, 'd'))
  const socketless = openSync(join(directory, 'f'), 'r')
  const round = () =>
    Promise.allSettled([
      calls.find('f', { attribute: 'user.a', bodyBytesMax: 10, keepOpen: true }),
      calls.find('d', { attribute: 'user.a', bodyBytesMax: 10, keepOpen: false }),
      calls.find('absent', { attribute: 'user.a', bodyBytesMax: 10, keepOpen: true }),
      calls.open('d', 'read'),
      calls.open('f', 'directory'),
      calls.create('f', 0o644, true),
      calls.scan('d'),
      calls.scan('f'),
      calls.statMany('', [Buffer.from('f'), Buffer.from('d'), Buffer.from('absent')], 'user.a'),
      calls.publish(-1, 'f', 'd/x', { mtimeNs: 1n, flushFile: true, replace: true, flushDirectory: true }),
      calls.rename('absent', 'd/x'),
      calls.link('f', 'd'),
      calls.makeDirectory('d', 0o755),
      calls.unlink('absent/x'),
      calls.flushDirectory('d'),
      calls.statPath('f'),
      calls.sendFile(socketless, socketless, 0, 1),
    ])
  await round()
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 50; i++) await round()
  // Others in this process open and close some too; one leak would have made fifty.
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 20)
  closeSync(socketless)
  await close()
})

test('a tree whose writing threads are all taken stops no write on another tree', async () => {
  const [busy, other] = await Promise.all([openBelow(tmpdir(), 4)(), openBelow(tmpdir(), 4)()])
  const calls = busy.files.as(undefined)
  const large = await calls.create('large', 0o600, true)
  await calls.truncate(large, 64 * 2 ** 20)
  let ended = 0
  const hashing = Array.from({ length: 16 }, async () => {
    await calls.hashRange(large, 0, 64 * 2 ** 20, busy.files.createHasher(['MD5', 'SHA256']))
    ended += 1
  })
  const small = await other.files.as(undefined).create('small', 0o600, true)
  await other.files.as(undefined).write(small, Buffer.from('x'), 0)
  // At most eight of sixteen are under way at a time: behind them it would come after eight at least.
  expect(ended).toBeLessThan(4)
  await Promise.all(hashing)
  await calls.close(large)
  await other.files.as(undefined).close(small)
  await Promise.all([busy.close(), other.close()])
})
