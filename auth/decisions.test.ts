import { expect, it } from 'vitest'
import { ALL_USERS, AUTHENTICATED_USERS, type Grant, LOG_DELIVERY } from './acl/grant.ts'
import { decide, type PublicAccessBlock, type Question } from './decide.ts'
import rows from './decisions.json' with { type: 'json' }
import type { Identity } from './identity.ts'
import { groupOwner } from './owner-ids.ts'
import { parseIdentityPolicy } from './policy/parse-identity-policy.ts'
import { parsePolicy } from './policy/parse-policy.ts'

/**
 * One row of decisions.json; `alice` owns the bucket `photos`, where no other owner is named. BOB and CAROL in a policy are canonical ids, and so is
 * DOMAIN-USERS, of the group that everybody is in; nobody is in `group:staff`.
 */
type Row = {
  readonly name: string
  readonly page: string
  readonly who: string
  readonly action: string
  readonly allow: boolean
  readonly reason?: string
  readonly key?: string
  readonly version?: string
  readonly policy?: readonly object[]
  /** Of the session policy, which has no principals. */
  readonly session?: readonly object[]
  /** Of the policy `team` attached to Domain Users, which everybody is in. */
  readonly group?: readonly object[]
  readonly bucketAcl?: readonly (readonly string[])[]
  readonly bucketOwner?: string
  readonly object?: { readonly owner?: string; readonly acl?: readonly (readonly string[])[] }
  readonly ownership?: string
  readonly publicAccess?: readonly string[]
  readonly conditions?: Readonly<Record<string, readonly string[] | undefined>>
}

const people = new Map([
  ['alice', 'a'.repeat(64)],
  ['bob', 'b'.repeat(64)],
  ['carol', 'c'.repeat(64)],
  ['star', 'd'.repeat(64)],
  ['group:Domain Users', groupOwner({ name: 'Domain Users' }).canonicalId],
  ['group:staff', groupOwner({ name: 'staff' }).canonicalId],
])
const groups = new Map([
  ['AllUsers', ALL_USERS],
  ['AuthenticatedUsers', AUTHENTICATED_USERS],
  ['LogDelivery', LOG_DELIVERY],
])

// The rows differ in what they leave out; TypeScript makes a union of every one of them.
it.each(rows as readonly Row[])('$name ($page)', (row) => {
  const decision = decide(questionOf(row))
  expect(decision).toEqual({ allow: row.allow, reason: row.reason ?? decision.reason })
})

it.each(['s3:*', 's3:Get*', '*', 's3:PutObject'])(
  'a session policy that allows %s narrows every row and widens none',
  (Action) => {
    const sessionPolicy = parseIdentityPolicy(documentOf([{ Effect: 'Allow', Action, Resource: '*' }]))
    for (const row of rows as readonly Row[]) {
      const question = questionOf(row)
      if (question.identity === undefined || row.session !== undefined) continue
      const narrowed = decide({ ...question, identity: { ...question.identity, sessionPolicy } }).allow
      const covers = new RegExp(`^${Action.replaceAll('*', '.*')}$`, 'i').test(row.action)
      expect(narrowed, row.name).toBe(covers && row.allow)
    }
  },
)

function questionOf(row: Row): Question {
  return {
    identity:
      row.who === 'anonymous'
        ? undefined
        : { ...identityOf(row.who), sessionPolicy: sessionOf(row), groupPolicies: groupPoliciesOf(row) },
    action: row.action,
    resource: { bucket: 'photos', key: row.key },
    bucketOwnerId: people.get(row.bucketOwner ?? 'alice'),
    policy: row.policy && parsePolicy(documentOf(row.policy, row.version), 'photos'),
    bucketAcl: row.bucketAcl?.map(grantOf),
    object: row.object && { ownerId: people.get(row.object.owner ?? ''), acl: row.object.acl?.map(grantOf) },
    ownership: ownerships.find((ownership) => ownership === row.ownership),
    publicAccess: row.publicAccess && publicAccessOf(row.publicAccess),
    conditions: new Map(Object.entries(row.conditions ?? {}).map(([key, values]) => [key, values ?? []])),
  }
}

const ownerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const

function identityOf(name: string): Identity {
  const canonicalId = people.get(name) ?? ''
  const userName = name === 'star' ? '*' : name
  return { canonicalId, userName, displayName: name, groups: ['Domain Users'], accessKeyId: 'AKIAIOSFODNN7EXAMPLE' }
}

function sessionOf({ session }: Row): Identity['sessionPolicy'] {
  return session && parseIdentityPolicy(documentOf(session))
}

function groupPoliciesOf({ group }: Row): Identity['groupPolicies'] {
  return group && [{ name: 'team', group: 'Domain Users', policy: parseIdentityPolicy(documentOf(group)) }]
}

function documentOf(statements: readonly object[], version = '2012-10-17'): string {
  return JSON.stringify({ Version: version, Statement: statements })
    .replaceAll('BOB', people.get('bob') ?? '')
    .replaceAll('CAROL', people.get('carol') ?? '')
    .replaceAll('DOMAIN-USERS', people.get('group:Domain Users') ?? '')
}

function grantOf([grantee = '', permission]: readonly string[]): Grant {
  const uri = groups.get(grantee)
  const found = permissions.find((name) => name === permission)
  if (found === undefined) throw new Error(`no permission: ${permission}`)
  if (uri !== undefined) return { grantee: { kind: 'group', uri }, permission: found }
  return { grantee: { kind: 'user', canonicalId: people.get(grantee) ?? '' }, permission: found }
}

const permissions = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const

function publicAccessOf(names: readonly string[]): PublicAccessBlock {
  return {
    blockPublicAcls: names.includes('blockPublicAcls'),
    ignorePublicAcls: names.includes('ignorePublicAcls'),
    blockPublicPolicy: names.includes('blockPublicPolicy'),
    restrictPublicBuckets: names.includes('restrictPublicBuckets'),
  }
}
