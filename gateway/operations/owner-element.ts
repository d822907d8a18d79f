import type { Owner } from '#namespace'

/** AWS has stopped to send DisplayName; older clients read it and nobody minds it. */
export function ownerElement({ canonicalId, displayName }: Owner): { ID: string; DisplayName: string } {
  return { ID: canonicalId, DisplayName: displayName }
}
