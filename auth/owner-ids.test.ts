import { expect, it } from 'vitest'
import { groupOwner, isOwner } from './owner-ids.ts'
import type { Person } from './person.ts'

const SID = 'S-1-5-21-1-2-3-1110'
const local: Person = {
  canonicalId: 'a'.repeat(64),
  displayName: 'Alice',
  userName: 'alice',
  groups: ['research', 'staff'],
}
const inDomain: Person = { ...local, sid: 'S-1-5-21-1-2-3-1102', groupSids: [SID, 'S-1-5-32-545'] }

it('somebody owns what is theirs and what is a group’s that they are in', () => {
  const staff = groupOwner({ name: 'staff' })
  expect(staff).toEqual({ canonicalId: expect.stringMatching(/^[0-9a-f]{64}$/), displayName: 'group:staff' })
  for (const id of [local.canonicalId, staff.canonicalId]) expect(isOwner(local, id)).toBe(true)
  for (const id of ['b'.repeat(64), groupOwner({ name: 'Staff' }).canonicalId, 'staff', ''])
    expect(isOwner(local, id)).toBe(false)
  expect(isOwner(undefined, staff.canonicalId)).toBe(false)
})

it('in a domain a group is its SID, so a renamed one keeps what it has and one made again with its name has nothing of it', () => {
  const before = groupOwner({ name: 'staff', sid: SID })
  expect(groupOwner({ name: 'crew', sid: SID }).canonicalId).toBe(before.canonicalId)
  expect(isOwner(inDomain, before.canonicalId)).toBe(true)
  expect(isOwner(inDomain, groupOwner({ name: 'staff' }).canonicalId)).toBe(false)
  expect(isOwner(inDomain, groupOwner({ name: 'staff', sid: 'S-1-5-21-1-2-3-1111' }).canonicalId)).toBe(false)
  expect(isOwner({ ...inDomain, groupSids: undefined }, before.canonicalId)).toBe(false)
})

it('who is read again without the group owns nothing of it any more', () => {
  const { canonicalId } = groupOwner({ name: 'staff' })
  expect(isOwner(local, canonicalId)).toBe(true)
  expect(isOwner({ ...local, groups: ['research'] }, canonicalId)).toBe(false)
})
