import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Problem } from '../directory/directory.ts'
import { type KeyStore, openKeyStore, worksAt } from './key-store.ts'
import { createMasterKey, type MasterKey, readMasterKey } from './master-key.ts'

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

describe('a rotated key', () => {
  const hour = 3_600_000
  let nowMs = Date.parse('2026-11-28T12:00:00Z')
  const later = (ms: number) => new Date(nowMs + ms)
  beforeEach(() => {
    nowMs = Date.parse('2026-11-28T12:00:00Z')
    keys = openKeyStore({ directory, masterKey, now: () => new Date(nowMs) })
  })

  it('lives on for the overlap beside a new one of the same user, and not a moment longer', async () => {
    const old = await keys.createKey('alice')
    const made = await keys.rotateKey(old.accessKeyId, 24 * hour)
    expect(made?.user).toBe('alice')
    expect(made?.accessKeyId).not.toBe(old.accessKeyId)
    expect(made?.secret).not.toBe(old.secret)
    const found = await keys.readKey(old.accessKeyId)
    expect(found).toEqual({ ...old, expires: later(24 * hour) })
    if (made === undefined || found === undefined) throw new Error('no key')
    expect([later(0), later(24 * hour - 1), later(24 * hour)].map((at) => worksAt(found, at))).toEqual([
      true,
      true,
      false,
    ])
    expect(worksAt(made, later(1000 * 24 * hour))).toBe(true)
  })

  it('ends at once without an overlap', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    await keys.rotateKey(accessKeyId, 0)
    const found = await keys.readKey(accessKeyId)
    expect(found && worksAt(found, later(0))).toBe(false)
  })

  it('rotated again ends no later than was said first, but may end sooner', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    const expires = async () => (await keys.readKey(accessKeyId))?.expires
    await keys.rotateKey(accessKeyId, 2 * hour)
    await keys.rotateKey(accessKeyId, 9 * hour)
    expect(await expires()).toEqual(later(2 * hour))
    await keys.rotateKey(accessKeyId, hour)
    expect(await expires()).toEqual(later(hour))
    expect(await keys.listKeys()).toHaveLength(4)
  })

  it('is no longer rotated once it is disabled or has ended, and then no new key is made', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    await keys.disableKey(accessKeyId)
    await expect(keys.rotateKey(accessKeyId, hour)).rejects.toThrow('disabled')
    await keys.enableKey(accessKeyId)
    await keys.rotateKey(accessKeyId, 0)
    await expect(keys.rotateKey(accessKeyId, hour)).rejects.toThrow('ended')
    expect(await keys.listKeys()).toHaveLength(2)
    expect(await keys.rotateKey('CWNOBODY', hour)).toBeUndefined()
  })

  it('keeps its end when it is disabled and enabled', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    await keys.rotateKey(accessKeyId, hour)
    await keys.disableKey(accessKeyId)
    await keys.enableKey(accessKeyId)
    expect((await keys.readKey(accessKeyId))?.expires).toEqual(later(hour))
  })

  it('with an end that is no time is damaged: it is refused', async () => {
    const { accessKeyId } = await keys.createKey('alice')
    await keys.rotateKey(accessKeyId, hour)
    const text = await readFile(pathOf(accessKeyId), 'utf8')
    await writeFile(pathOf(accessKeyId), text.replace(/"expires": "[^"]*"/, '"expires": "some day"'))
    expect(await keys.readKey(accessKeyId)).toBeUndefined()
  })
})

describe('sealed again under a new master key', () => {
  let path = ''
  const line = (byte: number) => `${Buffer.alloc(32, byte).toString('base64')}\n`
  const under = async (...bytes: number[]) => {
    await writeFile(path, bytes.map(line).join(''), { mode: 0o600 })
    return openKeyStore({ directory, masterKey: await readMasterKey(path), problems: (told) => problems.push(told) })
  }
  beforeEach(() => {
    path = join(folder, 'several.key')
  })

  it('each key is what it was, and the former master key is needed no more', async () => {
    const before = await under(1)
    const made = await Promise.all(['alice', 'bob', 'carol'].map((user) => before.createKey(user)))
    const [first, second] = made
    if (first === undefined || second === undefined) throw new Error('no key')
    await before.disableKey(first.accessKeyId)
    await before.rotateKey(second.accessKeyId, 60_000)
    const was = await Promise.all((await before.listKeys()).map(({ accessKeyId }) => before.readKey(accessKeyId)))
    expect(await (await under(2, 1)).resealKeys()).toEqual({ resealed: 4, damaged: [] })
    const alone = await under(2)
    expect(await Promise.all((await alone.listKeys()).map((key) => alone.readKey(key.accessKeyId)))).toEqual(was)
    expect(await alone.resealKeys()).toEqual({ resealed: 0, damaged: [] })
  })

  it('a damaged record stays as it is and is named; the others are sealed again', async () => {
    const before = await under(1)
    const [good, bad] = await Promise.all([before.createKey('alice'), before.createKey('bob')])
    const text = (await readFile(pathOf(bad.accessKeyId), 'utf8')).replace('"bob"', '"eve"')
    await writeFile(pathOf(bad.accessKeyId), text)
    const after = await under(2, 1)
    expect(await after.resealKeys()).toEqual({ resealed: 1, damaged: [bad.accessKeyId] })
    expect(await readFile(pathOf(bad.accessKeyId), 'utf8')).toBe(text)
    expect((await (await under(2)).readKey(good.accessKeyId))?.secret).toBe(good.secret)
  })

  it('a key that is disabled, rotated or removed in that very moment stays so, and is sealed again all the same', async () => {
    const store = await under(1)
    const ids = await Promise.all(
      ['alice', 'bob', 'carol'].map(async (user) => (await store.createKey(user)).accessKeyId),
    )
    const [disabled = '', rotated = '', removed = ''] = ids
    await under(2, 1)
    const both = await readMasterKey(path)
    const began: Promise<unknown>[] = []
    // Asked for when the record has been read and before it is replaced: once each.
    const verbs = [store.disableKey, (id: string) => store.rotateKey(id, 60_000), store.removeKey]
    const names = await readdir(directory)
    const interrupted: MasterKey = {
      ...both,
      findSubkey(purpose, id) {
        const accessKeyId = names[began.length]?.replace('.json', '') ?? ''
        const verb = verbs[ids.indexOf(accessKeyId)]
        if (verb !== undefined) began.push(verb(accessKeyId))
        return both.findSubkey(purpose, id)
      },
    }
    await openKeyStore({ directory, masterKey: interrupted }).resealKeys()
    await Promise.all(began)
    expect(began).toHaveLength(3)
    const next = openKeyStore({ directory, masterKey: both })
    expect((await next.readKey(disabled))?.disabled).toBe(true)
    expect((await next.readKey(rotated))?.expires).toBeDefined()
    expect(await next.readKey(removed)).toBeUndefined()
    const sealedBy = async (id: string) => JSON.parse(await readFile(pathOf(id), 'utf8')).keyId
    const current = both.subkey('access-keys').id
    expect([await sealedBy(disabled), await sealedBy(rotated)]).toEqual([current, current])
  })

  it('says how many keys each line of the master key still has to open', async () => {
    const store = await under(1)
    await store.createKey('alice')
    const next = await under(2, 1)
    await next.createKey('alice')
    await next.createKey('bob')
    const ids = (await readMasterKey(path)).subkeys('access-keys').map(({ id }) => id)
    expect((await next.countBySubkey()).get(ids[0] ?? '')).toBe(2)
    expect((await next.countBySubkey()).get(ids[1] ?? '')).toBe(1)
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
