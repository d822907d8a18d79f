import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMasterKey, ensureMasterKey, readMasterKey } from './master-key.ts'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'master-key-'))
  path = join(folder, 'master.key')
})
afterEach(() => rm(folder, { recursive: true }))

describe('the master key', () => {
  it('is 32 random bytes in base64, readable by its owner alone, and nothing else is left behind', async () => {
    await createMasterKey(path)
    const text = await readFile(path, 'utf8')
    expect(Buffer.from(text, 'base64')).toHaveLength(32)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['master.key'])
  })

  it('is never overwritten', async () => {
    const first = await createMasterKey(path)
    await expect(createMasterKey(path)).rejects.toMatchObject({ code: 'EEXIST' })
    expect((await readMasterKey(path)).id).toBe(first.id)
    expect(await readdir(folder)).toEqual(['master.key'])
  })

  it('is the same for all who start at once', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => ensureMasterKey(path)))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(1)
  })

  it('gives every purpose a key of its own, the same at each start', async () => {
    const key = await createMasterKey(path)
    const again = await readMasterKey(path)
    const purposes = ['access-keys', 'records', 'continuation-tokens', 'session-tokens'] as const
    expect(new Set(purposes.map((purpose) => key.subkey(purpose).bytes.toString('hex'))).size).toBe(4)
    expect(new Set([key.id, ...purposes.map((purpose) => key.subkey(purpose).id)]).size).toBe(5)
    for (const purpose of purposes) {
      expect(key.subkey(purpose).bytes).toHaveLength(32)
      expect(key.subkey(purpose).id).toMatch(/^[0-9a-f]{8}$/)
      expect(again.subkey(purpose)).toEqual(key.subkey(purpose))
      expect(again.findSubkey(purpose, key.subkey(purpose).id)).toEqual(key.subkey(purpose))
    }
    expect(key.findSubkey('records', key.subkey('access-keys').id)).toBeUndefined()
  })

  it('derives what it derived yesterday: these bytes seal what lies on disks', async () => {
    await writeFile(path, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
    const key = await readMasterKey(path)
    expect({
      id: key.id,
      records: key.subkey('records').id,
      bytes: key.subkey('records').bytes.toString('hex'),
    }).toEqual({
      id: 'c5b1e055',
      records: 'fe7a1d50',
      bytes: '0a1e688389507a4b206846bb665e5dea850b53a13fbda82875d1b25e342f7135',
    })
  })

  it('keeps former keys for what they sealed', async () => {
    const former = await createMasterKey(path)
    const text = await readFile(path, 'utf8')
    const lines = `# 2026\n${Buffer.alloc(32, 1).toString('base64')}  # new\n\n${text}`
    await writeFile(path, lines)
    const key = await readMasterKey(path)
    expect(key.id).not.toBe(former.id)
    const { id, bytes } = former.subkey('access-keys')
    expect(key.findSubkey('access-keys', id)?.bytes).toEqual(bytes)
    expect(key.subkey('access-keys').id).not.toBe(id)
  })

  it('is refused when others may read it, when it is missing and when it is damaged', async () => {
    await expect(readMasterKey(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await createMasterKey(path)
    await chmod(path, 0o640)
    await expect(readMasterKey(path)).rejects.toThrow('chmod 600')
    await chmod(path, 0o600)
    for (const text of ['', 'c2hvcnQ=\n', '# nothing\n', `${'A'.repeat(43)}=\nrubbish\n`]) {
      await writeFile(path, text)
      await expect(readMasterKey(path)).rejects.toThrow('damaged')
    }
  })
})
