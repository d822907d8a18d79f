import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMasterKey, type MasterKey } from '../keys/master-key.ts'
import { type LocalDirectory, openLocalDirectory } from './local-directory.ts'
import { createLocalUser } from './local-users.ts'

let folder = ''
let masterKey: MasterKey
let usersFile = ''
/** Two, as two workers would have. */
let one: LocalDirectory
let other: LocalDirectory

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local-directory-'))
  usersFile = join(folder, 'users.toml')
  masterKey = await createMasterKey(join(folder, 'master.key'))
  await createLocalUser(usersFile, { name: 'alice', groups: ['staff'], password: 'open sesame' })
  one = await open()
  other = await open()
})
afterEach(async () => {
  await one.close()
  await other.close()
  await rm(folder, { recursive: true })
})

function open(): Promise<LocalDirectory> {
  return openLocalDirectory({ usersFile, keysDirectory: join(folder, 'keys'), masterKey })
}

describe('the local directory', () => {
  it('finds the user of a key', async () => {
    const { accessKeyId, secret } = await one.keys.createKey('alice')
    const alice = await one.users.findUser('alice')
    expect(await other.findByAccessKey(accessKeyId)).toEqual({
      secret,
      identity: {
        userName: 'alice',
        displayName: 'alice',
        canonicalId: alice?.canonicalId,
        groups: ['staff'],
        accessKeyId,
      },
    })
    expect(await other.findByAccessKey('CWUNKNOWN')).toBeUndefined()
  })

  it('knows no key of a user who does not exist', async () => {
    const { accessKeyId } = await one.keys.createKey('nobody')
    expect(await one.findByAccessKey(accessKeyId)).toBeUndefined()
  })

  it('knows a rotated key until its overlap is over, without anybody doing anything then', async () => {
    const { accessKeyId } = await one.keys.createKey('alice')
    expect(await other.findByAccessKey(accessKeyId)).toBeDefined()
    const made = await one.keys.rotateKey(accessKeyId, 1500)
    await sleep(800)
    expect(await other.findByAccessKey(accessKeyId)).toBeDefined()
    await sleep(1500)
    expect(await other.findByAccessKey(accessKeyId)).toBeUndefined()
    expect((await other.findByAccessKey(made?.accessKeyId ?? ''))?.identity.userName).toBe('alice')
  })

  it('knows who a grant names, without a key', async () => {
    const user = await one.users.findUser('alice')
    const found = await one.findByCanonicalId(user?.canonicalId ?? '')
    expect(found).toMatchObject({ userName: 'alice', displayName: 'alice', accessKeyId: '' })
    expect(found).not.toHaveProperty('disabled')
    expect(await one.findByCanonicalId('f'.repeat(64))).toBeUndefined()
    expect(await one.findByEmail('alice@example.com')).toBeUndefined()
    await createLocalUser(usersFile, { name: 'bob', email: 'bob@example.com' })
    await sleep(1100)
    expect(await other.findByEmail('bob@example.com')).toMatchObject({ userName: 'bob', accessKeyId: '' })
  })

  it('knows users by their password', async () => {
    expect(await one.authenticate('alice', 'open sesame')).toMatchObject({
      userId: 'alice',
      identity: { userName: 'alice', accessKeyId: '' },
    })
    expect(await one.authenticate('alice', 'open')).toBeUndefined()
  })

  it('a removed or disabled key or user is out within 2 seconds, in every process', async () => {
    for (const name of ['bob', 'carol', 'dave']) await createLocalUser(usersFile, { name })
    const both = [await open(), await open()]
    const names = ['alice', 'bob', 'carol', 'dave'] as const
    const made = await Promise.all(names.map((name) => one.keys.createKey(name)))
    const ids = made.map(({ accessKeyId }) => accessKeyId)
    const known = () => Promise.all(both.flatMap(({ findByAccessKey }) => ids.map(findByAccessKey)))
    const withSession = () => Promise.all(both.flatMap(({ findByUserId }) => ['carol', 'dave'].map(findByUserId)))
    expect(await known()).not.toContain(undefined)
    expect(await withSession()).not.toContain(undefined)
    await one.keys.removeKey(ids[0] ?? '')
    await one.keys.disableKey(ids[1] ?? '')
    const text = await readFile(usersFile, 'utf8')
    await writeFile(
      usersFile,
      text.replace('name = "carol"', 'name = "carol"\ndisabled = true').replace('"dave"', '"eve"'),
    )
    await sleep(2000)
    expect(await known()).toEqual(Array(8).fill(undefined))
    expect(await withSession()).toEqual(Array(4).fill(undefined))
  })
})
