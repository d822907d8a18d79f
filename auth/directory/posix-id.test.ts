import { describe, expect, it } from 'vitest'
import { type PosixIdOptions, type PosixSource, posixIds } from './posix-id.ts'

const LAB = 'S-1-5-21-321277845-873389989-806497059'
const OTHER = 'S-1-5-21-498011193-1797586805-1444140841'

/** alice of the lab: research and data-scientists are nested in staff, 513 is Domain Users. */
const alice: PosixSource = {
  sid: `${LAB}-1102`,
  primaryGroupId: 513,
  groups: [
    { sid: `${LAB}-1109`, gidNumber: 21_002 },
    { sid: `${LAB}-1107`, gidNumber: 21_000 },
    { sid: `${LAB}-513` },
    { sid: `${LAB}-1108`, gidNumber: 21_001 },
    { sid: 'S-1-5-32-545' },
  ],
  uidNumber: 20_001,
  gidNumber: 21_000,
}

describe('ids by SID', () => {
  const options: PosixIdOptions = {
    from: 'sid',
    range: { min: 200_000, max: 2_000_200_000, sliceSize: 200_000 },
    domainSids: [],
  }

  it('are those that sssd gives; the primary group is the one of primaryGroupID, and builtin groups are none', () => {
    expect(posixIds(options, LAB)(alice)).toEqual({
      posix: { uid: 653_201_102, gid: 653_200_513, groups: [653_201_107, 653_201_108, 653_201_109] },
      unmapped: [],
    })
  })

  it('are given to groups of other domains where these are named', () => {
    const guest = { ...alice, groups: [{ sid: `${OTHER}-1102` }, { sid: `${LAB}-1107` }] }
    expect(posixIds(options, LAB)(guest)).toEqual({
      posix: { uid: 653_201_102, gid: 653_200_513, groups: [653_201_107] },
      unmapped: [{ sid: `${OTHER}-1102`, why: `the domain ${OTHER} is none of those whose SIDs are mapped` }],
    })
    expect(posixIds({ ...options, domainSids: [OTHER] }, LAB)(guest)).toEqual({
      posix: { uid: 653_201_102, gid: 653_200_513, groups: [451_601_102, 653_201_107] },
      unmapped: [],
    })
  })

  it('count a group once', () => {
    const twice = { ...alice, groups: [...alice.groups, ...alice.groups] }
    expect(posixIds(options, LAB)(twice)).toEqual(posixIds(options, LAB)(alice))
  })

  it.each([
    ['without a primaryGroupID', { ...alice, primaryGroupId: undefined }, `${LAB}-1102 has no primaryGroupID`],
    [
      'of another domain',
      { ...alice, sid: `${OTHER}-1102` },
      `${OTHER}-1102 has no uid: the domain ${OTHER} is none of those whose SIDs are mapped`,
    ],
    ['of no domain', { ...alice, sid: 'S-1-5-18' }, 'S-1-5-18 has no uid: it is of no domain'],
  ])('are none for a user %s', (_what, user, reason) => {
    expect(posixIds(options, LAB)(user)).toEqual({ posix: undefined, reason })
  })

  it('are none at all while two domains would share them', () => {
    const crowded = { ...options, range: { min: 1000, max: 3000, sliceSize: 2000 }, domainSids: [OTHER] }
    expect(() => posixIds(crowded, LAB)).toThrow(/fall on the same slice of ids/)
  })
})

describe('ids by RFC 2307', () => {
  const options: PosixIdOptions = { from: 'rfc2307', primaryGroup: 'gidNumber', idMin: 1000, idMax: 4_294_967_294 }
  const byPrimaryGroupId = { ...options, primaryGroup: 'primaryGroupID' } as const

  it('are the attributes; the primary group is the gidNumber of the user', () => {
    expect(posixIds(options, LAB)(alice)).toEqual({
      posix: { uid: 20_001, gid: 21_000, groups: [21_001, 21_002] },
      unmapped: [{ sid: `${LAB}-513`, why: 'no gidNumber' }],
    })
  })

  it('have, as winbind would, the group of primaryGroupID for the primary one where that is asked for', () => {
    const groups = alice.groups.map((group) => (group.sid === `${LAB}-513` ? { ...group, gidNumber: 21_100 } : group))
    expect(posixIds(byPrimaryGroupId, LAB)({ ...alice, groups })).toEqual({
      posix: { uid: 20_001, gid: 21_100, groups: [21_000, 21_001, 21_002] },
      unmapped: [],
    })
  })

  it.each([
    ['without uidNumber', { ...alice, uidNumber: undefined }, options, `${LAB}-1102 has no uidNumber`],
    [
      'who would be root',
      { ...alice, uidNumber: 0 },
      options,
      `${LAB}-1102 has uidNumber 0, which is not from 1000 to 4294967294`,
    ],
    [
      'whose uid would be "no change" to the kernel',
      { ...alice, uidNumber: 4_294_967_295 },
      options,
      `${LAB}-1102 has uidNumber 4294967295, which is not from 1000 to 4294967294`,
    ],
    ['with half a uid', { ...alice, uidNumber: 1000.5 }, options, /^S-\S+ has uidNumber 1000.5, which is not/],
    ['without gidNumber', { ...alice, gidNumber: undefined }, options, `${LAB}-1102 has no gidNumber`],
    [
      'of a primary group below the range',
      { ...alice, gidNumber: 27 },
      options,
      `${LAB}-1102 has gidNumber 27, which is not from 1000 to 4294967294`,
    ],
    ['whose primary group has none', alice, byPrimaryGroupId, `the primary group ${LAB}-513 has no gidNumber`],
    [
      'without primaryGroupID',
      { ...alice, primaryGroupId: undefined },
      byPrimaryGroupId,
      `${LAB}-1102 has no primaryGroupID`,
    ],
  ])('are none for a user %s', (_what, user, using, reason) => {
    const found = posixIds(using, LAB)(user)
    expect(found).toEqual({ posix: undefined, reason: expect.stringMatching(reason) })
  })

  it('do not put a user into a group below the range', () => {
    const inRoot = {
      ...alice,
      groups: [
        { sid: `${LAB}-1110`, gidNumber: 0 },
        { sid: `${LAB}-1107`, gidNumber: 21_000 },
      ],
    }
    expect(posixIds(options, LAB)(inRoot)).toEqual({
      posix: { uid: 20_001, gid: 21_000, groups: [] },
      unmapped: [{ sid: `${LAB}-1110`, why: 'gidNumber 0, which is not from 1000 to 4294967294' }],
    })
  })
})

it('there are none where they are turned off', () => {
  expect(posixIds({ from: 'none' }, LAB)(alice)).toEqual({
    posix: undefined,
    reason: 'users of the directory have no uid, since posix_ids is "none"',
  })
})
