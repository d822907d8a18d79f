import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { BindRequest, Client, InvalidCredentialsError } from 'ldapts'
import { expect, onTestFinished, test } from 'vitest'
import { makeAuthority } from './certificates.ts'
import { type StubLdapServerOptions, startStubLdapServer } from './stub-ldap-server.ts'

const PATIENT_MS = 10_000
const IMPATIENT_MS = 1500 // time enough for a handshake on a busy machine

async function started(options: Partial<StubLdapServerOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-stub-ldap-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const server = await startStubLdapServer({ directory, ...options })
  onTestFinished(() => server.stop())
  const connect = ({ ca = server.ca, timeoutMs = PATIENT_MS } = {}) => {
    const client = new Client({ url: server.url, tlsOptions: { ca }, timeout: timeoutMs, connectTimeout: timeoutMs })
    onTestFinished(() => client.unbind().catch(() => undefined))
    return client
  }
  return { server, connect, directory }
}

test('it takes a bind and answers a search, until it is told to hang', async () => {
  const { server, connect } = await started()
  const client = connect({ timeoutMs: IMPATIENT_MS })
  await client.bind('cn=x', 'y')
  expect((await client.search('dc=x')).searchEntries).toEqual([])
  server.behave({ search: 'silence' })
  await expect(client.search('dc=x')).rejects.toThrow(/timeout|timed out/i)
  expect(server.seen).toEqual({ connections: 1, binds: 1, searches: 2 })
})

test('it hangs after accept, before TLS', async () => {
  const { server, connect } = await started({ behaviour: { accept: 'silence' } })
  await expect(connect({ timeoutMs: IMPATIENT_MS }).bind('cn=x', 'y')).rejects.toThrow(/timeout/i)
  expect(server.seen.connections).toBe(1)
})

test.each([{ accept: 'reset' }, { bind: 'reset' }, { bind: 'reset in mid-answer' }] as const)(
  'it resets: %j',
  async (behaviour) => {
    const { connect } = await started({ behaviour })
    await expect(connect().bind('cn=x', 'y')).rejects.toThrow(/ECONNRESET|closed/i)
  },
)

test('in mid-answer, half of it arrives', async () => {
  const { server } = await started({ behaviour: { bind: 'reset in mid-answer' } })
  const socket = connectTls({ port: Number(new URL(server.url).port), host: '127.0.0.1', ca: server.ca })
  let received = 0
  socket.on('data', (piece) => {
    received += piece.length
  })
  socket.write(new BindRequest({ messageId: 1, dn: 'cn=x', password: 'y' }).write())
  const [error] = await once(socket, 'error')
  expect(error).toMatchObject({ code: 'ECONNRESET' })
  expect(received).toBe(7) // of 14
})

test('it refuses a bind with the words that it was given', async () => {
  const { connect } = await started({ behaviour: { bind: { code: 49, message: 'data 52e' } } })
  const error: unknown = await connect()
    .bind('cn=x', 'y')
    .catch((error: unknown) => error)
  expect(error).toBeInstanceOf(InvalidCredentialsError)
  expect(String(error)).toContain('data 52e')
})

test('its certificate can have expired, be of another name, or of another authority', async () => {
  const expired = await started({ days: '-1' })
  await expect(expired.connect().bind('cn=x', 'y')).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' })
  const misnamed = await started({ names: ['DNS:elsewhere.example.test'] })
  await expect(misnamed.connect().bind('cn=x', 'y')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  const { connect, directory } = await started()
  const other = await makeAuthority(join(directory, 'other'))
  await expect(connect({ ca: other.ca }).bind('cn=x', 'y')).rejects.toThrow(/verify|self-signed|signature/)
})
