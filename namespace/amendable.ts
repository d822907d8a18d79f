import type { Amendable } from './verbs.ts'

/** What of a record or document can be changed later, and nothing else of it; absent where there is none, so that records stay small. */
export const amendable = ({ tags, acl, retention, legalHold }: Amendable): Amendable => ({
  ...(tags !== undefined && { tags }),
  ...(acl !== undefined && { acl }),
  ...(retention !== undefined && { retention }),
  ...(legalHold !== undefined && { legalHold }),
})
