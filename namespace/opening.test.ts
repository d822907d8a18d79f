import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Files } from './files.ts'
import { openPosixFiles } from './posix-files.ts'
import { faultyFiles } from './testing/faulty-files.ts'
import { get, makeDirectory, openFixture, put } from './testing/fixture.ts'

let place: string
beforeEach(async () => {
  place = await makeDirectory()
  for (const name of ['main', 'b', 'c']) mkdirSync(join(place, name))
})
afterEach(() => rmSync(place, { recursive: true, force: true }))

type OpenFiles = (path: string, options: { readonly threads: number }) => Files

/** Which roots were opened, and not closed since. */
function counted(openFiles: OpenFiles): { readonly openFiles: OpenFiles; readonly left: Set<string> } {
  const left = new Set<string>()
  return {
    left,
    openFiles(path, options) {
      const files = openFiles(path, options)
      left.add(path)
      return {
        ...files,
        close() {
          left.delete(path)
          files.close()
        },
      }
    },
  }
}

test('a root that cannot be opened leaves no other one open', async () => {
  const { openFiles, left } = counted(openPosixFiles)
  const root = join(place, 'main')
  const missing = openFixture({ root, roots: [join(place, 'b'), join(place, 'absent')], openFiles })
  await expect(missing).rejects.toMatchObject({ code: 'ENOENT' })
  expect([...left]).toEqual([])
})

test('a root that breaks while it is probed, and a tree of another key, leave none open either', async () => {
  const root = join(place, 'main')
  await (await openFixture({ root })).open.close()
  const { openFiles, left } = counted((path, options) => {
    const files = openPosixFiles(path, options)
    return path.endsWith('/c') ? faultyFiles(files, { faults: [{ call: 'link', code: 'EIO' }] }) : files
  })
  const broken = openFixture({ root, roots: [join(place, 'b'), join(place, 'c')], openFiles })
  await expect(broken).rejects.toMatchObject({ code: 'EIO' })
  expect([...left]).toEqual([])
  const foreign = openFixture({ root, recordKey: Buffer.alloc(32, 9), openFiles })
  await expect(foreign).rejects.toThrow('another master key')
  expect([...left]).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)(
  'a namespace root that may not be written to is refused with a sentence that names it',
  async () => {
    const root = join(place, 'main')
    const nobody = { uid: 65_534, gid: 65_534, groups: [] }
    const openFiles: OpenFiles = (path, options) => {
      const files = openPosixFiles(path, options)
      return { ...files, as: (identity) => files.as(identity ?? nobody) }
    }
    for (const directory of [place, root]) chmodSync(directory, 0o755)
    await expect(openFixture({ root, openFiles })).rejects.toMatchObject({
      code: 'AccessDenied',
      message: `This account may not read and write the namespace root '${root}' (EACCES at '.causeway'); give it the right, or choose another root.`,
    })
    expect(readdirSync(root)).toEqual([])
    chownSync(root, nobody.uid, nobody.gid)
    await (await openFixture({ root, openFiles })).close()
  },
)

test('a namespace root that is mounted read-only is refused with a sentence that names it', async () => {
  const root = join(place, 'main')
  const openFiles: OpenFiles = (path, options) =>
    faultyFiles(openPosixFiles(path, options), { faults: [{ call: 'makeDirectory', code: 'EROFS' }] })
  await expect(openFixture({ root, openFiles })).rejects.toMatchObject({
    code: 'ReadOnlyTree',
    message: `The namespace root '${root}' is mounted read-only, but the gateway has to write to it; only further roots may be so.`,
  })
})

test.each(['sweep', 'check'])(
  '%s removes the probes of processes that were killed a day ago, in every root',
  async (by) => {
    const [root, other] = [join(place, 'main'), join(place, 'b')]
    const fixture = await openFixture({ root, roots: [other] })
    const stale = [join(root, '.causeway/.s3-probe-1-a'), join(other, '.s3-probe-2-b')]
    const young = join(other, '.s3-probe-3-c')
    for (const path of [...stale, young]) mkdirSync(path)
    const longAgo = new Date(Date.now() - 2 * 86_400_000)
    for (const path of stale) utimesSync(path, longAgo, longAgo)
    const checked = async (repair: boolean) =>
      (await Array.fromAsync(fixture.open.check({ repair }))).map(({ path }) => path)
    if (by === 'sweep') expect((await fixture.open.sweep()).temporaries).toBe(2)
    else {
      expect(await checked(false)).toEqual(['.causeway/.s3-probe-1-a', '.s3-probe-2-b'])
      expect(await checked(true)).toHaveLength(2)
      expect(await checked(false)).toEqual([])
    }
    expect(readdirSync(join(root, '.causeway')).filter((name) => name.startsWith('.s3-'))).toEqual([])
    expect(readdirSync(other)).toEqual(['.s3-probe-3-c'])
    expect(fixture.problems).toEqual([])
    await fixture.close()
  },
)

test('a tree is served through two mounts of it, and a second one of another tree is refused', async () => {
  const [root, elsewhere] = [await makeDirectory(), await makeDirectory()]
  const through = await openFixture({ root, publishRoot: `${root}/../${basename(root)}` })
  try {
    await through.namespace.buckets.create('docs')
    await put(through.namespace, 'docs', 'k', 'one')
    await put(through.namespace, 'docs', 'k', 'two')
    expect(await get(through.namespace, 'docs', 'k')).toBe('two')
    const refused = openFixture({ root, publishRoot: elsewhere })
    await expect(refused).rejects.toThrow(/publish_root '.*' is not the same tree as '.*'; mount the same export/)
  } finally {
    await through.close()
    await rm(elsewhere, { recursive: true, force: true })
  }
})
