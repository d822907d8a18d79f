import type { Provider } from '#auth'
import type { Config } from './config.ts'
import { durationMs } from './duration.ts'
import { posixIdOptions } from './posix-id-options.ts'

/** Where users come from, as auth/ wants to hear it. The configuration has seen to it that nothing is missing. */
export function identityProvider({ identity }: Config): Provider {
  if (identity.provider === 'local') return { provider: 'local', usersFile: identity.usersFile }
  const { servers, caFile = '', baseDn = '', bindDn = '', bindPasswordFile = '' } = identity
  const { staleGrace, lockedBlocksKeys, expiredPasswordBlocksKeys } = identity
  return {
    provider: 'active-directory',
    ...{ servers, authoritiesFile: caFile, baseDn, bindDn, bindPasswordFile },
    staleGraceMs: durationMs(staleGrace),
    ...{ lockedBlocksKeys, expiredPasswordBlocksKeys },
    posixIds: posixIdOptions(identity),
  }
}
