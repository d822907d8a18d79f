/**
 * Suites that are run twice, with users of the file that a gateway keeps itself and with people of a domain: the vitest projects `whole`
 * and `domain` say which (vitest.config.ts).
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalUser } from '../auth/auth.ts'
import { canonicalIdOf } from '../auth/directory/active-directory/object-guid.ts'
import { startDomain } from './domain/start-domain.ts'
import { type Instance, type InstanceOptions, startInstance } from './instance.ts'

export type SuiteUser = { readonly id: string; readonly canonicalId: string; readonly userName: string }

export type SuiteUsers = {
  /** `createKey` of the instance adds a user who is not there yet. */
  start(options?: InstanceOptions): Promise<Instance>
  /** Resolves when every worker of the instance knows. */
  add(instance: Instance, name: string, password: string): Promise<SuiteUser>
  disable(instance: Instance, name: string): Promise<void>
  /** After the instances. */
  stop(): Promise<void>
}

export function suiteUsers(): Promise<SuiteUsers> {
  return process.env.CAUSEWAY_SUITE_USERS === 'domain' ? domainUsers() : localUsers()
}

/** A worker looks at the file once a second. */
const LOOK_MS = 1100

async function localUsers(): Promise<SuiteUsers> {
  const fileOf = ({ directory }: Instance) => join(directory, 'state/users.toml')
  return {
    start: startInstance,
    async add(instance, name, password) {
      const user = await createLocalUser(fileOf(instance), { name, password })
      await sleep(LOOK_MS)
      return user
    },
    async disable(instance, name) {
      const text = await readFile(fileOf(instance), 'utf8')
      await writeFile(fileOf(instance), text.replace(`name = "${name}"`, `name = "${name}"\ndisabled = true`))
    },
    stop: async () => {},
  }
}

async function domainUsers(): Promise<SuiteUsers> {
  const domain = await startDomain()
  return {
    async start(options) {
      const instance = await domain.startGateway(options)
      return {
        ...instance,
        async createKey(user) {
          await domain.administrator.find(user).catch(() => domain.addUser(user))
          return instance.createKey(user)
        },
      }
    },
    async add(_instance, name, password) {
      const { guid } = await domain.addUser(name, password)
      return { id: guid, canonicalId: canonicalIdOf(guid), userName: name }
    },
    disable: (_instance, name) => domain.administrator.disable(name),
    stop: domain.stop,
  }
}
