import type { GroupPolicy, Policy } from './policy/policy.ts'

/** Who a request is from, as the directory knows them. */
export type Identity = {
  /** 64 hex digits, stable for the life of the user. */
  readonly canonicalId: string
  readonly displayName: string
  /** The directory's name of the user. */
  readonly userName: string
  readonly email?: string | undefined
  /** Names of the directory groups. */
  readonly groups: readonly string[]
  /** In a Windows domain: of the user, and of all groups, those without a name here included. */
  readonly sid?: string | undefined
  readonly groupSids?: readonly string[] | undefined
  readonly posix?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | undefined
  /** The key the request was signed with. */
  readonly accessKeyId: string
  /** Of temporary credentials that may do less than their user: only what it allows as well. */
  readonly sessionPolicy?: Policy | undefined
  /** Of the groups; without it there are none. */
  readonly groupPolicies?: readonly GroupPolicy[] | undefined
}
