import type { PosixIdOptions } from './posix-id.ts'
import { sidMapping } from './sid-mapping.ts'

/** How a directory service is asked for the user of a uid. */
export type UidQuery =
  | { readonly attribute: 'uidNumber'; readonly value: string }
  | { readonly attribute: 'objectSid'; readonly value: string }

/** undefined: it is nobody's, whoever is in the directory. */
export type UidQueries = (uid: number) => UidQuery | undefined

/**
 * The inverse of posixIds.
 *
 * @param ownDomainSid of the domain whose controllers are asked; used where ids are made of SIDs
 *
 * Throws a sentence where two domains fall on the same ids.
 */
export function uidQueries(options: PosixIdOptions, ownDomainSid: string): UidQueries {
  switch (options.from) {
    case 'none':
      return () => undefined
    case 'sid': {
      const { sidOf } = sidMapping({ ...options, domainSids: [ownDomainSid, ...options.domainSids] })
      return (uid) => {
        const value = sidOf(uid)
        return value === undefined ? undefined : { attribute: 'objectSid', value }
      }
    }
    case 'rfc2307':
      return (uid) =>
        uid >= options.idMin && uid <= options.idMax ? { attribute: 'uidNumber', value: String(uid) } : undefined
  }
}
