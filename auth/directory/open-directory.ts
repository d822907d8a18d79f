import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exclusively } from '../keys/exclusively.ts'
import { type KeyStore, openKeyStore } from '../keys/key-store.ts'
import type { MasterKey } from '../keys/master-key.ts'
import { type LiveGroupPolicies, openGroupPolicies } from '../policy/live-group-policies.ts'
import { type ActiveDirectoryEvent, openActiveDirectoryUsers } from './active-directory/active-directory-users.ts'
import { type CredentialFiles, readCredentials } from './active-directory/credentials.ts'
import { cachedDirectory } from './cached.ts'
import type { Directory, ReportProblem } from './directory.ts'
import { directoryWithPolicies } from './directory-with-policies.ts'
import { joinedDirectory } from './joined.ts'
import { openLocalDirectory } from './local-directory.ts'
import type { PosixIdOptions } from './posix-id.ts'
import type { User, Users } from './users.ts'

/** What the gateway works with, whoever knows the users. */
export type OpenDirectory = Directory & {
  readonly keys: KeyStore
  readonly users: Pick<Users, 'findUser' | 'findByName' | 'findGroup'> & {
    /** Where the gateway keeps the users itself. */
    readonly listUsers?: () => Promise<readonly User[]>
  }
  /** What who asks has by their groups; `findByAccessKey` and `findByUserId` answer with it. */
  readonly withPolicies: LiveGroupPolicies['withPolicies']
}

export type ActiveDirectoryProvider = CredentialFiles & {
  readonly provider: 'active-directory'
  /** ldaps:// URLs, the preferred controller first. */
  readonly servers: readonly string[]
  /** Of the domain. */
  readonly baseDn: string
  /** How long known users go on while no controller answers. */
  readonly staleGraceMs: number
  readonly lockedBlocksKeys: boolean
  readonly expiredPasswordBlocksKeys: boolean
  readonly posixIds: PosixIdOptions
}

export type Provider = { readonly provider: 'local'; readonly usersFile: string } | ActiveDirectoryProvider

export type OpenDirectoryOptions = {
  readonly provider: Provider
  readonly keysDirectory: string
  /** Of the groups' policies, absolute. */
  readonly policiesDirectory: string
  readonly masterKey: MasterKey
  readonly problems?: ReportProblem | undefined
  readonly events?: ((event: ActiveDirectoryEvent) => void) | undefined
}

/**
 * Rejects with a sentence where a file that the provider needs is missing or broken. That no controller answers is no reason not to open:
 * what does not need one works, and the rest is ServiceUnavailable until one does.
 */
export async function openDirectory(options: OpenDirectoryOptions): Promise<OpenDirectory> {
  const directory = await openProvider(options)
  const policies = await openGroupPolicies({ directory: options.policiesDirectory, problems: options.problems })
  return {
    ...directory,
    ...directoryWithPolicies(directory, policies),
    withPolicies: policies.withPolicies,
  }
}

async function openProvider(options: OpenDirectoryOptions): Promise<Omit<OpenDirectory, 'withPolicies'>> {
  const { provider, keysDirectory, masterKey, problems, events } = options
  if (provider.provider === 'local') {
    return openLocalDirectory({ usersFile: provider.usersFile, keysDirectory, masterKey, problems })
  }
  await readCredentials(provider)
  const users = openActiveDirectoryUsers({
    ...provider,
    readCredentials: () => readCredentials(provider),
    oneTrialAtATime: async (objectGuid, work) => {
      await mkdir(keysDirectory, { recursive: true, mode: 0o700 })
      return exclusively(join(keysDirectory, `.trial-${objectGuid}`), work)
    },
    events,
  })
  const keys = openKeyStore({ directory: keysDirectory, masterKey, problems })
  return { ...cachedDirectory(joinedDirectory(users, keys)), keys, users }
}
