/** A domain of its own with the seed's people, and gateways whose users they are. */
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Administrator, User } from '../../auth/testing/domain-administrator.ts'
import { type DomainController, startDomainController } from '../../auth/testing/domain-controller.ts'
import { type Seed, seedDomain } from '../../auth/testing/seed-domain.ts'
import { type Instance, type InstanceOptions, startInstance } from '../instance.ts'
import type { Credentials } from '../sign.ts'
import { readMasterKeyLines, type Secrets, secretsInFiles } from './secrets-in-files.ts'

export type Domain = {
  readonly controller: DomainController
  readonly administrator: Administrator
  readonly seed: Seed
  /** What a test has used, by what it is: `password of alice`. */
  readonly secrets: Map<string, string>
  /** Somebody new; the password is one of `secrets`. */
  addUser(name: string, password?: string): Promise<User>
  /**
   * Two workers with debug log and audit file; alice's key, unless `operator` is another one. Keys that it makes are of `secrets`.
   * `stop` throws where one of these stands in a log or in any other file of the gateway.
   */
  startGateway(options?: InstanceOptions): Promise<DomainInstance>
  /** After its gateways. */
  stop(): Promise<void>
}

export type DomainInstance = Instance & {
  readonly auditFile: string
  /** Names of the secrets that stand in a file, `<name> in <file>`. */
  findLeaks(secrets?: Secrets): Promise<readonly string[]>
}

/** @param lockoutThreshold wrong passwords until an account is locked, 0 for never. Default 3 */
export async function startDomain(options: { readonly lockoutThreshold?: number } = {}): Promise<Domain> {
  const directory = await mkdtemp('/tmp/causeway-domain-suite-')
  const controller = await startDomainController({ directory, ...options }).catch(async (error: unknown) => {
    await rm(directory, { recursive: true })
    throw error
  })
  const { administrator } = controller
  const seed = await seedDomain(administrator)
  const passwordFile = join(directory, 'bind-password')
  await writeFile(passwordFile, seed.svc.password, { mode: 0o600 })
  const secrets = new Map(Object.values(seed).map(({ name, password }) => [`password of ${name}`, password]))
  const identity = {
    provider: 'active-directory',
    servers: [controller.url],
    ca_file: controller.caFile,
    base_dn: controller.base,
    bind_dn: seed.svc.dn,
    bind_password_file: passwordFile,
    posix_ids: 'rfc2307',
  }
  const learn = (user: string, key: Credentials): Credentials => {
    secrets.set(`secret key ${key.accessKeyId} of ${user}`, key.secretAccessKey)
    return key
  }

  async function startGateway(options: InstanceOptions = {}): Promise<DomainInstance> {
    const { operator = 'alice', config = {}, account } = options
    const logs = await mkdtemp(join(directory, 'logs-'))
    if (account !== undefined) await chown(logs, account, account)
    const auditFile = join(logs, 'audit.log')
    const instance = await startInstance({
      ...options,
      operator,
      config: {
        ...config,
        identity: { ...identity, ...config.identity },
        log: { level: 'debug', audit_file: auditFile, ...config.log },
      },
    })
    learn(operator, instance.credentials)
    for (const [index, line] of (await readMasterKeyLines(instance)).entries())
      secrets.set(`line ${index} of the master key`, line)
    const findLeaks = async (wanted: Secrets = secrets) => {
      await mkdir(logs, { recursive: true })
      await writeFile(join(logs, 'output'), instance.output())
      return secretsInFiles(wanted, [instance.directory, logs])
    }
    return {
      ...instance,
      auditFile,
      findLeaks,
      createKey: async (user) => learn(user, await instance.createKey(user)),
      async stop() {
        const leaks = await findLeaks()
        await instance.stop()
        if (leaks.length > 0) throw new Error(`secrets in files: ${leaks.join('; ')}`)
      },
    }
  }

  return {
    controller,
    administrator,
    seed,
    secrets,
    async addUser(name, password) {
      const user = await administrator.addUser(name, {}, password)
      secrets.set(`password of ${name}`, user.password)
      return user
    },
    startGateway,
    async stop() {
      await controller.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
