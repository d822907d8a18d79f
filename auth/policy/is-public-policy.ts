/**
 * Does a policy give something to the public? It is taken to, unless every statement that allows is held to fixed values.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
 */
import type { Condition } from './conditions.ts'
import { parseIpRange } from './ip-range.ts'
import { isFixed } from './pattern.ts'
import type { Policy, Statement } from './policy.ts'

export function isPublicPolicy(policy: Policy): boolean {
  return policy.statements.some((statement) => statement.effect === 'Allow' && !isHeldToFixedValues(statement))
}

/** A principal of AWS's or a service is a fixed one; an identity provider (AWS's example: graph.facebook.com) is everybody. */
function isHeldToFixedValues({ principals, conditions }: Statement): boolean {
  const named = principals.any.every(({ kind }) => kind !== 'everyone' && kind !== 'federated')
  return named || conditions.some(isFixedCondition)
}

type IsFixed = (value: string) => boolean

/** Keys that hold a request to somebody or to somewhere, and what a fixed value is there. */
const keys = new Map<string, IsFixed>([
  ['aws:principalaccount', isFixed],
  ['aws:principalarn', isFixed],
  ['aws:principalorgid', isFixed],
  ['aws:sourceaccount', isFixed],
  ['aws:sourcearn', isFixed],
  ['aws:sourceip', isNarrowRange],
  ['aws:sourceowner', isFixed],
  ['aws:sourcevpc', isFixed],
  ['aws:sourcevpce', isFixed],
  ['aws:userid', isFixed],
  ['s3:dataaccesspointaccount', isFixed],
  ['s3:dataaccesspointarn', isAccessPointOfAccount],
])

const textOperators: ReadonlySet<string> = new Set([
  ...['StringEquals', 'StringEqualsIgnoreCase', 'StringLike', 'ArnEquals', 'ArnLike'],
])

/** A condition that a request without the key passes holds nobody to anything: …IfExists and ForAllValues. */
function isFixedCondition({ operator, qualifier, ifExists, key, values }: Condition): boolean {
  const isFixedValue = keys.get(key)
  if (isFixedValue === undefined || ifExists || qualifier === 'ForAllValues') return false
  const fits = key === 'aws:sourceip' ? operator === 'IpAddress' : textOperators.has(operator)
  return fits && values.every(isFixedValue)
}

/** Nothing broader than /8 (IPv4) or /32 (IPv6). */
function isNarrowRange(value: string): boolean {
  const range = parseIpRange(value)
  return range !== undefined && range.prefix >= (range.bits === 32 ? 8 : 32)
}

/** The name of the access point may be anything, its account may not. */
function isAccessPointOfAccount(value: string): boolean {
  return isFixed(value) || /^arn:aws:s3:[a-z0-9-]+:\d{12}:accesspoint\/[^$]+$/.test(value)
}
