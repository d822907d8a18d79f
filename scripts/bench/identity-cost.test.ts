import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLocalUser, createMasterKey, openKeyStore, readMasterKey } from '#auth'
import { loadConfig, underDataDirectory } from '../../gateway/config.ts'
import { identityCost, paceCost } from './identity-cost.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'identity-cost-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function openTree() {
  const config = loadConfig(undefined, underDataDirectory(directory), {})
  for (const each of [config.namespace.root, config.state.directory]) await mkdir(each)
  await createMasterKey(config.identity.masterKeyFile)
  const { id } = await createLocalUser(config.identity.usersFile, { name: 'alice' })
  const masterKey = await readMasterKey(config.identity.masterKeyFile)
  const keys = openKeyStore({ directory: join(config.namespace.root, '.causeway', 'keys'), masterKey })
  return { config, accessKeyId: (await keys.createKey(id)).accessKeyId }
}

it('asks as often as is said, and as often as the pace alone does', async () => {
  const { config, accessKeyId } = await openTree()
  const pace = { perSecond: 100, seconds: 0.25 }
  expect(await identityCost(config, [accessKeyId], pace)).toMatchObject({ requests: 25 })
  expect(await paceCost(pace)).toMatchObject({ requests: 25 })
})

it('makes no figure of a key that the directory does not know', async () => {
  const { config, accessKeyId } = await openTree()
  const asked = identityCost(config, [accessKeyId, 'CWUNKNOWN'], { perSecond: 100, seconds: 0.25 })
  await expect(asked).rejects.toThrow('the directory knows no access key CWUNKNOWN')
})
