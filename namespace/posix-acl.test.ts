import { chmod, chown, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { isErrno } from './file-errors.ts'
import type { FileCalls, PosixIdentity } from './files.ts'
import type { Permission } from './mode-bits.ts'
import { askPermissions, type PosixAcl, type PosixAclEntry, parsePosixAcl, posixAclAttribute } from './posix-acl.ts'
import { openPosixFiles } from './posix-files.ts'
import { removeDirectory } from './testing/fixture.ts'
import { writeAcl } from './testing/posix-acls.ts'

const who: PosixIdentity = { uid: 1000, gid: 100, groups: [200, 300] }
const entry = (tag: PosixAclEntry['tag'], permissions: number, id = 0xffffffff): PosixAclEntry => ({
  tag,
  permissions,
  id,
})
const ask = (acl: PosixAcl, wanted: readonly Permission[], file = { uid: 9, gid: 9, mode: 0o664 }) =>
  askPermissions(who, { ...file, acl }, wanted)

test('without an ACL the mode decides, and for the owner always', () => {
  const file = { uid: 1000, gid: 9, mode: 0o464 }
  expect(askPermissions(who, { ...file, acl: undefined }, ['write'])).toEqual({ by: 'owner', missing: ['write'] })
  expect(ask([entry('user', 7, 1000)], ['write'], file)).toEqual({ by: 'owner', missing: ['write'] })
})

test('an entry for the user decides before those for groups, within the mask', () => {
  const groups = [entry('group', 7, 200), entry('owningGroup', 7)]
  expect(ask([entry('user', 4, 1000), ...groups], ['read', 'write'])).toEqual({ by: 'named user', missing: ['write'] })
  expect(ask([entry('user', 7, 1000), entry('mask', 4)], ['write'])).toEqual({ by: 'named user', missing: ['write'] })
})

test('of the entries for groups one must give all that is wanted, and others do not count then', () => {
  const acl = [entry('group', 4, 200), entry('group', 2, 300)]
  expect(ask(acl, ['read'])).toEqual({ by: 'named group', missing: [] })
  expect(ask(acl, ['read', 'write']).missing).toHaveLength(1)
  expect(ask([entry('owningGroup', 0)], ['read'], { uid: 9, gid: 300, mode: 0o664 })).toEqual({
    by: 'group',
    missing: ['read'],
  })
})

test('an ACL with an empty mask is none (seed 1889972239)', () => {
  const acl = [entry('user', 7, 1000), entry('group', 7, 200), entry('mask', 0)]
  expect(ask(acl, ['read'], { uid: 9, gid: 9, mode: 0o604 })).toEqual({ by: 'other', missing: [] })
  expect(ask(acl, ['read'], { uid: 9, gid: 100, mode: 0o604 })).toEqual({ by: 'group', missing: ['read'] })
})

test('whom no entry names has what others have, whatever the mask', () => {
  const acl = [entry('user', 7, 1001), entry('group', 7, 400), entry('mask', 1)]
  expect(ask(acl, ['read'])).toEqual({ by: 'other', missing: [] })
  expect(ask(acl, ['write'])).toEqual({ by: 'other', missing: ['write'] })
})

test('what is no ACL of version 2 is a mistake', () => {
  expect(() => parsePosixAcl(Buffer.from('01000000', 'hex'))).toThrow('version 2')
  expect(() => parsePosixAcl(Buffer.from('020000004000060000000000', 'hex'))).toThrow('six tags')
  expect(parsePosixAcl(Buffer.from('02000000020006000a000000', 'hex'))).toEqual([entry('user', 6, 10)])
})

// Small ranges, so that owners, named ones and strangers are about as frequent.
const id = fc.integer({ min: 30_001, max: 30_004 })
const permissions = fc.constantFrom(0, 2, 4, 6)
const named = (tag: 'user' | 'group') =>
  fc
    .uniqueArray(fc.tuple(id, permissions), { maxLength: 2, selector: ([each]) => each })
    .map((all) => all.sort(([one], [other]) => one - other).map(([of, given]) => entry(tag, given, of)))
const acls = fc
  .record({ owner: permissions, users: named('user'), owning: permissions, groups: named('group') })
  .chain(({ owner, users, owning, groups }) =>
    fc
      .record({ mask: permissions, other: permissions })
      .map(({ mask, other }) => [
        entry('owner', owner),
        ...users,
        entry('owningGroup', owning),
        ...groups,
        entry('mask', mask),
        entry('other', other),
      ]),
  )
const asked = fc.record({
  who: fc.record({ uid: id, gid: id, groups: fc.uniqueArray(id, { maxLength: 2 }) }),
  uid: id,
  gid: id,
  acl: acls,
  how: fc.constantFrom('read', 'write'),
})

const directories: string[] = []
afterAll(() => Promise.all(directories.map(removeDirectory)))

test.skipIf(process.getuid?.() !== 0)('the kernel answers the same, whatever the ACL', async ({ skip }) => {
  const tree = await mkdtemp(join(tmpdir(), 'causeway-acls-'))
  directories.push(tree)
  await chmod(tree, 0o755)
  await writeFile(join(tree, 'file'), 'x')
  const files = openPosixFiles(tree, { threads: 1 })
  const service = files.as(undefined)
  const seen = new Set<string>()
  try {
    await writeAcl(service, 'file', [entry('owner', 6), entry('owningGroup', 6), entry('other', 6)]).catch((error) => {
      if (isErrno(error, 'ENOTSUP', 'EOPNOTSUPP')) skip('this file system knows no POSIX ACLs')
      throw error
    })
    await fc.assert(
      fc.asyncProperty(asked, async ({ who, uid, gid, acl, how }) => {
        await chown(join(tree, 'file'), uid, gid)
        await writeAcl(service, 'file', acl)
        const file = await read(service)
        expect(file.acl).toEqual(acl)
        const wanted: readonly Permission[] = how === 'read' ? ['read'] : ['read', 'write']
        const { by, missing } = askPermissions(who, file, wanted)
        expect(await mayOpen(files.as(who), how)).toBe(missing.length === 0)
        seen.add(`${by} ${missing.length === 0}`)
      }),
      { numRuns: 1500 },
    )
  } finally {
    files.close()
  }
  // Each kind of entry has allowed and refused.
  expect(seen.size).toBe(5 * 2)
})

async function read(calls: FileCalls) {
  const found = await calls.find('file', { attribute: posixAclAttribute, bodyBytesMax: 0, keepOpen: false })
  if (found?.attribute === undefined) throw new Error('an ACL was written')
  return { ...found.stat, acl: parsePosixAcl(found.attribute) }
}

async function mayOpen(calls: FileCalls, how: 'read' | 'write'): Promise<boolean> {
  try {
    await calls.close(await calls.open('file', how))
    return true
  } catch (error) {
    if (isErrno(error, 'EACCES')) return false
    throw error
  }
}
