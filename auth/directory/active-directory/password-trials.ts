/**
 * May another password be tried? The directory counts the wrong ones itself, whatever the name was and whoever asked, so its own count is what
 * is held against its threshold: neither workers nor machines nor spellings of a name give more tries. Two are left to the user.
 */
import type { Entry } from 'ldapts'
import type { Search } from './queries.ts'

export type TrialCount = {
  /** badPwdCount. */
  readonly wrong: number
  readonly lastWrongMs: number | undefined
  readonly locked: boolean
}

/** Of the domain, or of the password settings that the user has of their own. */
export type LockoutPolicy = {
  /** 0: never. */
  readonly threshold: number
  /** After so long without a wrong one the count begins anew; the attribute stays as it is until then. */
  readonly windowMs: number
}

const LEFT_TO_THE_USER = 2

/** At a threshold of 2 or 3 one try is left, which locks nobody; at 1 there is none. */
export function mayTryPassword(
  { wrong, lastWrongMs, locked }: TrialCount,
  policy: LockoutPolicy,
  nowMs: number,
): boolean {
  const { threshold, windowMs } = policy
  if (locked) return false
  if (threshold === 0) return true
  const counts = lastWrongMs === undefined || nowMs - lastWrongMs < windowMs
  const limit = threshold === 1 ? 0 : Math.max(1, threshold - LEFT_TO_THE_USER)
  return (counts ? wrong : 0) < limit
}

export type Trials = {
  readonly count: TrialCount
  readonly policy: LockoutPolicy
  /**
   * By the clock of the controller, which is the one that its times are of: by a gateway's that is half an hour ahead, each count would be over,
   * and accounts would be locked. undefined where it does not tell.
   */
  readonly nowMs: number | undefined
}

/** Never from memory: the count moves without a sequence number. */
export async function readTrials(search: Search, domainDn: string, objectGuid: string): Promise<Trials> {
  const [entry, domain, rootDse] = await Promise.all([
    readEntry(search, `<GUID=${objectGuid}>`, [
      'badPwdCount',
      'badPasswordTime',
      'msDS-User-Account-Control-Computed',
      'msDS-ResultantPSO',
    ]),
    readEntry(search, domainDn, ['lockoutThreshold', 'lockOutObservationWindow']),
    readEntry(search, '', ['currentTime']),
  ])
  const lastWrong = number(entry, 'badPasswordTime')
  const count = {
    wrong: number(entry, 'badPwdCount'),
    lastWrongMs: lastWrong === 0 ? undefined : lastWrong / 10_000 - 11_644_473_600_000,
    locked: (number(entry, 'msDS-User-Account-Control-Computed') & 0x10) !== 0,
  }
  const [own] = [entry?.['msDS-ResultantPSO'] ?? []].flat()
  const settings =
    own === undefined
      ? undefined
      : await readEntry(search, own.toString(), ['msDS-LockoutThreshold', 'msDS-LockoutObservationWindow'])
  return { count, policy: policyOf(domain, settings), nowMs: generalizedTimeMs(rootDse?.currentTime) }
}

/** The stricter of the two where a user has settings of their own; most bind accounts may not read these. */
function policyOf(domain: Entry | undefined, own: Entry | undefined): LockoutPolicy {
  const thresholds = [number(domain, 'lockoutThreshold'), number(own, 'msDS-LockoutThreshold')].filter(
    (threshold) => threshold > 0,
  )
  const windows = [number(domain, 'lockOutObservationWindow'), number(own, 'msDS-LockoutObservationWindow')]
  return {
    threshold: thresholds.length === 0 ? 0 : Math.min(...thresholds),
    windowMs: Math.max(...windows.map((window) => -window / 10_000)), // negative, in 100 ns
  }
}

async function readEntry(search: Search, dn: string, attributes: string[]): Promise<Entry | undefined> {
  const { entries } = await search(dn, { scope: 'base', attributes })
  return entries[0]
}

/** 0 for what is not there. Times lose some 100 ns, which are of no account here. */
function number(entry: Entry | undefined, attribute: string): number {
  const [value] = [entry?.[attribute] ?? []].flat()
  return Number(value?.toString() ?? 0)
}

/** `20260131235959.0Z` (RFC 4517, 3.3.13), as Active Directory writes it. */
function generalizedTimeMs(value: Entry[string] | undefined): number | undefined {
  const [, date, hour, minute, second] = /^(\d{8})(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/.exec(String(value)) ?? []
  if (date === undefined) return undefined
  const day = date.replace(/^(....)(..)/, '$1-$2-')
  return Date.parse(`${day}T${hour}:${minute}:${second}Z`)
}
