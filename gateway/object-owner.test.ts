import { expect, it } from 'vitest'
import { groupOwner } from '#auth'
import { objectOwner } from './object-owner.ts'
import { alice, bob, directory, fileOwner } from './operations/testing/call-operation.ts'

const { canonicalId, displayName } = bob

it('an object is its writer’s, and a file that only file users wrote the user’s whose uid it is', async () => {
  expect(await objectOwner({ owner: bob }, alice, directory)).toBe(bob)
  expect(await objectOwner({ owner: fileOwner(1002) }, alice, directory)).toEqual({ canonicalId, displayName })
})

it('a file of a uid that nobody has is the bucket owner’s', async () => {
  expect(await objectOwner({ owner: fileOwner(7) }, alice, directory)).toBe(alice)
})

it('a file of somebody in the group that owns the bucket is the group’s', async () => {
  const staff = groupOwner({ name: 'staff' })
  const knowing = (groups: string[]) => ({ findByUid: async () => ({ ...bob, groups }) })
  expect(await objectOwner({ owner: fileOwner(1002) }, staff, knowing(['staff']))).toBe(staff)
  expect(await objectOwner({ owner: fileOwner(1002) }, staff, knowing(['crew']))).toEqual({ canonicalId, displayName })
})

it.each([
  ['uid-1002', bob.canonicalId],
  ['uid-1001', fileOwner(1002).canonicalId],
  ['Bob', fileOwner(1002).canonicalId],
  ['uid-', bob.canonicalId],
])('a user who calls himself %s is a user all the same', async (displayName, canonicalId) => {
  const owner = { canonicalId, displayName }
  expect(await objectOwner({ owner }, alice, directory)).toBe(owner)
})
