import { NamespaceError } from './errors.ts'
import type { Amendable } from './verbs.ts'

type Bypass = { readonly bypassGovernance: boolean; readonly nowMs: number }

/**
 * Throws AccessDenied for a version that must not go: under legal hold; until its retention ends, in COMPLIANCE for everybody, in GOVERNANCE unless
 * bypassed (P-196). https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
export function refuseLocked(version: Amendable, bypass: Bypass): void {
  if (!isLocked(version, bypass)) return
  throw new NamespaceError('AccessDenied', { message: 'Access Denied because object protected by object lock.' })
}

export function isLocked({ retention, legalHold }: Amendable, { bypassGovernance, nowMs }: Bypass): boolean {
  const isRetained = retention !== undefined && Date.parse(retention.until) > nowMs
  const isBypassed = retention?.mode === 'GOVERNANCE' && bypassGovernance
  return legalHold === true || (isRetained && !isBypassed)
}
