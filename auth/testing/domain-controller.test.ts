/** The lab itself: what other tests take for granted of it. Samba and root are needed; scripts/setup-ad installs Samba. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, type ClientOptions, InvalidCredentialsError, NoSuchObjectError } from 'ldapts'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { makeAuthority } from './certificates.ts'
import { type DomainController, startDomainController } from './domain-controller.ts'
import { sidText } from './object-ids.ts'
import { type Seed, seedDomain } from './seed-domain.ts'

const DONT_EXPIRE_PASSWORD = 0x1_00_00

let directory: string
let controller: DomainController
let seed: Seed

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-lab-ad-'))
  controller = await startDomainController({ directory })
  seed = await seedDomain(controller.administrator)
}, 200_000)

afterAll(async () => {
  await controller?.stop()
  await rm(directory, { recursive: true, force: true })
})

async function withClient<Result>(work: (client: Client) => Promise<Result>, options: Partial<ClientOptions> = {}) {
  const client = controller.client(options)
  try {
    return await work(client)
  } finally {
    await client.unbind().catch(() => undefined)
  }
}

const bind = (name: string, password: string) => withClient((client) => client.bind(name, password))

/** The number that Active Directory gives with a refused bind, e.g. 533. */
async function refusalOf(name: string, password: string): Promise<string | undefined> {
  const error = await bind(name, password).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(InvalidCredentialsError)
  return /data ([0-9a-f]+)/.exec(String(error))?.[1]
}

const tokenGroupsOf = (guid: string) =>
  withClient(async (client) => {
    await client.bind(seed.svc.dn, seed.svc.password)
    const { searchEntries } = await client.search(`<GUID=${guid}>`, {
      scope: 'base',
      attributes: ['tokenGroups', 'sAMAccountName', 'uidNumber', 'gidNumber'],
      explicitBufferAttributes: ['tokenGroups'],
    })
    const { tokenGroups = [], ...entry } = { ...searchEntries[0] }
    return { ...entry, groups: [tokenGroups].flat().map((sid) => sidText(Buffer.from(sid))) }
  })

test('the seed is found by its GUID over LDAPS, with nested groups and RFC 2307 numbers', async () => {
  const found = await tokenGroupsOf(seed.alice.guid)
  expect(found).toMatchObject({ sAMAccountName: 'alice', uidNumber: '20001', gidNumber: '21000' })
  const nested = await Promise.all(['data-scientists', 'research', 'staff'].map(controller.administrator.find))
  expect(found.groups).toEqual(expect.arrayContaining(nested.map(({ sid }) => sid)))
})

test('the password of the administrator does not expire, since the provisioned domain is kept', async () => {
  const account = await withClient(async (client) => {
    await client.bind(seed.svc.dn, seed.svc.password)
    const attributes = ['userAccountControl']
    const { searchEntries } = await client.search(`CN=Administrator,CN=Users,${controller.base}`, {
      scope: 'base',
      attributes,
    })
    return searchEntries[0]
  })
  expect(Number(account?.userAccountControl) & DONT_EXPIRE_PASSWORD).toBe(DONT_EXPIRE_PASSWORD)
})

test('people bind by DN, by UPN and by the name of the domain', async () => {
  for (const name of [seed.bob.dn, seed.bob.userPrincipalName, `${controller.netbiosName}\\bob`])
    await expect(bind(name, seed.bob.password)).resolves.toBeUndefined()
})

test('a certificate of another authority is refused', async () => {
  const { ca } = await makeAuthority(join(directory, 'other'))
  const answer = withClient((client) => client.bind(seed.bob.dn, seed.bob.password), { tlsOptions: { ca } })
  await expect(answer).rejects.toThrow(/unable to verify|self-signed|signature/)
})

test('disabled, expired and must-change accounts cannot bind with the right password', async () => {
  expect(await refusalOf(seed.dave.dn, seed.dave.password)).toBe('533')
  expect(await refusalOf(seed.erin.dn, seed.erin.password)).toBe('701')
  expect(await refusalOf(seed.frank.dn, seed.frank.password)).toBe('773')
})

test('three wrong passwords lock an account, and the administrator unlocks it', async () => {
  const { dn, password } = await controller.administrator.addUser('lockable')
  for (let tries = 0; tries < 3; tries++) expect(await refusalOf(dn, 'wrong')).toBe('52e')
  expect(await refusalOf(dn, password)).toBe('775')
  await controller.administrator.unlock('lockable')
  await bind(dn, password)
})

test('what the administrator does to a user shows', async () => {
  const { administrator } = controller
  const { dn, guid, password } = await administrator.addUser('mover')
  await administrator.addMember('research', 'mover')
  const research = (await administrator.find('research')).sid
  expect((await tokenGroupsOf(guid)).groups).toContain(research)
  await administrator.removeMember('research', 'mover')
  expect((await tokenGroupsOf(guid)).groups).not.toContain(research)

  await administrator.disable('mover')
  expect(await refusalOf(dn, password)).toBe('533')
  await administrator.enable('mover')
  await bind(dn, password)
  await administrator.setPassword('mover', 'An0ther!one')
  await bind(dn, 'An0ther!one')

  await administrator.rename('mover', 'moved')
  expect((await administrator.find('moved')).guid).toBe(guid)
  await bind(`moved@${controller.realm}`, 'An0ther!one')
  await administrator.remove('moved')
  await expect(administrator.find('moved')).rejects.toThrow(NoSuchObjectError)
  expect((await administrator.addUser('moved')).guid).not.toBe(guid)
})

test('a name with the signs of DNs and filters is a name', async () => {
  const name = "O'Brien (a) #1, \\ü"
  const { dn, guid } = await controller.administrator.addUser(name, { sAMAccountName: 'obrien' })
  expect(await controller.administrator.find(name)).toMatchObject({ dn, guid })
})

test('a paused controller answers nothing, a halted one refuses, and both come back with what they had', async () => {
  controller.pause()
  const answer = withClient((client) => client.bind(seed.bob.dn, seed.bob.password), {
    timeout: 300,
    connectTimeout: 300,
  })
  await expect(answer).rejects.toThrow(/timeout/i)
  controller.resume()
  await bind(seed.bob.dn, seed.bob.password)

  await controller.halt()
  await expect(bind(seed.bob.dn, seed.bob.password)).rejects.toThrow(/ECONNREFUSED/)
  await controller.restart()
  await bind(seed.bob.dn, seed.bob.password)
})

test('a replica has the same people under the same GUIDs, and a stopped one leaves neither process nor directory', async () => {
  const before = await readdir(directory)
  const replica = await controller.replica()
  expect(await replica.administrator.find('alice')).toEqual(await controller.administrator.find('alice'))
  expect(replica.url).not.toBe(controller.url)
  const { pid } = replica
  expect(existsSync(`/proc/${pid}`)).toBe(true)
  await replica.stop()
  expect(existsSync(`/proc/${pid}`)).toBe(false)
  expect(await readdir(directory)).toEqual(before)
})

test('a controller ends with the process that started it, even when that is killed while it is paused', async () => {
  const own = await mkdtemp(join(directory, 'killed-'))
  const module = fileURLToPath(new URL('domain-controller.ts', import.meta.url))
  const script = `import { startDomainController } from ${JSON.stringify(module)}
const controller = await startDomainController({ directory: ${JSON.stringify(own)} })
controller.pause()
console.log(controller.pid)
setInterval(() => undefined, 1000)`
  const starter = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void starter.kill('SIGKILL'))
  const [said] = await once(starter.stdout, 'data')
  const pid = Number(said)
  expect(existsSync(`/proc/${pid}`)).toBe(true)
  starter.kill('SIGKILL')
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000 }).toBe(false)
})

test('without Samba, or as an ordinary user, one sentence says what to do', async () => {
  onTestFinished(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })
  vi.stubEnv('PATH', '/nowhere')
  await expect(startDomainController({ directory })).rejects.toThrow(
    /^Samba is not installed.*; scripts\/setup-ad installs it\.$/,
  )
  vi.spyOn(process, 'getuid').mockReturnValue(1000)
  await expect(startDomainController({ directory })).rejects.toThrow(/as root only/)
})
