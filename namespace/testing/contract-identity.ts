/** Identity per call: enforced by the kernel, never leaking into another call. Needs root, to make files of others. */
import { chmodSync, chownSync, mkdirSync, promises, statfsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { PosixIdentity } from '../files.ts'
import type { OpenedFiles } from './contract-tree.ts'
import { contentOf, statOnly, type Tree, testOnTree } from './contract-tree.ts'

/** statfs(2) */
const NFS_SUPER_MAGIC = 0x6969

const user = (uid: number, gid = uid, groups: readonly number[] = []): PosixIdentity => ({ uid, gid, groups })

/** Skips unless this process may switch and the mount lets it give files away (an NFS export with root_squash does not). */
function plant(tree: Tree, skip: (why: string) => never, name: string, uid: number, gid: number, mode: number): void {
  if (process.getuid?.() !== 0) skip('not root')
  const path = join(tree.directory, name)
  writeFileSync(path, `content of ${name}`)
  try {
    chownSync(path, uid, gid)
  } catch {
    skip('this mount gives no file away')
  }
  chmodSync(path, mode)
  chmodSync(tree.directory, 0o755)
}

export function identityContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree('uid, gid and supplementary groups decide what a call may read', async (tree, skip) => {
    plant(tree, skip, 'own', 2000, 3000, 0o600)
    plant(tree, skip, 'group', 2000, 3000, 0o640)
    const read = (identity: PosixIdentity | undefined, path: string) =>
      contentOf(tree.files.as(identity), path).catch((error) => error.code)
    expect(await read(user(2000), 'own')).toBe('content of own')
    expect(await read(user(2001), 'own')).toBe('EACCES')
    expect(await read(user(2001, 3000), 'group')).toBe('content of group')
    expect(await read(user(2001, 2001, [4, 3000, 5]), 'group')).toBe('content of group')
    expect(await read(user(2001, 2001, [4, 3001, 5]), 'group')).toBe('EACCES')
    expect(await read(undefined, 'own')).toBe('content of own')
  })

  onTree('a thousand supplementary groups count', async (tree, skip) => {
    if (statfsSync(tree.directory).type === NFS_SUPER_MAGIC)
      skip('NFS carries 16 groups of a caller; more only count where the server looks them up itself')
    plant(tree, skip, 'group', 2000, 3000, 0o640)
    const groups = Array.from({ length: 1000 }, (_, i) => 2500 + i)
    expect(await contentOf(tree.files.as(user(2001, 2001, groups)), 'group')).toBe('content of group')
  })

  onTree('what a user makes is theirs, and what they may not is refused', async (tree, skip) => {
    plant(tree, skip, 'other', 2000, 2000, 0o644)
    mkdirSync(join(tree.directory, 'shared'))
    chmodSync(join(tree.directory, 'shared'), 0o777)
    const calls = tree.files.as(user(2001, 3001))
    await calls.close(await calls.create('shared/f', 0o600, true))
    expect(statSync(join(tree.directory, 'shared/f'))).toMatchObject({ uid: 2001, gid: 3001 })
    await expect(calls.create('f', 0o600, true)).rejects.toMatchObject({ code: 'EACCES' })
    await expect(calls.makeDirectory('d', 0o700)).rejects.toMatchObject({ code: 'EACCES' })
    await expect(calls.unlink('other')).rejects.toMatchObject({ code: 'EACCES' })
    await expect(calls.open('other', 'write')).rejects.toMatchObject({ code: 'EACCES' })
    expect(await calls.statMany('', [Buffer.from('other'), Buffer.from('absent')], '')).toMatchObject([
      { stat: { uid: 2000 } },
      undefined,
    ])
  })

  onTree('a name that may not be read is an empty slot of statMany', async (tree, skip) => {
    plant(tree, skip, 'own', 2000, 2000, 0o600)
    expect(await tree.files.as(user(2001)).statMany('', [Buffer.from('own')], '')).toEqual([undefined])
  })

  onTree('a link from where one user reaches to where another may write, and nowhere else', async (tree, skip) => {
    plant(tree, skip, 'theirs', 2000, 2000, 0o600)
    const inTree = (name: string) => join(tree.directory, name)
    for (const [name, uid] of [
      ['private', 2000],
      ['other', 2001],
    ] as const) {
      mkdirSync(inTree(name))
      chownSync(inTree(name), uid, uid)
      chmodSync(inTree(name), 0o700)
    }
    await promises.rename(inTree('theirs'), inTree('private/theirs'))
    const link = (finder: PosixIdentity | undefined, maker: PosixIdentity | undefined, target: string) =>
      tree.files
        .linkAcross({ path: 'private/theirs', identity: finder }, { path: target, identity: maker })
        .catch((error) => error.code)
    expect(await link(user(2001), user(2001), 'other/a')).toBe('EACCES')
    expect(await link(user(2000), user(2000), 'other/a')).toBe('EACCES')
    expect(await link(user(2000), user(2001), 'other/a')).toBeUndefined()
    expect(await link(user(2000), user(2001), 'other/a')).toBe('EEXIST')
    expect(await link(undefined, user(2001), 'other/b')).toBeUndefined()
    expect(await link(user(2000), undefined, 'c')).toBeUndefined()
    expect(statSync(inTree('private/theirs'))).toMatchObject({ uid: 2000, nlink: 4 })
    // The thread is the service's again.
    await tree.files.as(undefined).unlink('c')
  })

  onTree('who may make names in a directory is asked of the file system', async (tree, skip) => {
    plant(tree, skip, 'file', 2000, 2000, 0o600)
    mkdirSync(join(tree.directory, 'd'))
    chownSync(join(tree.directory, 'd'), 2000, 3000)
    const mayWriteIn = (identity: PosixIdentity, path: string) =>
      tree.files
        .as(identity)
        .mayWriteIn(path)
        .catch((error) => error.code)
    chmodSync(join(tree.directory, 'd'), 0o770)
    expect(await mayWriteIn(user(2000), 'd')).toBe(true)
    expect(await mayWriteIn(user(2001, 2001, [3000]), 'd')).toBe(true)
    expect(await mayWriteIn(user(2001), 'd')).toBe(false)
    chmodSync(join(tree.directory, 'd'), 0o722)
    // Without the right to enter it, that to write is worth nothing.
    expect(await mayWriteIn(user(2001), 'd')).toBe(false)
    expect(await mayWriteIn(user(2000), 'absent')).toBe('ENOENT')
    expect(await mayWriteIn(user(2000), 'file')).toBe('ENOTDIR')
  })

  onTree('a mode is changed by the owner alone', async (tree, skip) => {
    plant(tree, skip, 'own', 2000, 2000, 0o644)
    const setMode = async (identity: PosixIdentity) => {
      const calls = tree.files.as(identity)
      const descriptor = await calls.open('own', 'read')
      await calls.setMode(descriptor, 0o604).finally(() => calls.close(descriptor))
    }
    await expect(setMode(user(2001))).rejects.toMatchObject({ code: 'EPERM', syscall: 'fchmod' })
    await setMode(user(2000))
    expect(statSync(join(tree.directory, 'own')).mode & 0o7777).toBe(0o604)
  })

  onTree('a user may publish into a directory they can write but not read', async (tree, skip) => {
    plant(tree, skip, 'x', 2000, 2000, 0o600)
    mkdirSync(join(tree.directory, 'drop'))
    chmodSync(join(tree.directory, 'drop'), 0o733)
    const calls = tree.files.as(user(2001))
    const descriptor = await calls.create('drop/.s3-1', 0o644, true)
    await calls.publish(descriptor, 'drop/.s3-1', 'drop/key', {
      mtimeNs: 1n,
      flushFile: true,
      replace: true,
      flushDirectory: true,
    })
    expect((await calls.find('drop/key', statOnly))?.stat.uid).toBe(2001)
    await calls.close(descriptor)
  })

  onTree('uid 0 and the value that reads back are refused', async (tree, skip) => {
    plant(tree, skip, 'own', 2000, 2000, 0o600)
    for (const identity of [user(0), user(0xffff_ffff), user(2000, 0xffff_ffff)])
      await expect(tree.files.as(identity).find('own', statOnly)).rejects.toMatchObject({
        code: 'EPERM',
        syscall: 'setfsuid',
      })
    expect(() => tree.files.as(user(2 ** 32 + 2000))).toThrow('32 bits')
    expect(() => tree.files.as(user(-1))).toThrow('32 bits')
    await expect(tree.files.as(user(2000)).find('own', statOnly)).resolves.toBeDefined()
  })

  onTree('mixed identities under load never leak, into one another or into the process', async (tree, skip) => {
    for (let i = 0; i < 8; i++) plant(tree, skip, `of-${2000 + i}`, 2000 + i, 2000 + i, 0o600)
    plant(tree, skip, 'of-root', 0, 0, 0o600)
    const identities = Array.from({ length: 8 }, (_, i) => user(2000 + i, 2000 + i, [3000 + i]))
    let wrong = 0
    let done = 0
    const end = Date.now() + 1500
    const one = async (seed: number) => {
      for (let n = seed; Date.now() < end; n += 7) {
        const reader = n % 9
        const owner = (n * 31 + seed) % 8
        const identity = identities[reader]
        const content = await contentOf(tree.files.as(identity), `of-${2000 + owner}`).catch((error) => error.code)
        const wanted = identity === undefined || reader === owner ? `content of of-${2000 + owner}` : 'EACCES'
        if (content !== wanted) wrong++
        if (n % 11 === 0 && (await promises.readFile(join(tree.directory, 'of-root'), 'utf8')) !== 'content of of-root')
          wrong++
        done++
      }
    }
    await Promise.all(Array.from({ length: 100 }, (_, seed) => one(seed)))
    expect(wrong).toBe(0)
    expect(done).toBeGreaterThan(100)
    expect(process.getuid?.()).toBe(0)
    expect(process.getgroups?.()).not.toContain(3000)
  })
}
