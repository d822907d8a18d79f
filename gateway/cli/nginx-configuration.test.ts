import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { nginxFiles } from '../../nginx/template.ts'
import { type Config, type ConfigOverrides, loadConfig, underDataDirectory } from '../config.ts'
import { ensureDirectories } from './first-run.ts'
import { writeNginxConfiguration } from './nginx-configuration.ts'

let home: string
let reloads: number
const reload = async () => {
  reloads++
}
const refuse = async () => {
  await reload()
  throw new Error('nginx refuses its configuration')
}

beforeEach(async () => {
  reloads = 0
  home = mkdtempSync(join(tmpdir(), 'causeway-nginx-'))
  await ensureDirectories({ config: configWith({}), home, options: '' })
  const { tls } = configWith({})
  writeFileSync(tls.certificate, 'certificate')
  writeFileSync(tls.key, 'key')
})
afterEach(() => rmSync(home, { recursive: true }))

const configWith = (changes: ConfigOverrides): Config =>
  loadConfig(undefined, { ...underDataDirectory(home), listen: { https: '127.0.0.1:8443' }, ...changes }, {})

const write = () => writeNginxConfiguration(configWith({}), ['/run/w.sock'])
const onDisk = () => readFileSync(nginxFiles(configWith({})).configFile, 'utf8')

test('nginx is not asked to reload when nothing of its own has changed: that closes the idle connections of clients', async () => {
  const nginx = await write()
  expect(await nginx.take(configWith({}), reload)).toBe(false)
  // The workers' business only.
  expect(await nginx.take(configWith({ namespace: { durability: 'relaxed' } }), reload)).toBe(false)
  expect(reloads).toBe(0)
})

test('nginx takes another configuration once', async () => {
  const nginx = await write()
  const changed = configWith({ limits: { connections_per_client: 7 } })
  expect(await nginx.take(changed, reload)).toBe(true)
  expect(onDisk()).toContain('limit_conn connections 7;')
  expect(await nginx.take(changed, reload)).toBe(false)
  expect(reloads).toBe(1)
})

test.each(['certificate', 'key'] as const)('nginx takes another %s in a file of the same name', async (which) => {
  const nginx = await write()
  writeFileSync(configWith({}).tls[which], 'renewed')
  expect(await nginx.take(configWith({}), reload)).toBe(true)
  expect(await nginx.take(configWith({}), reload)).toBe(false)
})

test('without https no certificate is read', async () => {
  rmSync(configWith({}).tls.certificate)
  const plain = configWith({ listen: { https: '', http: '127.0.0.1:8080' } })
  const nginx = await writeNginxConfiguration(plain, [])
  expect(await nginx.take(plain, reload)).toBe(false)
})

test('what nginx refuses is taken back, so that it starts again with what it had, and is tried again the next time', async () => {
  const nginx = await write()
  const before = onDisk()
  const broken = configWith({ limits: { connections_per_client: 7 } })
  for (const _ of [1, 2]) {
    await expect(nginx.take(broken, refuse)).rejects.toThrow('refuses')
    expect(onDisk()).toBe(before)
  }
  expect(reloads).toBe(2)
  expect(await nginx.take(configWith({}), reload)).toBe(false)
})
