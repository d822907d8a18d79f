import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asService } from '../../conformance/as-service.ts'
import { loadConfig, underDataDirectory } from '../config.ts'
import { describeIdentities, describeLocalUsers, describeService, probeRights } from './diagnose-rights.ts'
import { claimInstance } from './instance.ts'
import { capability } from './process-capabilities.ts'

const isRoot = process.getuid?.() === 0
const [uid, gid] = [30_003, 40_003]
const { SETUID, SETGID, DAC_READ_SEARCH, FOWNER, NET_BIND_SERVICE, DAC_OVERRIDE } = capability

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-rights-'))
  mkdirSync(join(directory, 'tree'))
  mkdirSync(join(directory, 'state'))
  if (isRoot) for (const name of ['', 'tree', 'state']) chownSync(join(directory, name), uid, gid)
})
afterAll(() => rmSync(directory, { recursive: true }))

const configOf = (enforcement: 'service' | 'kernel') =>
  loadConfig(undefined, { ...underDataDirectory(directory), identity: { enforcement } }, {})

const wanted = [SETUID, SETGID, DAC_READ_SEARCH, FOWNER]
const service = (bits: readonly number[], ownUid = uid) => {
  const set = new Set(bits)
  return { uid: ownUid, permitted: set, inheritable: set, ambient: set }
}

test('a gateway with the four capabilities, with that of ports or without, is in order', () => {
  expect(describeService(service(wanted))).toEqual([{ level: 'good', sentence: expect.any(String) }])
  expect(describeService(service([...wanted, NET_BIND_SERVICE]))).toMatchObject([{ level: 'good' }])
})

test.each([
  [[], /lacks CAP_SETUID, CAP_SETGID, CAP_DAC_READ_SEARCH, CAP_FOWNER, .*causeway-kernel\.conf.*setpriv/],
  [[SETUID, SETGID, DAC_READ_SEARCH], /lacks CAP_FOWNER, which/],
  [[SETUID, SETGID, FOWNER, NET_BIND_SERVICE], /lacks CAP_DAC_READ_SEARCH, which/],
  [[...wanted, DAC_OVERRIDE], /has CAP_DAC_OVERRIDE/],
])('a gateway with the capabilities %j cannot enforce as the kernel does', (bits, sentence) => {
  expect(describeService(service(bits))).toEqual([{ level: 'failure', sentence: expect.stringMatching(sentence) }])
})

test('what a gateway is permitted and does not hand on, its workers lack', () => {
  expect(describeService({ ...service(wanted), ambient: new Set([SETUID]) })).toEqual([
    { level: 'failure', sentence: expect.stringMatching(/lacks CAP_SETGID, CAP_DAC_READ_SEARCH, CAP_FOWNER, /) },
  ])
})

test('root is refused whatever it has', () => {
  expect(describeService(service(wanted, 0))).toEqual([
    { level: 'failure', sentence: expect.stringMatching(/runs as root/) },
  ])
})

test('a mount that wants tickets is a failure, one that decides by itself a warning', () => {
  const levels = (type: string, sec: string) =>
    describeIdentities({ type, mountPoint: '/mnt/x', options: new Map([['sec', sec]]), device: '0:52' }).map(
      ({ level }) => level,
    )
  expect(levels('nfs4', 'krb5p')).toEqual(['failure'])
  expect(levels('nfs4', 'sys')).toEqual([])
  expect(levels('fuse.glusterfs', 'sys')).toEqual(['warning'])
})

test("users without a uid are named, as many as can be read, and those with root's or the gateway's are failures", () => {
  const user = (userName: string, id?: number, disabled = false) => ({
    userName,
    disabled,
    posix: id === undefined ? undefined : { uid: id, gid: 1, groups: [] },
  })
  const of = (users: readonly ReturnType<typeof user>[]) => describeLocalUsers(users, '/etc/users.toml', 997)
  expect(of([user('alice', 1000), user('gone', undefined, true)])).toEqual([])
  expect(of([user('alice'), user('bob', 1001)])).toEqual([
    { level: 'warning', sentence: expect.stringMatching(/^alice is without uid and gid in \/etc\/users\.toml, /) },
  ])
  expect(of('abcdefg'.split('').map((name) => user(name)))[0]?.sentence).toMatch(/^a, b, c, d, e and 2 more are /)
  expect(of([user('alice', 0), user('bob', 997)])).toEqual([
    { level: 'failure', sentence: expect.stringMatching(/^alice has the uid 0 .* root's;/) },
    { level: 'failure', sentence: expect.stringMatching(/^bob has the uid 997 .* gateway's own;/) },
  ])
})

test('nothing is asked for with enforcement "service"', async () => {
  expect(await probeRights(configOf('service'))).toEqual([])
})

test('where nothing serves and doctor is no service, it says that it did not look; else the gateway that serves counts', async (context) => {
  if (!isRoot) context.skip('needs root')
  const config = configOf('kernel')
  expect(await probeRights(config)).toEqual([
    { level: 'warning', sentence: expect.stringMatching(/was not looked at: nothing serves/) },
  ])
  const release = await claimInstance(config.state.directory)
  try {
    expect(await probeRights(config)).toEqual([{ level: 'failure', sentence: expect.stringMatching(/runs as root/) }])
  } finally {
    await release()
  }
})

test('doctor started as the service is looks at itself; serve as root is refused before anything listens', async (context) => {
  if (!isRoot) context.skip('needs root')
  const config = join(directory, 'causeway.toml')
  writeFileSync(
    config,
    '[namespace]\nroot = "tree"\n[state]\ndirectory = "state"\n[identity]\nenforcement = "kernel"\n[listen]\nhttps = "127.0.0.1:1"\n',
  )
  const causeway = fileURLToPath(new URL('./causeway.ts', import.meta.url))
  const run = async (prefix: readonly string[], command: string) => {
    const [program = '', ...rest] = [...prefix, process.execPath, causeway, command, '--config', config]
    return await execa(program, rest, { reject: false, stdin: 'ignore', timeout: 20_000 })
  }
  const looked = await run(asService(uid, gid), 'doctor')
  expect(looked.stdout).toMatch(/^ok {3}The gateway has the capabilities with which calls run as the users\.$/m)

  const refused = await run([], 'serve')
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr).toMatch(/^causeway: identity\.enforcement is "kernel" and the gateway runs as root, [^\n]*$/)
})
