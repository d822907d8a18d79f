/**
 * Who a statement is about.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/security_iam_service-with-iam.html#s3-bucket-user-policy-specifying-principal-intro
 */
import { isOwner } from '../owner-ids.ts'
import type { Person } from '../person.ts'
import { malformed } from './malformed.ts'

export type Principal =
  /** Callers without a name, too. */
  | { readonly kind: 'everyone' }
  /** A canonical id, or an account's number: here every user is an account of their own, and so is a group, whose members it stands for. */
  | { readonly kind: 'account'; readonly id: string }
  /** By the name in the directory, by the canonical id or, in a Windows domain, by the SID. */
  | { readonly kind: 'user'; readonly name: string }
  /** A group of the directory, which AWS does not have as a principal; by its name or SID. */
  | { readonly kind: 'group'; readonly name: string }
  /** Roles and services of AWS: accepted, because policies come with them; nobody here is one. */
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'federated'; readonly name: string }

type Parse = (value: string) => Principal | undefined

const kinds = new Map<string, Parse>([
  ['AWS', parseAws],
  ['CanonicalUser', (id) => (/^[0-9a-f]{64}$/.test(id) ? { kind: 'account', id } : undefined)],
  ['Service', (name) => ({ kind: 'service', name })],
  ['Federated', (name) => ({ kind: 'federated', name })],
])

/** @param kind AWS, CanonicalUser, Service or Federated. Throws MalformedPolicy. */
export function parsePrincipal(kind: string, value: string): Principal {
  const principal = kinds.get(kind)?.(value)
  if (principal === undefined) throw malformed('Invalid principal in policy')
  return principal
}

/** `arn:aws:iam::<account>:user/<name>`; the account says nothing where names are unique in the directory. */
function parseAws(value: string): Principal | undefined {
  if (value === '*') return { kind: 'everyone' }
  if (/^([0-9a-f]{64}|\d{12})$/.test(value)) return { kind: 'account', id: value }
  const [, service, account = '', resource = ''] = /^arn:aws:(iam|sts):[^:]*:([^:*?]*):([^*?]+)$/s.exec(value) ?? []
  if (service === undefined) return undefined
  if (resource === 'root') return { kind: 'account', id: account }
  const [, type, name] = /^(user|group)\/(.+)$/s.exec(resource) ?? []
  if (name === undefined)
    return /^(role|assumed-role|federated-user)\/./.test(resource) ? { kind: 'service', name: value } : undefined
  return { kind: type === 'group' ? 'group' : 'user', name }
}

export function isPrincipal(principal: Principal, identity: Person | undefined): boolean {
  if (principal.kind === 'everyone') return true
  if (identity === undefined) return false
  if (principal.kind === 'account') return isOwner(identity, principal.id)
  const { name } = principal
  // A user or group may be given a name that looks like the SID of another.
  if (isSid(name))
    return principal.kind === 'user' ? name === identity.sid : principal.kind === 'group' && hasGroupSid(identity, name)
  if (principal.kind === 'user') return name === identity.userName || name === identity.canonicalId
  return principal.kind === 'group' && identity.groups.includes(name)
}

const isSid = (name: string): boolean => /^S-1-\d+(?:-\d+)+$/.test(name)
const hasGroupSid = ({ groupSids }: Person, sid: string): boolean => groupSids?.includes(sid) === true
