import type { PosixIdOptions } from '#auth'
import type { Config } from './config.ts'

/** What [identity] says of the ids of directory users. */
export function posixIdOptions(identity: Config['identity']): PosixIdOptions {
  const { posixIds, sidRangeMin, sidRangeMax, sidSliceSize, sidDomains, sidDefaultDomain } = identity
  const { rfc2307PrimaryGroup, rfc2307IdMin, rfc2307IdMax } = identity
  const options = {
    none: { from: 'none' },
    sid: {
      from: 'sid',
      range: { min: sidRangeMin, max: sidRangeMax, sliceSize: sidSliceSize },
      domainSids: sidDomains,
      defaultDomainSid: sidDefaultDomain,
    },
    rfc2307: { from: 'rfc2307', primaryGroup: rfc2307PrimaryGroup, idMin: rfc2307IdMin, idMax: rfc2307IdMax },
  } as const satisfies Record<Config['identity']['posixIds'], PosixIdOptions>
  return options[posixIds]
}
