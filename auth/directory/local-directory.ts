import { type KeyStore, openKeyStore } from '../keys/key-store.ts'
import type { MasterKey } from '../keys/master-key.ts'
import { cachedDirectory } from './cached.ts'
import type { Directory, ReportProblem } from './directory.ts'
import { joinedDirectory } from './joined.ts'
import { type LocalUsers, openLocalUsers } from './local-users.ts'

/** The embedded default: users of a TOML file, access keys of the key store. */
export type LocalDirectory = Directory & {
  readonly keys: KeyStore
  readonly users: Pick<LocalUsers, 'findUser' | 'findByName' | 'findGroup' | 'listUsers'>
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
  return { ...cachedDirectory(joinedDirectory(users, keys)), keys, users }
}
