import type { Person } from '../person.ts'

/** What a request says about itself, by condition key in lower case: `aws:sourceip`, `s3:prefix`, `s3:existingobjecttag/a`. */
export type ConditionContext = ReadonlyMap<string, readonly string[]>

/** The values of a condition key, in lower case; undefined or none: the request has none. */
export type Context = (key: string) => readonly string[] | undefined

export const noContext: Context = () => undefined

/** The caller's own keys come from the identity and nowhere else. */
export function contextOf(identity: Person | undefined, conditions: ConditionContext | undefined): Context {
  return (key) => {
    const own = identityKeys.get(key)
    if (own === undefined) return conditions?.get(key)
    const value = own(identity)
    return value === undefined ? undefined : [value]
  }
}

/** Of a session it is its user's. */
export function principalArn({ canonicalId, userName }: Person): string {
  return `arn:aws:iam::${canonicalId}:user/${userName}`
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html: every user here is an account of their own. */
const identityKeys = new Map<string, (identity: Person | undefined) => string | undefined>([
  ['aws:principalaccount', (identity) => identity?.canonicalId],
  ['aws:principalarn', (identity) => identity && principalArn(identity)],
  ['aws:principalisawsservice', () => 'false'],
  ['aws:principaltype', (identity) => (identity === undefined ? 'Anonymous' : 'User')],
  ['aws:userid', (identity) => identity?.canonicalId ?? 'anonymous'],
  ['aws:username', (identity) => identity?.userName],
])
