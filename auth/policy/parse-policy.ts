/**
 * The text of a policy → what evaluate.ts asks. parse-identity-policy.ts has the grammar of the policies of users and groups.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */
import { s3Actions } from '../actions.ts'
import { isConditionKey } from './condition-keys.ts'
import { type Condition, parseCondition } from './conditions.ts'
import { noContext } from './context.ts'
import { malformed } from './malformed.ts'
import { matchesPattern, type Pattern, parsePattern } from './pattern.ts'
import type { Matched, Policy, Statement } from './policy.ts'
import { type Principal, parsePrincipal } from './principal.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html */
const POLICY_BYTES_MAX = 20 * 1024

export const BUCKET_ARN = 'arn:aws:s3:::'

type JsonObject = Readonly<Record<string, unknown>>

/** In what the kinds of policies differ. */
export type Grammar = {
  readonly maxBytes: number
  /** Names of elements, beside those of every statement. */
  readonly principalElements: readonly string[]
  readonly principals: (statement: JsonObject) => Matched<Principal>
  /** Actions of services that nobody serves here may be named. */
  readonly anyService: boolean
  /** Full ARNs, or undefined for what cannot be one. */
  readonly resource: (text: string, variables: boolean) => Pattern | undefined
}

/** @param bucket whose policy it is to be: it may speak of no other. Throws MalformedPolicy. */
export function parsePolicy(text: string, bucket: string): Policy {
  return parsePolicyDocument(text, {
    maxBytes: POLICY_BYTES_MAX,
    principalElements: ['Principal', 'NotPrincipal'],
    principals: (statement) => element(statement, 'Principal', parsePrincipals),
    anyService: false,
    resource: (resource, variables) => parseResource(resource, variables, bucket),
  })
}

/** Throws MalformedPolicy. */
export function parsePolicyDocument(text: string, grammar: Grammar): Policy {
  if (Buffer.byteLength(text) > grammar.maxBytes) throw malformed('Policy exceeds the maximum allowed document size.')
  const document = parseJson(text)
  checkElements(document, policyElements)
  const { Version: version = '2008-10-17' } = document
  if (version !== '2008-10-17' && version !== '2012-10-17') {
    throw malformed('The policy must contain a valid version string')
  }
  if (document.Id !== undefined) asString(document.Id)
  if (document.Statement === undefined) throw malformed('Missing required field Statement')
  const statements = listOf(document.Statement).map(asObject)
  if (statements.length === 0) throw malformed('Could not parse the policy: Statement is empty!')
  const variables = version === '2012-10-17'
  const policy = {
    statements: statements.map((statement, index) => parseStatement(statement, index, variables, grammar)),
    // Written anew: in the text as it came a name may be escaped.
    asksForTags: /s3:existingobjecttag\//i.test(JSON.stringify(document)),
  }
  checkNamedOnce(text, document)
  return policy
}

/** P-188: one sentence for whatever is not a JSON object. */
function parseJson(text: string): JsonObject {
  const sentence = "Policies must be valid JSON and the first byte must be '{'"
  if (!text.startsWith('{')) throw malformed(sentence)
  try {
    return asObject(JSON.parse(text))
  } catch {
    throw malformed(sentence)
  }
}

const policyElements: ReadonlySet<string> = new Set(['Version', 'Id', 'Statement'])
const statementElements = ['Sid', 'Effect', 'Condition', 'Action', 'NotAction', 'Resource', 'NotResource']

function parseStatement(statement: JsonObject, index: number, variables: boolean, grammar: Grammar): Statement {
  checkElements(statement, new Set([...statementElements, ...grammar.principalElements]))
  const { Sid = '', Condition = {} } = statement
  const effect = parseEffect(statement.Effect)
  const principals = grammar.principals(statement)
  if (effect === 'Allow' && principals.negated) throw malformed('Allow with NotPrincipal is not allowed.')
  return {
    name: Sid === '' ? `statement ${index + 1}` : `statement '${asString(Sid)}'`,
    effect,
    principals,
    actions: element(statement, 'Action', (value) =>
      stringsOf(value, 'Policy has invalid action').map((text) => parseAction(text, grammar)),
    ),
    resources: element(statement, 'Resource', (value) =>
      stringsOf(value, 'Policy has invalid resource').map((text) => {
        const pattern = grammar.resource(text, variables)
        if (pattern === undefined) throw malformed('Policy has invalid resource')
        return pattern
      }),
    ),
    conditions: parseConditions(Condition, variables),
  }
}

function parseEffect(effect: unknown): 'Allow' | 'Deny' {
  if (effect === undefined) throw malformed('Missing required field Effect')
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed(`Invalid effect: ${asString(effect)}`)
  return effect
}

/** X or NotX, one of the two. */
function element<T>(statement: JsonObject, name: string, parse: (value: unknown) => readonly T[]): Matched<T> {
  const [plain, not] = [statement[name], statement[`Not${name}`]]
  if (plain !== undefined && not !== undefined) throw invalidSyntax()
  const value = plain ?? not
  if (value === undefined) throw malformed(`Missing required field ${name}`)
  return { negated: plain === undefined, any: parse(value) }
}

function parsePrincipals(value: unknown): readonly Principal[] {
  if (value === '*') return [parsePrincipal('AWS', '*')]
  const sentence = 'Invalid principal in policy'
  if (!isObject(value)) throw malformed(sentence)
  const principals = Object.entries(value).flatMap(([kind, names]) =>
    stringsOf(names, sentence).map((name) => parsePrincipal(kind, name)),
  )
  if (principals.length === 0) throw malformed(sentence)
  return principals
}

/** Of S3's actions those that no operation here asks for, but that policies for S3 name. */
const foreignActions = [
  's3:GetObjectVersionForReplication',
  's3:InitiateReplication',
  's3:ListTagsForResource',
  's3:ObjectOwnerOverrideToBucketOwner',
  's3:PauseReplication',
  's3:TagResource',
  's3:UntagResource',
]
const actions: ReadonlySet<string> = new Set([...s3Actions, ...foreignActions].map((action) => action.toLowerCase()))

/** A pattern that no action fits is a mistake: a Deny of `s3:DeletObject` would protect nothing. */
function parseAction(text: string, { anyService }: Grammar): Pattern {
  const pattern = parsePattern(text, { wildcards: true, variables: false, ignoresCase: true })
  const isKnown =
    (anyService && /^(?!s3:)[a-z0-9-]+:[A-Za-z0-9*?]+$/i.test(text)) ||
    actions.has(text.toLowerCase()) ||
    [...actions].some((action) => matchesPattern(pattern, action, noContext))
  if (!isKnown) throw malformed('Policy has invalid action')
  return pattern
}

/** `arn:aws:s3:::bucket`, `arn:aws:s3:::bucket/key`; what stands before the first slash must fit the bucket. */
function parseResource(text: string, variables: boolean, bucket: string): Pattern | undefined {
  const head = text.slice(BUCKET_ARN.length).split('/', 1)[0] ?? ''
  const isOfBucket = text.startsWith(BUCKET_ARN) && fits(head, bucket)
  return text === '*' || isOfBucket ? parsePattern(text, { wildcards: true, variables }) : undefined
}

function fits(pattern: string, name: string): boolean {
  return matchesPattern(parsePattern(pattern, { wildcards: true, variables: false }), name, noContext)
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html */
function parseConditions(block: unknown, variables: boolean): readonly Condition[] {
  return Object.entries(asObject(block)).flatMap(([operator, keys]) =>
    Object.entries(asObject(keys)).map(([key, values]) => {
      if (!isConditionKey(key)) throw malformed('Policy has an invalid condition key')
      return parseCondition(operator, key, listOf(values).map(asText), variables)
    }),
  )
}

/** `{"aws:SecureTransport": false}` and `{"s3:max-keys": 10}` are written without quotation marks, too. */
function asText(value: unknown): string {
  return typeof value === 'boolean' || typeof value === 'number' ? String(value) : asString(value)
}

function stringsOf(value: unknown, sentence: string): readonly string[] {
  const strings = listOf(value).map(asString)
  if (strings.length === 0) throw malformed(sentence)
  return strings
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

function asString(value: unknown): string {
  if (typeof value !== 'string') throw invalidSyntax()
  return value
}

function asObject(value: unknown): JsonObject {
  if (!isObject(value)) throw invalidSyntax()
  return value
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkElements(object: JsonObject, known: ReadonlySet<string>): void {
  const unknown = Object.keys(object).find((name) => !known.has(name))
  if (unknown !== undefined) throw malformed(`Unknown field ${unknown}`)
}

/**
 * JSON.parse keeps the last of two elements of the same name. A policy with two `StringEquals` in one Condition would lose the first of
 * them in silence, and allow more than its author reads. So the names in the text are counted, and those of what was read.
 */
function checkNamedOnce(text: string, document: JsonObject): void {
  const names = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined)
  if (names.length !== countNames(document)) throw invalidSyntax()
}

/** Runs on what has the form of a policy, so it is never deep. */
function countNames(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countNames(item), 0)
  if (!isObject(value)) return 0
  return Object.values(value).reduce<number>((sum, item) => sum + 1 + countNames(item), 0)
}

function invalidSyntax() {
  return malformed('Invalid policy syntax.')
}
