import { expect, test } from 'vitest'
import type { User } from '#auth'
import { identityLines } from './identity-lines.ts'

const alice: User = {
  id: 'alice',
  userName: 'alice',
  displayName: 'Alice',
  canonicalId: 'a'.repeat(64),
  groups: ['staff', 'ops'],
  posix: { uid: 1000, gid: 1001, groups: [100, 200] },
  disabled: false,
}
const nowhere = { authSysMounts: [] }

test('a user is named with groups and ids', () => {
  expect(identityLines(alice, nowhere)).toEqual([
    `user: alice (${'a'.repeat(64)})`,
    'groups: staff, ops',
    'uid: 1000, gid 1001, supplementary gids 100, 200',
  ])
  expect(identityLines({ ...alice, sid: 'S-1-5-21-1-2-3-1102', groups: [], disabled: true }, nowhere)).toEqual([
    `user: alice (S-1-5-21-1-2-3-1102, ${'a'.repeat(64)}), disabled`,
    'groups: none',
    'uid: 1000, gid 1001, supplementary gids 100, 200',
  ])
  expect(identityLines(undefined, nowhere)).toEqual(['user: an anonymous caller'])
})

test('a user without a uid has the reason beside it, where one is known', () => {
  expect(identityLines({ ...alice, posix: undefined }, nowhere)[2]).toBe('uid: none')
  expect(identityLines({ ...alice, posix: undefined, whyNoPosix: 'S-1-5-18 is of no domain' }, nowhere)[2]).toBe(
    'uid: none; S-1-5-18 is of no domain',
  )
})

test('groups that a mount with sec=sys cuts off are named, where there is such a mount', () => {
  const groups = Array.from({ length: 18 }, (_, index) => 100 + index)
  const many = { ...alice, posix: { uid: 1000, gid: 1001, groups } }
  expect(identityLines(many, nowhere)).toHaveLength(3)
  const mounts = { authSysMounts: ['/mnt/x'] }
  expect(identityLines(alice, mounts)).toHaveLength(3)
  expect(identityLines(many, mounts).slice(3)).toEqual([
    "warning: /mnt/x is mounted with sec=sys, which sends the 16 lowest of alice's supplementary gids; the file server does not know of 116, 117, unless it looks groups up itself (rpc.mountd --manage-gids).",
  ])
})
