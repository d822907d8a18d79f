/** What a policy says to one question. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html */

import type { Person } from '../person.ts'
import type { Context } from './context.ts'
import { matchesPattern } from './pattern.ts'
import type { Matched, Policy, Statement } from './policy.ts'
import { isPrincipal } from './principal.ts'

type Asked = {
  readonly identity: Person | undefined
  readonly action: string
  /** `arn:aws:s3:::bucket/key` */
  readonly resource: string
  readonly context: Context
}

/** The statement that decides: the first that denies, or else the first that allows; undefined: the policy says nothing. */
export function evaluate(policy: Policy, asked: Asked): Statement | undefined {
  const lowerCase = { ...asked, action: asked.action.toLowerCase() }
  const applying = policy.statements.filter((statement) => applies(statement, lowerCase))
  return applying.find(({ effect }) => effect === 'Deny') ?? applying[0]
}

function applies(statement: Statement, { identity, action, resource, context }: Asked): boolean {
  return (
    matches(statement.principals, (principal) => isPrincipal(principal, identity)) &&
    matches(statement.actions, (pattern) => matchesPattern(pattern, action, context)) &&
    matches(statement.resources, (pattern) => matchesPattern(pattern, resource, context)) &&
    statement.conditions.every((condition) => condition.holds(context))
  )
}

function matches<T>({ negated, any }: Matched<T>, fits: (item: T) => boolean): boolean {
  return any.some(fits) !== negated
}
