import type { Retention } from '#namespace'
import { GatewayError } from '../gateway-error.ts'

/**
 * May a version's retention become this one (undefined: none)? Longer, always; shorter, none or of another mode only in GOVERNANCE, by
 * whoever bypasses it; what is over binds nobody (P-196). Throws AccessDenied.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
 */
export function checkRetentionChange(
  current: Retention | undefined,
  next: Retention | undefined,
  { bypass, now }: { readonly bypass: boolean; readonly now: Date },
): void {
  if (current === undefined || new Date(current.until) <= now) return
  if (next?.mode === current.mode && new Date(next.until) >= new Date(current.until)) return
  if (current.mode === 'GOVERNANCE' && bypass) return
  throw new GatewayError('AccessDenied', { message: 'Access Denied because object protected by object lock.' })
}
