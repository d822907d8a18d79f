import { describe, expect, it } from 'vitest'
import { alice } from '../testing/signers.ts'
import { ALL_USERS, AUTHENTICATED_USERS, aclAllows, type Grant, isPublicAcl, LOG_DELIVERY } from './grant.ts'

const toGroup = (uri: string, permission: Grant['permission'] = 'READ'): Grant => ({
  grantee: { kind: 'group', uri },
  permission,
})
const toUser = (canonicalId: string, permission: Grant['permission'] = 'READ'): Grant => ({
  grantee: { kind: 'user', canonicalId },
  permission,
})

describe('an ACL', () => {
  it.each([
    ['everybody', toGroup(ALL_USERS), true, true],
    ['whoever has a name', toGroup(AUTHENTICATED_USERS), true, false],
    ['log delivery', toGroup(LOG_DELIVERY), false, false],
    ['an unknown group', toGroup('http://acs.amazonaws.com/groups/global/Nobody'), false, false],
    ['a group with the name of something else', toGroup('constructor'), false, false],
    ['a user', toUser(alice.canonicalId), true, false],
    ['another user', toUser('b'.repeat(64)), false, false],
    ['everything', toUser(alice.canonicalId, 'FULL_CONTROL'), true, false],
    ['something else', toGroup(ALL_USERS, 'WRITE'), false, false],
  ])('grants READ to %s', (_name, grant, named, anonymous) => {
    expect(aclAllows([grant], alice, 'READ')).toBe(named)
    expect(aclAllows([grant], undefined, 'READ')).toBe(anonymous)
  })

  it('without grants grants nothing', () => {
    expect(aclAllows([], alice, 'READ_ACP')).toBe(false)
  })

  it('is public if it grants anything to a group that anybody is in', () => {
    expect(isPublicAcl([toUser(alice.canonicalId), toGroup(ALL_USERS, 'WRITE_ACP')])).toBe(true)
    expect(isPublicAcl([toGroup(AUTHENTICATED_USERS)])).toBe(true)
    expect(isPublicAcl([toUser(alice.canonicalId, 'FULL_CONTROL'), toGroup(LOG_DELIVERY)])).toBe(false)
  })
})
