import type { Entry } from 'ldapts'
import { describe, expect, it } from 'vitest'
import { type Account, accountOf, type Block, type BlockPolicy, blockOf } from './account.ts'
import { objectSidBytes } from './object-sid.ts'

const NOW_MS = Date.parse('2026-01-01T00:00:00Z')
const fileTime = (ms: number) => String((BigInt(ms) + 11_644_473_600_000n) * 10_000n)

const entry: Entry = {
  dn: 'CN=alice,DC=lab,DC=example,DC=test',
  objectGUID: Buffer.from('33221100554477668899aabbccddeeff', 'hex'),
  objectSid: objectSidBytes('S-1-5-21-1-2-3-1102'),
  sAMAccountName: 'alice',
  displayName: [],
  mail: 'alice@example.com',
  userAccountControl: '512',
  'msDS-User-Account-Control-Computed': '0',
  accountExpires: '9223372036854775807',
  pwdLastSet: fileTime(NOW_MS - 1000),
  'msDS-UserPasswordExpiryTimeComputed': '9223372036854775807',
  primaryGroupID: '513',
  uidNumber: [],
  gidNumber: [],
  tokenGroups: [objectSidBytes('S-1-5-21-1-2-3-513'), objectSidBytes('S-1-5-32-545')],
}

describe('an entry', () => {
  it('becomes an account', () => {
    expect(accountOf(entry)).toEqual({
      objectGuid: '00112233-4455-6677-8899-aabbccddeeff',
      sid: 'S-1-5-21-1-2-3-1102',
      dn: 'CN=alice,DC=lab,DC=example,DC=test',
      name: 'alice',
      displayName: 'alice',
      email: 'alice@example.com',
      disabled: false,
      locked: false,
      mustChangePassword: false,
      expiresAtMs: undefined,
      passwordExpiresAtMs: undefined,
      groupSids: ['S-1-5-21-1-2-3-513', 'S-1-5-32-545'],
      primaryGroupId: 513,
      uidNumber: undefined,
      gidNumber: undefined,
    } satisfies Account)
  })

  it('has one value where others have several', () => {
    const changed = { ...entry, tokenGroups: objectSidBytes('S-1-5-32-545'), displayName: 'Alice', uidNumber: '20001' }
    expect(accountOf(changed)).toMatchObject({ groupSids: ['S-1-5-32-545'], displayName: 'Alice', uidNumber: 20001 })
  })

  it.each(['userAccountControl', 'tokenGroups', 'sAMAccountName'])(
    'that the bind account may not read (%s) is not taken for one that is in order',
    (attribute) => {
      expect(() => accountOf({ ...entry, [attribute]: [] })).toThrow(/^The bind account may not read all of CN=alice/)
    },
  )

  it('with a part of its groups is not used', () => {
    const cut = { ...entry, 'tokenGroups;range=0-1499': [objectSidBytes('S-1-5-32-545')] }
    expect(() => accountOf(cut)).toThrow('only a part of the groups')
  })

  it('with a number that is none is not used', () => {
    expect(() => accountOf({ ...entry, userAccountControl: 'x' })).toThrow('userAccountControl "x"')
  })
})

const lenient: BlockPolicy = { lockedBlocksKeys: false, expiredPasswordBlocksKeys: false }
const strict: BlockPolicy = { lockedBlocksKeys: true, expiredPasswordBlocksKeys: true }
const PASSWORD_EXPIRED = { 'msDS-User-Account-Control-Computed': String(0x80_0000) }

describe('an account', () => {
  it.each<[string, Partial<Entry>, Block | undefined, Block | undefined]>([
    ['in order', {}, undefined, undefined],
    ['disabled', { userAccountControl: '514' }, 'disabled', 'disabled'],
    ['whose time is over', { accountExpires: fileTime(NOW_MS) }, 'expired', 'expired'],
    ['that lives a millisecond more', { accountExpires: fileTime(NOW_MS + 1) }, undefined, undefined],
    ['that never expires, by 0', { accountExpires: '0' }, undefined, undefined],
    ['locked', { 'msDS-User-Account-Control-Computed': '16' }, undefined, 'locked'],
    ['that must change its password', { ...PASSWORD_EXPIRED, pwdLastSet: '0' }, undefined, 'must change its password'],
    ['with an expired password', PASSWORD_EXPIRED, undefined, 'password expired'],
    [
      'whose password has expired since it was read',
      { 'msDS-UserPasswordExpiryTimeComputed': fileTime(NOW_MS) },
      undefined,
      'password expired',
    ],
    ['whose password holds', { 'msDS-UserPasswordExpiryTimeComputed': fileTime(NOW_MS + 1) }, undefined, undefined],
  ])('%s', (_, changes, whenLenient, whenStrict) => {
    const account = accountOf({ ...entry, ...(changes as Entry) })
    expect(blockOf(account, lenient, NOW_MS)).toBe(whenLenient)
    expect(blockOf(account, strict, NOW_MS)).toBe(whenStrict)
  })
})
