import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Problem } from '../directory/directory.ts'
import { type KeyStore, openKeyStore } from './key-store.ts'
import { createMasterKey, type MasterKey } from './master-key.ts'

let folder = ''
let directory = ''
let masterKey: MasterKey
let problems: Problem[] = []
let keys: KeyStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'key-store-'))
  directory = join(folder, 'tree', 'keys')
  masterKey = await createMasterKey(join(folder, 'master.key'))
  problems = []
  keys = openKeyStore({ directory, masterKey, problems: (problem) => problems.push(problem) })
})
afterEach(() => rm(folder, { recursive: true }))

const pathOf = (id: string) => join(directory, `${id}.json`)

describe('an access key', () => {
  it('comes back as it was made, from any process with the master key', async () => {
    const made = await keys.createKey('alice')
    expect(made).toMatchObject({ user: 'alice', disabled: false })
    expect(made.accessKeyId).toMatch(/^CW[A-Z2-7]{18}$/)
    expect(made.secret).toMatch(/^[A-Za-z0-9]{40}$/)
    expect(await openKeyStore({ directory, masterKey }).readKey(made.accessKeyId)).toEqual(made)
    expect(problems).toEqual([])
  })

  it('lies sealed in a file of mode 0600, alone in a directory of mode 0700', async () => {
    const { accessKeyId, secret } = await keys.createKey('alice')
    expect(await readFile(pathOf(accessKeyId), 'utf8')).not.toContain(secret)
    expect((await stat(pathOf(accessKeyId))).mode & 0o777).toBe(0o600)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect(await readdir(directory)).toEqual([`${accessKeyId}.json`])
  })

  it('can be disabled, enabled and removed', async () => {
    const { accessKeyId, secret } = await keys.createKey('alice')
    expect(await keys.disableKey(accessKeyId)).toBe(true)
    expect(await keys.readKey(accessKeyId)).toMatchObject({ disabled: true, secret })
    expect(await keys.enableKey(accessKeyId)).toBe(true)
    expect(await keys.readKey(accessKeyId)).toMatchObject({ disabled: false, secret })
    expect(await keys.removeKey(accessKeyId)).toBe(true)
    expect(await keys.readKey(accessKeyId)).toBeUndefined()
    expect(await readdir(directory)).toEqual([])
    expect([await keys.removeKey(accessKeyId), await keys.disableKey(accessKeyId)]).toEqual([false, false])
  })

  it('can be brought along, but not twice', async () => {
    const brought = {
      accessKeyId: '0555b35654ad1656d804',
      secret: 'h7GhxuBLTrlhVUyxSPUKUV8r/2EI4ngqJxD7iBdBYLhwluN30JaT3Q==',
    }
    await keys.importKey('bob', brought)
    expect(await keys.readKey(brought.accessKeyId)).toMatchObject({ ...brought, user: 'bob' })
    await expect(keys.importKey('eve', brought)).rejects.toThrow('already')
    expect(await keys.readKey(brought.accessKeyId)).toMatchObject({ user: 'bob' })
    expect(await readdir(directory)).toHaveLength(1)
  })

  it.each(['../../etc/passwd', 'a/b', '.hidden', 'ab', '', 'a\0bc', 'a'.repeat(129), 'a+bc'])(
    'cannot be called %j, and asking for it touches no file',
    async (accessKeyId) => {
      await expect(keys.importKey('eve', { accessKeyId, secret: 'secretsecret' })).rejects.toThrow('access key id')
      expect(await keys.readKey(accessKeyId)).toBeUndefined()
      expect(await keys.removeKey(accessKeyId)).toBe(false)
      expect(await keys.disableKey(accessKeyId)).toBe(false)
      expect(problems).toEqual([])
    },
  )

  it('is listed by user, without its secret', async () => {
    expect(await keys.listKeys()).toEqual([])
    await keys.importKey('bob', { accessKeyId: 'BBB', secret: 'secretsecret' })
    await keys.importKey('alice', { accessKeyId: 'CCC', secret: 'secretsecret' })
    await keys.importKey('alice', { accessKeyId: 'AAA', secret: 'secretsecret' })
    await keys.disableKey('AAA')
    const list = await keys.listKeys()
    expect(list.map(({ user, accessKeyId, disabled }) => [user, accessKeyId, disabled])).toEqual([
      ['alice', 'AAA', true],
      ['alice', 'CCC', false],
      ['bob', 'BBB', false],
    ])
    expect(JSON.stringify(list)).not.toContain('secret')
  })
})

describe('a damaged key file is an unknown key and told once:', () => {
  const damages: readonly (readonly [string, (text: string) => string])[] = [
    ['empty', () => ''],
    ['cut', (text) => text.slice(0, 40)],
    ['no key', () => '{"v":1}'],
    ['of a newer version', (text) => text.replace('"v": 1', '"v": 2')],
    ['given to another user', (text) => text.replace('alice', 'mallory')],
    [
      'with a changed secret',
      (text) => text.replace(/"sealed": "(.)/, (_, first) => `"sealed": "${first === 'A' ? 'B' : 'A'}`),
    ],
    ['with a nonce too short', (text) => text.replace(/"nonce": "[^"]*"/, '"nonce": ""')],
    ['with a secret too short', (text) => text.replace(/"sealed": "[^"]*"/, '"sealed": "AAAA"')],
    ['of another master key', (text) => text.replace(/"keyId": "[^"]*"/, '"keyId": "00000000"')],
  ]

  it.each(damages)('%s', async (_, damage) => {
    const { accessKeyId } = await keys.createKey('alice')
    const before = await readFile(pathOf(accessKeyId), 'utf8')
    const after = damage(before)
    expect(after).not.toBe(before)
    await writeFile(pathOf(accessKeyId), after)
    expect(await keys.readKey(accessKeyId)).toBeUndefined()
    expect(await keys.readKey(accessKeyId)).toBeUndefined()
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ path: pathOf(accessKeyId) })
  })

  it('renamed to another id', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    await rename(pathOf(accessKeyId), pathOf('CWAAA'))
    expect(await keys.readKey('CWAAA')).toBeUndefined()
    expect(problems).toHaveLength(1)
  })

  it('and does not hide the others from a list', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    await writeFile(pathOf('BROKEN'), '{')
    expect((await keys.listKeys()).map((key) => key.accessKeyId)).toEqual([accessKeyId])
  })
})
