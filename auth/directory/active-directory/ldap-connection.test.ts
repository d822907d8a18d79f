import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type Authority, makeAuthority } from '../../testing/certificates.ts'
import { type StubLdapServer, type StubLdapServerOptions, startStubLdapServer } from '../../testing/stub-ldap-server.ts'
import { type LdapServer, LdapUnreachable, ldapConnection } from './ldap-connection.ts'

const BASE = 'DC=lab,DC=example,DC=test'
const QUICK = { connectTimeoutMs: 300, answerTimeoutMs: 300 } as const

let directory = ''
let authority: Authority

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ldap-connection-'))
  authority = await makeAuthority(join(directory, 'authority'))
})
afterAll(() => rm(directory, { recursive: true }))

async function started(options: Partial<StubLdapServerOptions> = {}) {
  const server = await startStubLdapServer({
    directory: await mkdtemp(join(directory, 'stub-')),
    authority,
    ...options,
  })
  onTestFinished(() => server.stop())
  return server
}

function connectTo(
  server: Pick<StubLdapServer, 'url' | 'ca'>,
  changes: Partial<LdapServer> = {},
  bindPassword = 'secret',
) {
  const readCredentials = async () => ({ authorities: server.ca, bindDn: `CN=svc,${BASE}`, bindPassword })
  const connection = ldapConnection({ url: server.url, readCredentials, ...QUICK, ...changes })
  onTestFinished(() => connection.close())
  return connection
}

const search = (connection: ReturnType<typeof connectTo>) => connection.search(BASE, { scope: 'base' })

it('sixteen at once on a cold connection are one connection with one bind', async () => {
  const server = await started()
  const connection = connectTo(server)
  const answers = await Promise.all(Array.from({ length: 16 }, () => search(connection)))
  expect(new Set(answers.map((answer) => answer.connection)).size).toBe(1)
  expect(server.seen).toEqual({ connections: 1, binds: 1, searches: 16 })
})

it('a connection that was cut is made anew, bound, for all who wait', async () => {
  const server = await started()
  const connection = connectTo(server)
  const { connection: before } = await search(connection)
  server.behave({ search: 'reset' })
  const cut = Promise.all(Array.from({ length: 16 }, () => search(connection).catch((error: unknown) => error)))
  while (server.seen.searches === 1) await setImmediate() // the first cut; the second connection is to be a good one
  server.behave({ search: { code: 0 } })
  for (const answer of await cut) expect(answer).toMatchObject({ entries: [] })
  expect((await search(connection)).connection).not.toBe(before)
  expect(server.seen.binds).toBe(server.seen.connections)
})

it.each<[string, Parameters<StubLdapServer['behave']>[0], RegExp]>([
  ['hangs after accept', { accept: 'silence' }, /timeout/i],
  ['hangs at the bind', { bind: 'silence' }, /timed out/],
  ['hangs at a search', { search: 'silence' }, /timed out|closed/],
  ['resets at once', { accept: 'reset' }, /ECONNRESET|disconnected/],
  ['resets in the middle of an answer', { search: 'reset in mid-answer' }, /closed|ECONNRESET|Expected 0x/],
  ['is busy', { search: { code: 51 } }, /0x33/],
  ['refuses the bind account', { bind: { code: 49, message: 'data 52e' } }, /bind account or its password is refused/],
])('a controller that %s is unreachable, soon and for everybody who asks', async (_, behaviour, reason) => {
  const server = await started({ behaviour })
  const connection = connectTo(server)
  const begunMs = performance.now()
  const errors = await Promise.all(
    Array.from({ length: 8 }, () =>
      search(connection).then(
        () => undefined,
        (error: unknown) => error,
      ),
    ),
  )
  expect(performance.now() - begunMs).toBeLessThan(1500)
  for (const error of errors) {
    expect(error).toBeInstanceOf(LdapUnreachable)
    expect(String(error)).toMatch(reason)
  }
  server.behave({ accept: 'TLS', bind: { code: 0 }, search: { code: 0 } })
  if (!/bind account/.test(reason.source)) expect(await search(connection)).toMatchObject({ entries: [] })
})

it('a password that was refused is not tried again until it is another one: the bind account would be locked', async () => {
  const server = await started({ behaviour: { bind: { code: 49, message: 'data 52e' } } })
  let bindPassword = 'old'
  const connection = connectTo(server, {
    readCredentials: async () => ({ authorities: server.ca, bindDn: `CN=svc,${BASE}`, bindPassword }),
  })
  for (let tries = 0; tries < 5; tries++) await expect(search(connection)).rejects.toThrow('is refused')
  expect(server.seen.binds).toBe(1)
  server.behave({ bind: { code: 0 } })
  bindPassword = 'new'
  expect(await search(connection)).toMatchObject({ entries: [] })
})

it.each([
  ['has expired', { days: '-1' }, /certificate has expired/],
  ['is another host’s', { names: ['DNS:elsewhere.example.test'] }, /altnames/],
])('a certificate that %s is refused, and nothing is sent', async (_, options, reason) => {
  const server = await started(options)
  await expect(search(connectTo(server))).rejects.toThrow(reason)
  expect(server.seen.binds).toBe(0)
})

it('an authority that is not the configured one is refused, whatever the environment says', async () => {
  const server = await started()
  const { ca } = await makeAuthority(join(directory, 'other'))
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  onTestFinished(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  })
  const connection = connectTo({ url: server.url, ca })
  await expect(search(connection)).rejects.toThrow(/verify|self-signed|signature/)
  await expect(connection.checkPassword(`CN=alice,${BASE}`, 'secret')).rejects.toThrow(LdapUnreachable)
  expect(server.seen.binds).toBe(0)
})

it('there is no way without TLS', async () => {
  await expect(search(connectTo({ url: 'ldap://127.0.0.1:389', ca: authority.ca }))).rejects.toThrow('not ldaps://')
})

it('an object that is gone is no failure, and other results are told with their code', async () => {
  const server = await started({ behaviour: { search: { code: 32 } } })
  const connection = connectTo(server)
  expect((await search(connection)).entries).toEqual([])
  await expect(connection.search(BASE, { scope: 'sub' })).rejects.toMatchObject({ code: 32 }) // the base is no domain
  server.behave({ search: { code: 10 } }) // a referral: the base is another domain's, which nobody here follows
  await expect(search(connection)).rejects.toMatchObject({ code: 10 })
  server.behave({ search: { code: 50 } })
  await expect(search(connection)).rejects.toMatchObject({ code: 50 })
  expect(server.seen.connections).toBe(1)
})

it('an empty password or DN is refused before anything is sent: a directory may call that bind a success', async () => {
  const server = await started()
  const connection = connectTo(server)
  expect(await connection.checkPassword(`CN=alice,${BASE}`, '')).toBe(false)
  expect(await connection.checkPassword(`CN=alice,${BASE}`, '\0')).toBe(false)
  expect(await connection.checkPassword('', 'secret')).toBe(false)
  await expect(search(connectTo(server, {}, ''))).rejects.toThrow(LdapUnreachable)
  expect(server.seen).toEqual({ connections: 0, binds: 0, searches: 0 })
})

it('a password is tried on a connection of its own, which is closed again', async () => {
  const server = await started()
  const connection = connectTo(server)
  await search(connection)
  expect(await connection.checkPassword(`CN=alice,${BASE}`, 'secret')).toBe(true)
  server.behave({ bind: { code: 49, message: 'data 52e' } })
  expect(await connection.checkPassword(`CN=alice,${BASE}`, 'wrong')).toBe(false)
  await search(connection)
  expect(server.seen).toEqual({ connections: 3, binds: 3, searches: 2 })
  server.behave({ bind: { code: 51 } })
  await expect(connection.checkPassword(`CN=alice,${BASE}`, 'secret')).rejects.toThrow(LdapUnreachable)
})

it.each<[string, Parameters<StubLdapServer['behave']>[0]]>([
  ['hangs after accept', { accept: 'silence' }],
  ['hangs at the bind', { bind: 'silence' }],
  ['resets at once', { accept: 'reset' }],
  ['resets instead of an answer', { bind: 'reset' }],
  ['resets in the middle of a success', { bind: 'reset in mid-answer' }],
  ['refers to another one', { bind: { code: 10 } }],
  ['wants another bind first', { bind: { code: 14 } }],
])('by a controller that %s no password is right, nor is it wrong', async (_, behaviour) => {
  const connection = connectTo(await started({ behaviour }))
  const begunMs = performance.now()
  await expect(connection.checkPassword(`CN=alice,${BASE}`, 'secret')).rejects.toThrow(LdapUnreachable)
  expect(performance.now() - begunMs).toBeLessThan(1500)
})

it('a closed connection stays closed', async () => {
  const server = await started()
  const connection = connectTo(server)
  await search(connection)
  await connection.close()
  await expect(search(connection)).rejects.toThrow('closed')
  expect(server.seen.connections).toBe(1)
})
