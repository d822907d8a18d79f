/** What Active Directory says of a user, and what follows from it at a moment. Pure: no connection, no clock of its own. */
import type { Entry } from 'ldapts'
import { objectGuidText } from './object-guid.ts'
import { objectSidText } from './object-sid.ts'

export type Account = {
  readonly objectGuid: string
  readonly sid: string
  readonly dn: string
  /** sAMAccountName. */
  readonly name: string
  readonly displayName: string
  readonly email: string | undefined
  readonly disabled: boolean
  readonly locked: boolean
  readonly mustChangePassword: boolean
  /** undefined: never. Nothing in the directory changes when the time comes, so it is compared at each use. */
  readonly expiresAtMs: number | undefined
  readonly passwordExpiresAtMs: number | undefined
  /** Nested groups, domain-local and built-in ones and the primary group included. */
  readonly groupSids: readonly string[]
  /** A RID of the user's domain. */
  readonly primaryGroupId: number | undefined
  /** RFC 2307. */
  readonly uidNumber: number | undefined
  readonly gidNumber: number | undefined
}

/** The attributes that accountOf reads. tokenGroups may be asked for in a search of scope `base` only. */
export const ACCOUNT_ATTRIBUTES = [
  'objectGUID',
  'objectSid',
  'sAMAccountName',
  'displayName',
  'mail',
  'userAccountControl',
  'msDS-User-Account-Control-Computed',
  'accountExpires',
  'pwdLastSet',
  'msDS-UserPasswordExpiryTimeComputed',
  'primaryGroupID',
  'uidNumber',
  'gidNumber',
  'tokenGroups',
]

/** Bytes that happen to be UTF-8 would come as a string. */
export const BINARY_ATTRIBUTES = ['objectGUID', 'objectSid', 'tokenGroups']

/** https://learn.microsoft.com/en-us/troubleshoot/windows-server/active-directory/useraccountcontrol-manipulate-account-properties */
const ACCOUNTDISABLE = 0x2
const LOCKOUT = 0x10
const PASSWORD_EXPIRED = 0x80_0000

/**
 * Throws a sentence where the entry lacks what decides: an account that the gateway may not read is not taken for one that is in order
 * and in no group.
 */
export function accountOf(entry: Entry): Account {
  const sids = values(entry, 'tokenGroups')
  const name = text(entry, 'sAMAccountName')
  const control = number(entry, 'userAccountControl')
  const cut = Object.keys(entry).find((attribute) => attribute.startsWith('tokenGroups;range='))
  if (cut !== undefined) throw new Error(`The directory tells only a part of the groups of ${entry.dn}.`)
  if (name === undefined || control === undefined || sids.length === 0) {
    throw new Error(
      `The bind account may not read all of ${entry.dn}; it needs userAccountControl and tokenGroups (group "Windows Authorization Access Group").`,
    )
  }
  const computed = number(entry, 'msDS-User-Account-Control-Computed') ?? 0
  const passwordExpired = (computed & PASSWORD_EXPIRED) !== 0
  const mustChangePassword = passwordExpired && text(entry, 'pwdLastSet') === '0'
  return {
    objectGuid: objectGuidText(bytes(entry, 'objectGUID')),
    sid: objectSidText(bytes(entry, 'objectSid')),
    dn: entry.dn,
    name,
    displayName: text(entry, 'displayName') ?? name,
    email: text(entry, 'mail'),
    disabled: (control & ACCOUNTDISABLE) !== 0,
    locked: (computed & LOCKOUT) !== 0,
    mustChangePassword,
    expiresAtMs: fileTimeMs(text(entry, 'accountExpires')),
    passwordExpiresAtMs:
      passwordExpired && !mustChangePassword ? 0 : fileTimeMs(text(entry, 'msDS-UserPasswordExpiryTimeComputed')),
    groupSids: sids.map((sid) => objectSidText(Buffer.from(sid))),
    primaryGroupId: number(entry, 'primaryGroupID'),
    uidNumber: number(entry, 'uidNumber'),
    gidNumber: number(entry, 'gidNumber'),
  }
}

/** Why an account may not be used, beside being gone. */
export type Block = 'disabled' | 'expired' | 'locked' | 'must change its password' | 'password expired'

/** Who may lock an account is whoever knows its name, so whether that stops its keys is for the administrator to say. */
export type BlockPolicy = {
  readonly lockedBlocksKeys: boolean
  /** A password that must be changed counts as expired. */
  readonly expiredPasswordBlocksKeys: boolean
}

type BlockRow = {
  readonly block: Block
  readonly holds: (account: Account, nowMs: number) => boolean
  readonly counts: (policy: BlockPolicy) => boolean
}

const always = () => true
const byPassword = (policy: BlockPolicy) => policy.expiredPasswordBlocksKeys
const isOver = (timeMs: number | undefined, nowMs: number) => timeMs !== undefined && timeMs <= nowMs

const BLOCKS: readonly BlockRow[] = [
  { block: 'disabled', holds: ({ disabled }) => disabled, counts: always },
  { block: 'expired', holds: ({ expiresAtMs }, nowMs) => isOver(expiresAtMs, nowMs), counts: always },
  { block: 'locked', holds: ({ locked }) => locked, counts: (policy) => policy.lockedBlocksKeys },
  { block: 'must change its password', holds: ({ mustChangePassword }) => mustChangePassword, counts: byPassword },
  {
    block: 'password expired',
    holds: ({ passwordExpiresAtMs, mustChangePassword }, nowMs) =>
      !mustChangePassword && isOver(passwordExpiresAtMs, nowMs),
    counts: byPassword,
  },
]

/** The first that stops the keys of the account now; undefined where they work. */
export function blockOf(account: Account, policy: BlockPolicy, nowMs: number): Block | undefined {
  return BLOCKS.find(({ holds, counts }) => counts(policy) && holds(account, nowMs))?.block
}

/**
 * FILETIME, 100 ns since 1601, as milliseconds since 1970; undefined for 0 and 2^63 - 1, which are "never".
 * https://learn.microsoft.com/en-us/windows/win32/adschema/a-accountexpires
 */
function fileTimeMs(value: string | undefined): number | undefined {
  if (value === undefined || value === '0' || value === '9223372036854775807') return undefined
  return Number(BigInt(value) / 10_000n - 11_644_473_600_000n)
}

/** One value comes as a string, several as an array, none as an empty one. */
function values(entry: Entry, attribute: string): readonly (string | Buffer)[] {
  const value = entry[attribute]
  return value === undefined ? [] : [value].flat()
}

function text(entry: Entry, attribute: string): string | undefined {
  const [value] = values(entry, attribute)
  return value === undefined || value.length === 0 ? undefined : value.toString()
}

function number(entry: Entry, attribute: string): number | undefined {
  const value = text(entry, attribute)
  if (value === undefined) return undefined
  if (!/^-?\d{1,10}$/.test(value)) throw new Error(`${entry.dn} has the ${attribute} "${value}".`)
  return Number(value)
}

function bytes(entry: Entry, attribute: string): Buffer {
  const [value] = values(entry, attribute)
  if (!Buffer.isBuffer(value)) throw new Error(`${entry.dn} has no ${attribute}.`)
  return value
}
