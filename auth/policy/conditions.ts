/**
 * The condition operators, as a table.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
import type { Context } from './context.ts'
import { isInRange, parseIpRange } from './ip-range.ts'
import { malformed } from './malformed.ts'
import { matchesPattern, type Pattern, parsePattern, splitArnPattern, splitAtColons } from './pattern.ts'

/** One line of a Condition: an operator, a key, values. */
export type Condition = {
  /** As written, without what stands before and behind: `StringLike` of `ForAnyValue:StringLikeIfExists`. */
  readonly operator: string
  readonly qualifier: Qualifier | undefined
  readonly ifExists: boolean
  /** In lower case. */
  readonly key: string
  readonly values: readonly string[]
  readonly holds: (context: Context) => boolean
}

type Qualifier = 'ForAllValues' | 'ForAnyValue'

/** Does a value of the request match this one of the policy? */
type Test = (candidate: string, context: Context) => boolean

/** Reads a value of the policy, once; undefined: it is none of the operator's kind. */
type Parse = (value: string, variables: boolean) => Test | undefined

type Operator = {
  readonly parse: Parse
  /** True where nothing matches, and where the request has no such key. */
  readonly negated: boolean
}

const is = (parse: Parse): Operator => ({ parse, negated: false })
const isNot = (parse: Parse): Operator => ({ parse, negated: true })

const operators = new Map<string, Operator>(
  Object.entries({
    StringEquals: is(text({ wildcards: false })),
    StringNotEquals: isNot(text({ wildcards: false })),
    StringEqualsIgnoreCase: is(text({ wildcards: false, ignoresCase: true })),
    StringNotEqualsIgnoreCase: isNot(text({ wildcards: false, ignoresCase: true })),
    StringLike: is(text({ wildcards: true })),
    StringNotLike: isNot(text({ wildcards: true })),
    NumericEquals: is(compare(number, (asked, given) => asked === given)),
    NumericNotEquals: isNot(compare(number, (asked, given) => asked === given)),
    NumericLessThan: is(compare(number, (asked, given) => asked < given)),
    NumericLessThanEquals: is(compare(number, (asked, given) => asked <= given)),
    NumericGreaterThan: is(compare(number, (asked, given) => asked > given)),
    NumericGreaterThanEquals: is(compare(number, (asked, given) => asked >= given)),
    DateEquals: is(compare(date, (asked, given) => asked === given)),
    DateNotEquals: isNot(compare(date, (asked, given) => asked === given)),
    DateLessThan: is(compare(date, (asked, given) => asked < given)),
    DateLessThanEquals: is(compare(date, (asked, given) => asked <= given)),
    DateGreaterThan: is(compare(date, (asked, given) => asked > given)),
    DateGreaterThanEquals: is(compare(date, (asked, given) => asked >= given)),
    Bool: is(compare(boolean, (asked, given) => asked === given)),
    BinaryEquals: is(compare(binary, (asked, given) => asked === given)),
    IpAddress: is(ipAddress),
    NotIpAddress: isNot(ipAddress),
    ArnEquals: is(arn),
    ArnNotEquals: isNot(arn),
    ArnLike: is(arn),
    ArnNotLike: isNot(arn),
  }),
)

/** Its place is outside of the table: it asks about the key, not about its values. */
const NULL = 'Null'

/** Throws MalformedPolicy. */
export function parseCondition(name: string, key: string, values: readonly string[], variables: boolean): Condition {
  if (values.length === 0) throw malformed('Invalid policy syntax.')
  const { operator, qualifier, ifExists } = parseName(name)
  const common = { operator, qualifier, ifExists, key: key.toLowerCase(), values }
  const row = operators.get(operator)
  if (operator === NULL && qualifier === undefined && !ifExists) return { ...common, holds: isNull(common.key, values) }
  if (row === undefined) throw malformed(`Invalid Condition type : ${name}`)
  const tests = values.map((value) => {
    const test = row.parse(value, variables)
    if (test === undefined) throw malformed(`Invalid value in Condition ${name}: ${value}`)
    return test
  })
  return { ...common, holds: holdsOf(common, row.negated, tests) }
}

/** "ForAnyValue:StringLikeIfExists" → its three parts */
function parseName(name: string): Pick<Condition, 'operator' | 'qualifier' | 'ifExists'> {
  const [, qualifier, operator = '', ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(.*?)(IfExists)?$/s.exec(name) ?? []
  return {
    operator,
    qualifier: qualifier === 'ForAllValues' || qualifier === 'ForAnyValue' ? qualifier : undefined,
    ifExists: ifExists !== undefined,
  }
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html */
function holdsOf(
  { key, qualifier, ifExists }: Pick<Condition, 'key' | 'qualifier' | 'ifExists'>,
  negated: boolean,
  tests: readonly Test[],
): Condition['holds'] {
  const withoutKey = ifExists || (qualifier === undefined ? negated : qualifier === 'ForAllValues')
  return (context) => {
    const candidates = context(key) ?? []
    if (candidates.length === 0) return withoutKey
    const passes = (candidate: string) => tests.some((test) => test(candidate, context)) !== negated
    const everyCandidate = qualifier === 'ForAllValues' || (qualifier === undefined && negated)
    return everyCandidate ? candidates.every(passes) : candidates.some(passes)
  }
}

/** "true": the key must not be there. */
function isNull(key: string, values: readonly string[]): Condition['holds'] {
  const wanted = values.map((value) => {
    const parsed = boolean(value)
    if (parsed === undefined) throw malformed(`Invalid value in Condition ${NULL}: ${value}`)
    return parsed
  })
  return (context) => wanted.includes((context(key) ?? []).length === 0)
}

function text(syntax: { readonly wildcards: boolean; readonly ignoresCase?: boolean }): Parse {
  return (value, variables) => {
    const pattern = parsePattern(value, { ...syntax, variables })
    return (candidate, context) => matchesPattern(pattern, candidate, context)
  }
}

/** Both sides are read alike; what cannot be read in a request matches nothing. */
function compare<T>(read: (text: string) => T | undefined, compares: (asked: T, given: T) => boolean): Parse {
  return (value) => {
    const given = read(value)
    if (given === undefined) return undefined
    return (candidate) => {
      const asked = read(candidate)
      return asked !== undefined && compares(asked, given)
    }
  }
}

function number(text: string): number | undefined {
  return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}

/** ISO 8601 as W3C has it, or seconds since 1970. Four digits are a year: https://www.w3.org/TR/NOTE-datetime */
function date(text: string): number | undefined {
  if (/^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?$/.test(text))
    return defined(Date.parse(text))
  const seconds = number(text)
  return seconds === undefined ? undefined : seconds * 1000
}

function defined(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}

function boolean(text: string): boolean | undefined {
  const lower = text.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

/** Base64; the bytes decide, not how they are written. */
function binary(text: string): string | undefined {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('hex') : undefined
}

function ipAddress(value: string): Test | undefined {
  const range = parseIpRange(value)
  return range && ((candidate) => isInRange(range, candidate))
}

/** Each of the six parts has its own wildcards: `arn:aws:s3:::a*` does not match `arn:aws:s3:eu:1:abc`. `*` alone is any ARN. */
function arn(value: string, variables: boolean): Test | undefined {
  const parts = splitArnPattern(parsePattern(value === '*' ? '*:*:*:*:*:*' : value, { wildcards: true, variables }))
  if (parts === undefined) return undefined
  return (candidate, context) => {
    const candidates = splitAtColons(candidate, 5)
    return candidates.length === 6 && parts.every((part, index) => matchesPart(part, candidates[index], context))
  }
}

function matchesPart(part: Pattern, candidate: string | undefined, context: Context): boolean {
  return candidate !== undefined && matchesPattern(part, candidate, context)
}
