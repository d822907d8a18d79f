import { expect, it } from 'vitest'
import type { Identity } from '../identity.ts'
import type { Directory } from './directory.ts'
import { directoryWithPolicies } from './directory-with-policies.ts'

const alice: Identity = { canonicalId: 'a', displayName: 'alice', userName: 'alice', groups: [], accessKeyId: '' }
const groupPolicies: Identity['groupPolicies'] = [
  { name: 'team', group: 'staff', policy: { statements: [], asksForTags: false } },
]
const policies = { withPolicies: <Who>(who: Who) => ({ ...who, groupPolicies }), close() {} }

function directoryOf(answer: <Value>(value: Value) => Value | Promise<Value>): Directory {
  return {
    findByAccessKey: (id) => answer(id === '' ? undefined : { secret: 's', identity: alice }),
    findByUserId: (id) => answer(id === '' ? undefined : alice),
    authenticate: async () => undefined,
    findByCanonicalId: async () => undefined,
    findByEmail: async () => undefined,
    findByUid: async () => undefined,
    close: async () => {},
  }
}

it('who asks comes with the policies of their groups, by key and by session, known at once or not', async () => {
  const atOnce = directoryWithPolicies(
    directoryOf((value) => value),
    policies,
  )
  const later = directoryWithPolicies(
    directoryOf((value) => Promise.resolve(value)),
    policies,
  )
  expect(atOnce.findByAccessKey('id')).toEqual({ secret: 's', identity: { ...alice, groupPolicies } })
  expect(atOnce.findByUserId('id')).toEqual({ ...alice, groupPolicies })
  for (const directory of [atOnce, later]) {
    expect(await directory.findByAccessKey('id')).toEqual({ secret: 's', identity: { ...alice, groupPolicies } })
    expect(await directory.findByUserId('id')).toEqual({ ...alice, groupPolicies })
    expect(await directory.findByAccessKey('')).toBeUndefined()
    expect(await directory.findByUserId('')).toBeUndefined()
  }
})
