import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findStaleProbes, probeCapabilities, removeProbe } from './capabilities.ts'
import type { Files } from './files.ts'
import { openPosixFiles } from './posix-files.ts'
import { type CallName, faultyFiles } from './testing/faulty-files.ts'

let directory: string
let files: Files
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-probe-'))
  files = openPosixFiles(directory, { threads: 2 })
})
afterEach(() => {
  files.close()
  rmSync(directory, { recursive: true, force: true })
})

async function removeStaleProbes(...asked: Parameters<typeof findStaleProbes>): Promise<number> {
  const removed = await Promise.all((await findStaleProbes(...asked)).map((path) => removeProbe(asked[0], path)))
  return removed.filter((each) => each).length
}

test('a Linux file system can do what is needed, and the scratch directory is gone', async () => {
  mkdirSync(join(directory, '.causeway'))
  const found = await probeCapabilities(files, '.causeway')
  expect(found).toMatchObject({
    openat2: true,
    attributes: true,
    hardLinks: true,
    locks: true,
    caseSensitive: true,
    preservesNames: true,
    timeGranularityNs: 1,
    switchIdentity: process.getuid?.() === 0,
  })
  expect(found.attributeBytesMax).toBeGreaterThanOrEqual(1900)
  expect(readdirSync(directory, { recursive: true })).toEqual(['.causeway'])
})

test('the root itself can be probed', async () => {
  expect((await probeCapabilities(files, '')).openat2).toBe(true)
  expect(readdirSync(directory)).toEqual([])
})

test('what a mount refuses is told, and nothing else changes', async () => {
  const usual = await probeCapabilities(files, '')
  const refusing = (call: CallName, code: string) =>
    probeCapabilities(faultyFiles(files, { faults: [{ call, code }] }), '')
  expect(await refusing('writeAttribute', 'ENOTSUP')).toEqual({ ...usual, attributes: false, attributeBytesMax: 0 })
  expect(await refusing('link', 'EPERM')).toEqual({ ...usual, hardLinks: false })
  expect(await refusing('lock', 'ENOLCK')).toEqual({ ...usual, locks: false })
  expect(readdirSync(directory)).toEqual([])
})

test('a smaller attribute is found where a large one does not fit', async () => {
  // Each fault counts the calls that reach it: the first three sizes are refused, then ext4 or xfs decides.
  const faults = Array.from({ length: 3 }, () => ({ call: 'writeAttribute', nth: 1, code: 'ENOSPC' }) as const)
  const found = await probeCapabilities(faultyFiles(files, { faults }), '')
  expect(found.attributeBytesMax).toBeLessThanOrEqual(8192)
  expect(found.attributeBytesMax).toBeGreaterThanOrEqual(1900)
})

test('names that a mount folds are seen', async () => {
  // A folding mount says EEXIST to the second of two names.
  const folding = faultyFiles(files, { faults: [{ call: 'create', path: /\/CASE$/, code: 'EEXIST' }] })
  expect(await probeCapabilities(folding, '')).toMatchObject({ caseSensitive: false, preservesNames: true })
  const normalising = faultyFiles(files, { faults: [{ call: 'create', path: /\/ne\u0301$/, code: 'EEXIST' }] })
  expect(await probeCapabilities(normalising, '')).toMatchObject({ caseSensitive: true, preservesNames: false })
})

test('a kernel without openat2 is told apart from a directory that may not be written', async () => {
  const faults = (['makeDirectory', 'statPath'] as const).map((call) => ({ call, code: 'ENOSYS' }))
  expect((await probeCapabilities(faultyFiles(files, { faults }), '')).openat2).toBe(false)
  const readOnly = faultyFiles(files, { faults: [{ call: 'makeDirectory', code: 'EROFS' }] })
  await expect(probeCapabilities(readOnly, '')).rejects.toMatchObject({ code: 'EROFS' })
  const forbidden = faultyFiles(files, { faults: [{ call: 'makeDirectory', code: 'EPERM' }] })
  await expect(probeCapabilities(forbidden, '')).rejects.toMatchObject({ code: 'EPERM' })
})

test('a full or broken mount is an error, not a lack', async () => {
  const broken = faultyFiles(files, { faults: [{ call: 'link', code: 'EIO' }] })
  await expect(probeCapabilities(broken, '')).rejects.toMatchObject({ code: 'EIO' })
  expect(readdirSync(directory)).toEqual([])
})

test('what a probe leaves that is killed anywhere is removed once it is stale', async () => {
  const calls = files.as(undefined)
  for (let count = 1, crashed = true; crashed; count += 1) {
    const dying = faultyFiles(files, { crashAfter: count })
    crashed = await probeCapabilities(dying, '').then(
      () => false,
      () => true,
    )
    await dying.bury()
    expect(readdirSync(directory)).toHaveLength(crashed ? 1 : 0)
    expect(await removeStaleProbes(calls, '', () => false)).toBe(0)
    expect(readdirSync(directory)).toHaveLength(crashed ? 1 : 0)
    expect(await removeStaleProbes(calls, '', () => true)).toBe(crashed ? 1 : 0)
    expect(readdirSync(directory), dying.log().join('; ')).toEqual([])
  }
})

test('what somebody else has put into a probe, or named like one, stays', async () => {
  mkdirSync(join(directory, '.s3-probe-1-a/deep'), { recursive: true })
  mkdirSync(join(directory, '.s3-probe-2-b'))
  writeFileSync(join(directory, '.s3-probe-2-b/thesis'), 'x')
  mkdirSync(join(directory, '.s3-probes'))
  writeFileSync(join(directory, '.s3-probe-3-c'), 'x')
  const before = readdirSync(directory, { recursive: true })
  expect(await removeStaleProbes(files.as(undefined), '', () => true)).toBe(0)
  expect(readdirSync(directory, { recursive: true })).toEqual(before)
})
