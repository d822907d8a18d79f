import type { Person } from './person.ts'
import type { GroupPolicy, Policy } from './policy/policy.ts'

/** Who a request is from, as the directory knows them, and what they may do by that. */
export type Identity = Person & {
  /** The key the request was signed with. */
  readonly accessKeyId: string
  /** Of temporary credentials that may do less than their user: only what it allows as well. */
  readonly sessionPolicy?: Policy | undefined
  /** Of the groups; without it there are none. */
  readonly groupPolicies?: readonly GroupPolicy[] | undefined
}
