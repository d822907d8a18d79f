import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { objectOwner } from './object-owner.ts'
import { alice, bob } from './operations/testing/call-operation.ts'

const idOfUid = (uid: number) => createHash('sha256').update(`posix-uid:${uid}`).digest('hex')

it('an object is its writer’s, and a file that only file users wrote the bucket’s owner’s', () => {
  expect(objectOwner({ owner: bob }, alice)).toBe(bob)
  expect(objectOwner({ owner: { canonicalId: idOfUid(1000), displayName: 'uid-1000' } }, alice)).toBe(alice)
})

it.each([
  ['uid-1000', bob.canonicalId],
  ['uid-1001', idOfUid(1000)],
  ['Bob', idOfUid(1000)],
  ['uid-', bob.canonicalId],
])('a user who calls himself %s is a user all the same', (displayName, canonicalId) => {
  const owner = { canonicalId, displayName }
  expect(objectOwner({ owner }, alice)).toBe(owner)
})
