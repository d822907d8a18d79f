import type { Identity } from '../identity.ts'
import { type KeyStore, openKeyStore } from '../keys/key-store.ts'
import type { MasterKey } from '../keys/master-key.ts'
import { cachedDirectory } from './cached.ts'
import type { Directory, ReportProblem } from './directory.ts'
import { type LocalUser, type LocalUsers, openLocalUsers } from './local-users.ts'

/** The embedded default: users of a TOML file, access keys of the key store. */
export type LocalDirectory = Directory & {
  readonly keys: KeyStore
  readonly users: Pick<LocalUsers, 'findUser' | 'listUsers'>
}

export type LocalDirectoryOptions = {
  readonly usersFile: string
  readonly keysDirectory: string
  readonly masterKey: MasterKey
  readonly problems?: ReportProblem | undefined
}

/**
 * The users' file is looked at once a second and an answer about a key held for 0.75 seconds, so that a removed or disabled
 * key or user is out within 2 seconds in every process. Rejects with a sentence where the users' file is broken.
 */
export async function openLocalDirectory(options: LocalDirectoryOptions): Promise<LocalDirectory> {
  const { usersFile, keysDirectory, masterKey, problems } = options
  const users = await openLocalUsers({ path: usersFile, problems })
  const keys = openKeyStore({ directory: keysDirectory, masterKey, problems })
  return { ...cachedDirectory(joined(users, keys)), keys, users }
}

function joined(users: LocalUsers, keys: KeyStore): Directory {
  return {
    async findByAccessKey(accessKeyId) {
      const key = await keys.readKey(accessKeyId)
      if (key === undefined || key.disabled) return undefined
      const user = await users.findUser(key.user)
      if (user === undefined || user.disabled) return undefined
      return { secret: key.secret, identity: identityOf(user, accessKeyId) }
    },
    async authenticate(name, password) {
      const user = await users.checkPassword(name, password)
      return user && identityOf(user, '')
    },
    async findByCanonicalId(canonicalId) {
      const user = await users.findByCanonicalId(canonicalId)
      return user && identityOf(user, '')
    },
    async findByEmail(address) {
      const user = await users.findByEmail(address)
      return user && identityOf(user, '')
    },
    async close() {},
  }
}

function identityOf({ disabled: _, ...user }: LocalUser, accessKeyId: string): Identity {
  return { ...user, accessKeyId }
}
