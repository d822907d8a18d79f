import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createMasterKey, rekeyMasterKey } from '#auth'
import type { Capabilities, MountInfo } from '#namespace'
import { loadConfig, underDataDirectory } from '../config.ts'
import { ensureCertificate } from './certificate.ts'
import { describeGroups, describeMount, diagnose, requireMounts } from './diagnose.ts'
import type { Diagnosis } from './diagnosis.ts'
import { ensureDirectories } from './first-run.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-doctor-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const able: Capabilities = {
  openat2: true,
  attributes: true,
  attributeBytesMax: 65_536,
  hardLinks: true,
  locks: true,
  clone: true,
  caseSensitive: true,
  preservesNames: true,
  timeGranularityNs: 1,
  switchIdentity: false,
}

async function all(config: ReturnType<typeof loadConfig>): Promise<Diagnosis[]> {
  const explain = (error: unknown) => (error instanceof Error ? error.message : String(error))
  const found: Diagnosis[] = []
  for await (const each of diagnose(config, explain)) found.push(each)
  return found
}

const sentences = (found: readonly Diagnosis[], level: Diagnosis['level']) =>
  found.filter((each) => each.level === level).map(({ sentence }) => sentence)

test.each<[Partial<Capabilities>, Diagnosis['level'], RegExp]>([
  [{ openat2: false }, 'failure', /openat2/],
  [{ caseSensitive: false }, 'failure', /"a" and "A"/],
  [{ preservesNames: false }, 'failure', /normalisation/],
  [{ hardLinks: false }, 'failure', /hard links/],
  [{ attributes: false, attributeBytesMax: 0 }, 'warning', /side-car/],
  [{ attributeBytesMax: 900 }, 'warning', /small attributes/],
  [{ locks: false }, 'warning', /pool\.workers = 1/],
  [{ timeGranularityNs: 1_000_000_000 }, 'warning', /coarse times/],
  [{ clone: false }, 'good', /all that is needed/],
])('a mount with %o is a %s', (missing, level, sentence) => {
  const found = describeMount('/mnt/x', { ...able, ...missing })
  expect(found).toHaveLength(1)
  expect(found[0]?.level).toBe(level)
  expect(found[0]?.sentence).toMatch(sentence)
})

test('a mount with sec=sys is told to cut groups, one with Kerberos is not', () => {
  const mount = (sec: string): MountInfo => ({
    type: 'nfs4',
    mountPoint: '/mnt/x',
    options: new Map([['sec', sec]]),
    device: '0:52',
  })
  expect(describeGroups(mount('sys'), 'service')).toEqual([
    { level: 'good', sentence: expect.stringMatching(/^\/mnt\/x is mounted with sec=sys, .* at most 16 /) },
  ])
  expect(describeGroups(mount('krb5'), 'service')).toEqual([])
})

test('before the first start nothing fails, and nothing is made', async () => {
  const config = loadConfig(
    undefined,
    { ...underDataDirectory(join(directory, 'none')), listen: { https: '127.0.0.1:0' } },
    {},
  )
  expect(sentences(await all(config), 'failure')).toEqual([])
  expect(() => rmSync(join(directory, 'none'))).toThrow('ENOENT')
})

test('a tree that others may write is warned of, unless what lies in it stays with its owner', async () => {
  const home = join(directory, 'shared')
  const config = loadConfig(undefined, { ...underDataDirectory(home), listen: { https: '127.0.0.1:0' } }, {})
  await ensureDirectories({ config, home, options: '' })
  const warned = async (mode: number) => {
    chmodSync(config.namespace.root, mode)
    return sentences(await all(config), 'warning').filter((sentence) => sentence.startsWith('Others may write'))
  }
  expect(await warned(0o755)).toEqual([])
  expect(await warned(0o777)).toEqual([expect.stringContaining('chmod +t')])
  expect(await warned(0o1777)).toEqual([])
})

test('an audit file is looked at where there is to be one', async () => {
  const settings = underDataDirectory(join(directory, 'none'))
  const about = async (log: { audit_file?: string }) =>
    (await all(loadConfig(undefined, { ...settings, log, listen: { https: '127.0.0.1:0' } }, {}))).filter(
      ({ sentence }) => sentence.includes('audit'),
    )
  expect(await about({})).toEqual([])
  const file = join(directory, 'audit.log')
  expect(sentences(await about({ audit_file: file }), 'good')).toEqual([
    `${file} does not exist yet; the first start makes it.`,
  ])
  writeFileSync(file, '')
  expect(sentences(await about({ audit_file: file }), 'good')).toEqual([`The audit file ${file} can be written.`])
  expect(sentences(await about({ audit_file: `${file}/below` }), 'failure')).toEqual([
    expect.stringMatching(/^log\.audit_file is .*, and this account may not make it in /),
  ])
})

/** Only root may mount, and not in every container. */
function mayMount(): boolean {
  const tried = spawnSync('/usr/bin/unshare', ['-m', '/bin/mount', '--bind', '/tmp', '/tmp'])
  return process.getuid?.() === 0 && tried.status === 0
}

test.skipIf(!mayMount())('a further root may be mounted read-only, the tree itself may not', async () => {
  const [home, archive] = [join(directory, 'reader'), join(directory, 'archive')]
  mkdirSync(archive)
  const settings = underDataDirectory(home)
  const config = loadConfig(
    undefined,
    { ...settings, namespace: { ...settings.namespace, roots: [archive] }, listen: { https: '127.0.0.1:0' } },
    {},
  )
  await ensureDirectories({ config, home, options: '' })
  execFileSync('/bin/mount', ['--bind', archive, archive])
  try {
    execFileSync('/bin/mount', ['-o', 'remount,bind,ro', archive])
    const found = await all(config)
    expect(sentences(found, 'failure')).toEqual([])
    expect(sentences(found, 'good')).toContain(
      `${archive} is mounted read-only: buckets mapped there can be listed and read, and each change is refused (ReadOnlyTree).`,
    )
    await expect(requireMounts(config)).resolves.toBeUndefined()

    const tree = { ...config, namespace: { ...config.namespace, root: archive, roots: [] } }
    expect(sentences(await all(tree), 'failure').join()).toContain('read-only file system')
  } finally {
    execFileSync('/bin/umount', ['-l', archive])
  }
})

test('a master key from before the last rekey is a failure', async () => {
  const home = join(directory, 'rekeyed')
  const config = loadConfig(undefined, underDataDirectory(home), {})
  await ensureDirectories({ config, home, options: '' })
  const { masterKeyFile } = config.identity
  await createMasterKey(masterKeyFile)
  const before = readFileSync(masterKeyFile)
  await rekeyMasterKey({ masterKeyFile, keysDirectory: join(home, 'tree/.causeway/keys') })
  expect(sentences(await all(config), 'failure').filter((sentence) => /master key/.test(sentence))).toEqual([])
  writeFileSync(masterKeyFile, before)
  expect(sentences(await all(config), 'failure')).toContainEqual(
    expect.stringMatching(/^The access keys are sealed with the master key [0-9a-f]{8}, .* copy the file /),
  )
})

test('a port in use, a damaged certificate and a damaged master key are failures, each in one sentence', async () => {
  const home = join(directory, 'used')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const config = loadConfig(undefined, { ...underDataDirectory(home), listen: { https: `127.0.0.1:${port}` } }, {})
  await ensureDirectories({ config, home, options: '' })
  const files = { authority: join(home, 'state/ca.pem'), ...config.tls }
  await ensureCertificate(files, ['localhost'], new Date())
  writeFileSync(config.identity.masterKeyFile, 'not a key\n', { mode: 0o600 })
  const found = sentences(await all(config), 'failure')
  expect(found).toEqual([
    expect.stringMatching(/^The master key \S+ is damaged: /),
    `Port ${port} is in use; stop what uses it, or choose another one with --port.`,
  ])

  writeFileSync(config.tls.certificate, 'not a certificate')
  expect(sentences(await all(config), 'failure')[0]).toMatch(/holds no certificate in PEM/)
  await new Promise((resolve) => server.close(resolve))
})
