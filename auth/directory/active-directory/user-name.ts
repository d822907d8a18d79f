/** A name as people type it → how the directory is asked for it. Pure. */
import type { Domain } from './queries.ts'

export type NameQuery = {
  readonly attribute: 'sAMAccountName' | 'userPrincipalName'
  readonly value: string
}

/** sAMAccountName may have 256 characters, userPrincipalName 1024; what is longer is nobody's and not asked for. */
const NAME_CHARACTERS_MAX = 1024

/** undefined: nobody can have this name. */
export function nameQueries(name: string, domain: Pick<Domain, 'netbiosName' | 'dnsName'>): readonly NameQuery[] {
  if (name === '' || name.length > NAME_CHARACTERS_MAX || name.includes('\0')) return []
  const backslash = name.indexOf('\\')
  if (backslash !== -1) {
    const value = name.slice(backslash + 1)
    return value !== '' && isSame(name.slice(0, backslash), domain.netbiosName)
      ? [{ attribute: 'sAMAccountName', value }]
      : []
  }
  const at = name.lastIndexOf('@')
  if (at === -1) return [{ attribute: 'sAMAccountName', value: name }]
  // A user's own UPN comes before the one that follows from account and domain, as at a logon.
  const implicit = [domain.dnsName, domain.netbiosName].some((suffix) => isSame(name.slice(at + 1), suffix))
  return [
    { attribute: 'userPrincipalName', value: name },
    ...(implicit && at > 0 ? [{ attribute: 'sAMAccountName', value: name.slice(0, at) } as const] : []),
  ]
}

function isSame(text: string, other: string): boolean {
  return other !== '' && text.toLowerCase() === other.toLowerCase()
}
