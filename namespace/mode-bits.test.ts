import { chmod, chown, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { isErrno } from './file-errors.ts'
import type { FileCalls, PosixIdentity } from './files.ts'
import { askModeBits, isKeptBySticky } from './mode-bits.ts'
import { openPosixFiles } from './posix-files.ts'
import { removeDirectory } from './testing/fixture.ts'

const who: PosixIdentity = { uid: 1000, gid: 100, groups: [200, 300] }

test.each([
  ['the owner', { uid: 1000, gid: 9 }, 0o400, 'owner'],
  ['a member by the primary group', { uid: 9, gid: 100 }, 0o040, 'group'],
  ['a member by a further group', { uid: 9, gid: 300 }, 0o040, 'group'],
  ['anybody else', { uid: 9, gid: 9 }, 0o004, 'other'],
] as const)('%s has the bits of that class, and of no other', (_, file, mode, by) => {
  expect(askModeBits(who, { ...file, mode }, ['read'])).toEqual({ by, missing: [] })
  expect(askModeBits(who, { ...file, mode: 0o777 & ~mode }, ['read'])).toEqual({ by, missing: ['read'] })
})

test('each permission is a bit of its own, and those that are missing are named', () => {
  const ask = (mode: number) => askModeBits(who, { uid: 1000, gid: 9, mode }, ['read', 'write', 'search']).missing
  expect(ask(0o400)).toEqual(['write', 'search'])
  expect(ask(0o200)).toEqual(['read', 'search'])
  expect(ask(0o100)).toEqual(['read', 'write'])
  expect(ask(0o700)).toEqual([])
})

test('in a sticky directory a file is for its owner and for that of the directory to replace', () => {
  const kept = (directoryUid: number, fileUid: number, mode = 0o1777) =>
    isKeptBySticky(who, { uid: directoryUid, gid: 9, mode }, { uid: fileUid, gid: 9, mode: 0o666 })
  expect([kept(9, 9), kept(1000, 9), kept(9, 1000), kept(9, 9, 0o777)]).toEqual([true, false, false, false])
})

// Small ranges, so that owners and members are as frequent as strangers.
const id = fc.integer({ min: 30_001, max: 30_003 })
const identity = fc.record({ uid: id, gid: id, groups: fc.uniqueArray(id, { maxLength: 2 }) })
const mode = fc.integer({ min: 0, max: 0o777 })
const asked = fc.record({ who: identity, file: fc.record({ uid: id, gid: id, mode }) })

const directories: string[] = []
afterAll(() => Promise.all(directories.map(removeDirectory)))

test.skipIf(process.getuid?.() !== 0)(
  'the kernel answers the same, for files and directories of any mode',
  async () => {
    const tree = await mkdtemp(join(tmpdir(), 'causeway-modes-'))
    directories.push(tree)
    await chmod(tree, 0o755)
    await writeFile(join(tree, 'file'), 'x')
    await mkdir(join(tree, 'directory'))
    await writeFile(join(tree, 'directory/inside'), 'x')
    const files = openPosixFiles(tree, { threads: 1 })
    const trials: Readonly<
      Record<
        string,
        { name: string; wanted: Parameters<typeof askModeBits>[2]; run: (calls: FileCalls) => Promise<unknown> }
      >
    > = {
      read: { name: 'file', wanted: ['read'], run: (calls) => opened(calls, 'file', 'read') },
      'read and write': { name: 'file', wanted: ['read', 'write'], run: (calls) => opened(calls, 'file', 'write') },
      list: { name: 'directory', wanted: ['read'], run: (calls) => opened(calls, 'directory', 'directory') },
      search: { name: 'directory', wanted: ['search'], run: (calls) => calls.statPath('directory/inside') },
      make: { name: 'directory', wanted: ['write', 'search'], run: madeAndRemoved },
    }
    const seen = new Set<string>()
    try {
      await fc.assert(
        fc.asyncProperty(asked, fc.constantFrom(...Object.keys(trials)), async ({ who, file }, kind) => {
          const trial = trials[kind]
          if (trial === undefined) throw new Error(kind)
          const path = join(tree, trial.name)
          await chown(path, file.uid, file.gid)
          await chmod(path, file.mode)
          const { by, missing } = askModeBits(who, file, trial.wanted)
          expect(await mayRun(() => trial.run(files.as(who)))).toBe(missing.length === 0)
          seen.add(`${kind} ${by} ${missing.length === 0}`)
        }),
        { numRuns: 1500 },
      )
    } finally {
      files.close()
    }
    // Every class has allowed and refused each.
    expect(seen.size).toBe(Object.keys(trials).length * 3 * 2)
  },
)

async function opened(calls: FileCalls, path: string, how: 'read' | 'write' | 'directory'): Promise<void> {
  await calls.close(await calls.open(path, how))
}

async function madeAndRemoved(calls: FileCalls): Promise<void> {
  await calls.makeDirectory('directory/new', 0o700)
  await calls.removeDirectory('directory/new')
}

async function mayRun(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (isErrno(error, 'EACCES')) return false
    throw error
  }
}
