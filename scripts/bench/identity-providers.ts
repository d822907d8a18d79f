/** One tree, served by a gateway with the local provider and by one with Active Directory, for the same requests. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { openKeyStore, readMasterKey } from '#auth'
import { startDomainController } from '../../auth/testing/domain-controller.ts'
import { seedDomain } from '../../auth/testing/seed-domain.ts'
import { type Config, loadConfig } from '../../gateway/config.ts'
import { askedWith, type Gateway, startGateway } from './gateway-server.ts'
import { clientOf } from './one-request.ts'
import { preparer } from './prepare.ts'
import { BUCKET, type LoadScenario } from './scenario.ts'
import type { Server } from './server.ts'
import type { Credentials } from './signed-request.ts'

/** The users of one provider, and the gateway that has it. */
export type Provider = {
  readonly name: string
  readonly config: Config
  readonly anonymous: Server
  readonly signed: Server
  /** With which it is signed, in turn. */
  readonly accessKeyIds: readonly string[]
}

const CAUSEWAY = fileURLToPath(new URL('../causeway', import.meta.url))
const REGION = 'us-east-1'

/**
 * The bucket is bob's of the domain, and its policy lets everybody read: one line decides for whoever asks, alice of either provider or nobody.
 *
 * @param keys how many each alice signs with, in turn
 * @param opened gets what ends them, in the order they were started
 */
export async function startProviders(
  { directory, scenario, keys }: { readonly directory: string; readonly scenario: LoadScenario; readonly keys: number },
  opened: (() => Promise<unknown>)[],
): Promise<readonly Provider[]> {
  const s3 = { public_access_block: false, region: REGION }
  const local = await startGateway(join(directory, 'local'), { name: 'local', durability: 'strict', config: { s3 } })
  opened.push(() => local.stop())
  const identity = {
    ...(await startDomain(directory, opened)),
    master_key_file: join(local.stateDirectory, 'master.key'),
  }
  const config = { s3, identity }
  const domain = await startGateway(join(directory, 'domain'), {
    name: 'active-directory',
    durability: 'strict',
    tree: local.tree,
    config,
  })
  opened.push(() => domain.stop())

  await prepare(askedWith(domain, 'owner', await makeKeys(domain, 'bob', 1)), scenario)
  return [await providerOf(local, keys), await providerOf(domain, keys)]
}

async function providerOf(gateway: Gateway, count: number): Promise<Provider> {
  const { name, configFile } = gateway
  const keys = await makeKeys(gateway, 'alice', count)
  return {
    name,
    config: loadConfig(configFile, {}, {}),
    anonymous: askedWith(gateway, `${name}, anonymous`, []),
    signed: askedWith(gateway, name, keys),
    accessKeyIds: keys.map(({ accessKeyId }) => accessKeyId),
  }
}

/** What [identity] says of it. */
async function startDomain(directory: string, opened: (() => Promise<unknown>)[]) {
  const controller = await startDomainController({ directory })
  opened.push(() => controller.stop())
  const { svc } = await seedDomain(controller.administrator)
  const passwordFile = join(directory, 'bind-password')
  await writeFile(passwordFile, svc.password, { mode: 0o600 })
  return {
    provider: 'active-directory',
    servers: [controller.url],
    ca_file: controller.caFile,
    base_dn: controller.base,
    bind_dn: svc.dn,
    bind_password_file: passwordFile,
  }
}

async function prepare(owner: Gateway, scenario: LoadScenario): Promise<void> {
  await preparer().prepare(scenario, owner)
  const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${BUCKET}/*` }
  const client = clientOf(owner, 'http')
  const wanted = { method: 'PUT', bucket: BUCKET, key: '', query: 'policy=', payload: 'unsigned' } as const
  await client.send(wanted, Buffer.from(JSON.stringify({ Version: '2012-10-17', Statement })))
  await client.close()
}

/** The first as a person makes it, who is added where the gateway keeps the users itself; a command for each of many would take minutes. */
async function makeKeys({ configFile, tree }: Gateway, user: string, count: number): Promise<readonly Credentials[]> {
  const { stdout } = await execa(CAUSEWAY, ['keys', 'create', user, '--config', configFile], { stdin: 'ignore' })
  const value = (name: string) => new RegExp(`^${name}=(.+)$`, 'm').exec(stdout)?.[1] ?? ''
  const first = { accessKeyId: value('AWS_ACCESS_KEY_ID'), secretAccessKey: value('AWS_SECRET_ACCESS_KEY') }
  const masterKey = await readMasterKey(loadConfig(configFile, {}, {}).identity.masterKeyFile)
  const store = openKeyStore({ directory: join(tree, '.causeway', 'keys'), masterKey })
  const { user: userId = '' } = (await store.readKey(first.accessKeyId)) ?? {}
  const keys = [{ ...first, region: REGION }]
  while (keys.length < count) {
    const { accessKeyId, secret } = await store.createKey(userId)
    keys.push({ accessKeyId, secretAccessKey: secret, region: REGION })
  }
  return keys
}
