/**
 * The policy of a browser's upload form: what its signer allows the form to say. Strings in, facts out.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 *
 *     { "expiration": "2026-12-01T12:00:00Z",
 *       "conditions": [ {"bucket": "photos"}, ["starts-with", "$key", "user/"], ["content-length-range", 0, 1048576] ] }
 */

import { AuthError } from '../errors.ts'

/** Fields of a form before its file, by lower-case name (P-060). */
export type FormFields = ReadonlyMap<string, string>

/** How long the file may be; both ends are allowed. */
export type SizeRange = { readonly minBytes: number; readonly maxBytes: number }

export type PostPolicy = {
  readonly expirationMs: number
  readonly conditions: readonly Condition[]
  readonly sizeRange: SizeRange | undefined
}

type Condition = {
  readonly operator: 'eq' | 'starts-with'
  /** In lower case. */
  readonly field: string
  readonly value: string
  /** As the signer wrote it, for the error. */
  readonly text: string
}

/**
 * The document behind the base64 of the field `policy`. Names of fields and operators have no case, names of the document have (P-060).
 * Throws InvalidPolicyDocument (P-062, P-063).
 */
export function parsePostPolicy(base64: string): PostPolicy {
  const document = parseDocument(base64)
  if (!('expiration' in document)) throw invalidPolicy('Policy missing expiration.')
  if (!('conditions' in document)) throw invalidPolicy('Policy missing conditions.')
  const { expiration, conditions } = document
  if (!Array.isArray(conditions)) throw invalidPolicy("Invalid 'conditions' value: must be a list.")
  const parsed = conditions.map(parseCondition)
  return {
    expirationMs: parseExpiration(expiration),
    conditions: parsed.filter((each) => 'field' in each),
    sizeRange: narrowest(parsed.filter((each) => 'minBytes' in each)),
  }
}

/**
 * Holds a form against its policy. `bucket` is the one of the request, whatever the form says.
 * Throws AccessDenied: expired (P-063), a condition that fails, a field that no condition names (P-061).
 */
export function checkPostPolicy(policy: PostPolicy, fields: FormFields, bucket: string, now: Date): void {
  if (now.getTime() >= policy.expirationMs) throw denied('Policy expired.')
  const said = new Map([...fields, ['bucket', bucket]])
  for (const condition of policy.conditions) {
    if (!holds(condition, said.get(condition.field) ?? '')) throw denied(`Policy Condition failed: ${condition.text}`)
  }
  const named = new Set(policy.conditions.map(({ field }) => field))
  const extra = [...said.keys()].filter((field) => !named.has(field) && !NEED_NO_CONDITION.test(field))
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`)
}

/**
 * Unlike AWS also x-amz-checksum-*: a checksum lets nobody store anything that the policy does not allow, and the public suite sends one
 * that its policy does not name (P-068).
 */
const NEED_NO_CONDITION = /^(?:awsaccesskeyid|signature|x-amz-signature|policy|file|x-ignore-.*|x-amz-checksum-.*)$/

function parseDocument(base64: string): object {
  try {
    const document: unknown = JSON.parse(withoutOddEscapes(Buffer.from(base64, 'base64').toString('utf8')))
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document
  } catch {
    // Below, with what parses but is no object.
  }
  throw invalidPolicy('Invalid JSON.')
}

/** AWS documents two escapes that JSON does not have: `\$` and `\v`. Pair by pair, so that `\\$` stays a backslash and a dollar. */
function withoutOddEscapes(text: string): string {
  return text.replace(/\\([\s\S])/g, (pair, escaped) => ODD_ESCAPES.get(escaped) ?? pair)
}

const ODD_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['$', '$'],
  ['v', '\\u000b'],
])

/** `2026-12-01T12:00:00Z`, with a fraction or without. */
function parseExpiration(value: unknown): number {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const epochMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(epochMs)) throw invalidPolicy(`Invalid 'expiration' value: '${text}'`)
  return epochMs
}

function parseCondition(condition: unknown): Condition | SizeRange {
  if (Array.isArray(condition)) return parseList(condition)
  if (typeof condition === 'object' && condition !== null) return parseSimple(condition)
  throw invalidPolicy(`Invalid Condition: ${JSON.stringify(condition)}`)
}

/** `{"acl": "private"}` */
function parseSimple(condition: object): Condition {
  const [pair, ...others] = Object.entries(condition)
  if (pair === undefined || others.length > 0) {
    throw invalidPolicy('Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.')
  }
  const [name, value]: [string, unknown] = pair
  if (typeof value !== 'string') throw invalidPolicy('Invalid Simple-Condition: value must be a string.')
  return { operator: 'eq', field: name.toLowerCase(), value, text: textOf(['eq', `$${name}`, value]) }
}

/** `["starts-with", "$key", "user/"]`, `["content-length-range", 0, 1048576]` */
function parseList(condition: readonly unknown[]): Condition | SizeRange {
  const text = textOf(condition)
  const [first, name, value] = condition
  const operator = typeof first === 'string' ? first.toLowerCase() : ''
  if (operator !== 'eq' && operator !== 'starts-with' && operator !== 'content-length-range') {
    throw invalidPolicy(`Invalid Condition: unknown operation in ${text}`)
  }
  if (condition.length !== 3) throw invalidPolicy(`Invalid ${operator}: wrong number of arguments in ${text}`)
  if (operator === 'content-length-range') return { minBytes: parseSize(name, text), maxBytes: parseSize(value, text) }
  if (typeof name !== 'string' || !/^\$./.test(name) || typeof value !== 'string') {
    throw invalidPolicy(`Invalid ${operator}: a field such as "$key" and a string are expected in ${text}`)
  }
  return { operator, field: name.slice(1).toLowerCase(), value, text }
}

/** As AWS writes it: `["eq", "$acl", "private"]` */
function textOf(condition: readonly unknown[]): string {
  return `[${condition.map((each) => JSON.stringify(each)).join(', ')}]`
}

/** A number; some signers write it as a string. */
function parseSize(value: unknown, text: string): number {
  const size = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size
  throw invalidPolicy(`Invalid content-length-range: two numbers of bytes are expected in ${text}`)
}

function narrowest(ranges: readonly SizeRange[]): SizeRange | undefined {
  if (ranges.length === 0) return undefined
  return {
    minBytes: Math.max(...ranges.map(({ minBytes }) => minBytes)),
    maxBytes: Math.min(...ranges.map(({ maxBytes }) => maxBytes)),
  }
}

/** Values have case (P-060). A Content-Type with commas is a list, and each of it must begin so. */
function holds({ operator, field, value }: Condition, said: string): boolean {
  if (operator === 'eq') return said === value
  const items = field === 'content-type' ? said.split(',').map((item) => item.trim()) : [said]
  return items.every((item) => item.startsWith(value))
}

function invalidPolicy(sentence: string): AuthError {
  return new AuthError('InvalidPolicyDocument', { message: `Invalid Policy: ${sentence}` })
}

function denied(sentence: string): AuthError {
  return new AuthError('AccessDenied', { message: `Invalid according to Policy: ${sentence}` })
}
