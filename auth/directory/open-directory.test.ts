import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { createMasterKey, type MasterKey } from '../keys/master-key.ts'
import { type DomainController, startDomainController } from '../testing/domain-controller.ts'
import { type Seed, seedDomain } from '../testing/seed-domain.ts'
import { probeDomain } from './active-directory/probe-domain.ts'
import { type ActiveDirectoryProvider, type OpenDirectory, openDirectory } from './open-directory.ts'

let folder: string
let controller: DomainController
let seed: Seed
let masterKey: MasterKey
let provider: ActiveDirectoryProvider

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'open-directory-'))
  controller = await startDomainController({ directory: folder, lockoutThreshold: 5 })
  seed = await seedDomain(controller.administrator)
  masterKey = await createMasterKey(join(folder, 'master.key'))
  const bindPasswordFile = join(folder, 'bind-password')
  await writeFile(bindPasswordFile, `${seed.svc.password}\n`, { mode: 0o600 })
  provider = {
    provider: 'active-directory',
    servers: [controller.url],
    authoritiesFile: controller.caFile,
    baseDn: controller.base,
    bindDn: seed.svc.dn,
    bindPasswordFile,
    staleGraceMs: 300_000,
    lockedBlocksKeys: false,
    expiredPasswordBlocksKeys: false,
    posixIds: { from: 'none' },
  }
}, 200_000)
afterAll(async () => {
  await controller?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** As a worker has it. */
async function open(changes: Partial<ActiveDirectoryProvider> = {}): Promise<OpenDirectory> {
  const keysDirectory = join(folder, 'keys')
  const directory = await openDirectory({
    provider: { ...provider, ...changes },
    keysDirectory,
    policiesDirectory: `${keysDirectory}-policies`,
    masterKey,
  })
  onTestFinished(() => directory.close())
  return directory
}

it('a key of a user of the domain is theirs, whatever they are called, and of nobody who is called so later', async () => {
  const { administrator } = controller
  const { guid } = await administrator.addUser('gina')
  const [one, other] = [await open(), await open()]
  const { accessKeyId, secret } = await one.keys.createKey((await one.users.findByName('LAB\\gina'))?.id ?? '')
  expect((await one.keys.readKey(accessKeyId))?.user).toBe(guid)
  const before = await other.findByAccessKey(accessKeyId)
  expect(before).toMatchObject({ secret, identity: { userName: 'gina', accessKeyId } })
  await administrator.rename('gina', 'regina')
  await vi.waitFor(async () => {
    const identity = { userName: 'regina', canonicalId: before?.identity.canonicalId }
    expect(await other.findByAccessKey(accessKeyId)).toMatchObject({ identity })
  }, 3000)
  await administrator.remove('regina')
  await administrator.addUser('regina')
  await vi.waitFor(async () => expect(await other.findByAccessKey(accessKeyId)).toBeUndefined(), 3000)
})

it('a disabled user is out within 3 seconds on each worker, and back in as soon', async () => {
  const { administrator } = controller
  const { guid } = await administrator.addUser('hugo')
  const workers = [await open(), await open()]
  const { accessKeyId } = (await workers[0]?.keys.createKey(guid)) ?? { accessKeyId: '' }
  const known = () =>
    Promise.all(workers.map(async (worker) => (await worker.findByAccessKey(accessKeyId)) !== undefined))
  expect(await known()).toEqual([true, true])
  await administrator.disable('hugo')
  const begunMs = performance.now()
  await vi.waitFor(async () => expect(await known()).toEqual([false, false]), 3000)
  console.info(`a disabled user is out of two workers after ${(performance.now() - begunMs).toFixed(0)} ms`)
  await administrator.enable('hugo')
  await vi.waitFor(async () => expect(await known()).toEqual([true, true]), 3000)
})

it('while no controller answers, a key whose user is not known is told to come again, and so is a grant', async () => {
  const { keys } = await open()
  const { accessKeyId } = await keys.createKey(seed.carol.guid)
  const away = await open({ servers: ['ldaps://127.0.0.1:1'] })
  const unavailable = { name: 'AuthError', code: 'ServiceUnavailable' }
  await expect(away.findByAccessKey(accessKeyId)).rejects.toMatchObject(unavailable)
  await expect(away.findByEmail(seed.carol.userPrincipalName)).rejects.toMatchObject(unavailable)
  await expect(away.authenticate('carol', seed.carol.password)).rejects.toMatchObject(unavailable)
  expect(await away.findByAccessKey('CWNOBODY')).toBeUndefined()
})

it('neither workers nor spellings nor haste bring an account near its lockout', async () => {
  const { administrator } = controller
  const victim = await administrator.addUser('victim')
  const workers = await Promise.all([open(), open(), open()])
  const spellings = ['victim', 'LAB\\victim', 'VICTIM', 'victim@lab.example.test', 'victim@LAB']
  const tried = (password: string) =>
    Promise.all(workers.flatMap((worker) => spellings.map((spelling) => worker.authenticate(spelling, password))))
  const answers = await tried('wrong')
  expect(answers.filter((answer) => answer === undefined)).toHaveLength(3) // 5 - 2
  expect(answers.filter((answer) => answer === 'throttled')).toHaveLength(12)
  expect(new Set(await tried(victim.password))).toEqual(new Set(['throttled']))
  expect(await countOf(victim.dn)).toEqual(['3', '0'])
  await administrator.setAttributes('victim', { lockoutTime: '0' }) // as an administrator unlocks: the count begins anew
  expect(await workers[0]?.authenticate('victim', victim.password)).toMatchObject({ userId: victim.guid })
})

async function countOf(dn: string) {
  const client = controller.client()
  try {
    await client.bind(seed.svc.dn, seed.svc.password)
    const attributes = ['badPwdCount', 'msDS-User-Account-Control-Computed']
    const { searchEntries } = await client.search(dn, { scope: 'base', attributes })
    return attributes.map((attribute) => searchEntries[0]?.[attribute])
  } finally {
    await client.unbind()
  }
}

it('another bind password needs no restart', async () => {
  const svc = await controller.administrator.addUser('svc-too')
  const bindPasswordFile = join(folder, 'changing-password')
  await writeFile(bindPasswordFile, 'old', { mode: 0o600 })
  const directory = await open({ bindDn: svc.dn, bindPasswordFile })
  await expect(directory.users.findByName('alice')).rejects.toMatchObject({ code: 'ServiceUnavailable' })
  await writeFile(bindPasswordFile, svc.password)
  await vi.waitFor(async () => expect(await directory.users.findByName('alice')).toBeDefined(), 6000)
})

it('what it needs and does not find is one sentence before it serves', async () => {
  await expect(open({ authoritiesFile: '/nowhere/ca.pem' })).rejects.toThrow(
    'The authority of the directory, /nowhere/ca.pem, does not exist.',
  )
  const bindPasswordFile = join(folder, 'open-password')
  await writeFile(bindPasswordFile, 'secret')
  await chmod(bindPasswordFile, 0o644)
  await expect(open({ bindPasswordFile })).rejects.toThrow('Give it mode 0600')
})

it('doctor is told what keeps the domain from answering', async () => {
  const { url } = controller
  expect(await probeDomain(provider)).toEqual({ failure: undefined, controllers: [] })
  const one = await probeDomain({ ...provider, servers: ['ldaps://127.0.0.1:1', url] })
  expect(one).toEqual({
    failure: undefined,
    controllers: ['ldaps://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1'],
  })
  const none = await probeDomain({ ...provider, servers: ['ldaps://127.0.0.1:1'] })
  expect(none.failure).toBe('no domain controller answers')
  expect((await probeDomain({ ...provider, baseDn: 'DC=other,DC=test' })).failure).toMatch(/0x20|0xa/)
  const bindPasswordFile = join(folder, 'wrong-password')
  await writeFile(bindPasswordFile, 'wrong', { mode: 0o600 })
  expect((await probeDomain({ ...provider, bindPasswordFile })).controllers).toEqual([
    `${url}: the bind account or its password is refused`,
  ])
})
