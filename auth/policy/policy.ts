import type { Condition } from './conditions.ts'
import type { Pattern } from './pattern.ts'
import type { Principal } from './principal.ts'

/** A policy that has been read and found good: parse-policy.ts is the only maker. Worth keeping: reading costs more than asking. */
export type Policy = {
  readonly statements: readonly Statement[]
  /** It names tags of the object (s3:ExistingObjectTag): the object has to be looked at first. */
  readonly asksForTags: boolean
}

/** Attached to a group of the caller; `group` as it was called then. */
export type GroupPolicy = { readonly name: string; readonly group: string; readonly policy: Policy }

export type Statement = {
  /** `statement 'Sid'`, or its number counted from 1: for reasons. */
  readonly name: string
  readonly effect: 'Allow' | 'Deny'
  readonly principals: Matched<Principal>
  /** Patterns ignore case. */
  readonly actions: Matched<Pattern>
  /** Full ARNs. */
  readonly resources: Matched<Pattern>
  /** All must hold. */
  readonly conditions: readonly Condition[]
}

/** An element of a statement or, if `negated`, its Not… form. */
export type Matched<T> = { readonly negated: boolean; readonly any: readonly T[] }
