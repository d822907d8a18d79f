/**
 * A text of a policy with wildcards and policy variables.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */
import { type Context, noContext } from './context.ts'
import { MANY, matchesWildcard, ONE, type Wildcard, wildcard } from './wildcard.ts'

type Variable = { readonly key: string; readonly otherwise: string | undefined }
type Piece = string | typeof ONE | typeof MANY | Variable

export type Pattern = {
  readonly text: string
  readonly pieces: readonly Piece[]
  readonly ignoresCase: boolean
  /** Ready where no variable is in it. */
  readonly compiled: Wildcard | undefined
}

export type PatternSyntax = {
  readonly wildcards: boolean
  /** Only policies of version 2012-10-17 have variables; before that `${…}` is plain text. */
  readonly variables: boolean
  readonly ignoresCase?: boolean
}

const tokens = /\$\{([^{}]*)\}|[*?]|[^*?$]+|\$/gu

export function parsePattern(text: string, syntax: PatternSyntax): Pattern {
  const pieces = [...text.matchAll(tokens)].map(([token, variable]): Piece => {
    if (variable !== undefined) return syntax.variables ? parseVariable(variable) : token
    if (!syntax.wildcards) return token
    return token === '*' ? MANY : token === '?' ? ONE : token
  })
  return patternOf(text, pieces, syntax.ignoresCase ?? false)
}

/**
 * "arn:aws:iam::1:user/*" → six patterns, cut at the first five colons of the text; undefined where it has fewer. What a variable brings
 * along cannot move a part into another.
 */
export function splitArnPattern({ text, pieces, ignoresCase }: Pattern): readonly Pattern[] | undefined {
  const parts: Piece[][] = [[]]
  for (const piece of pieces) {
    const [first, ...others] = splitPiece(piece, 6 - parts.length)
    if (first !== undefined) parts.at(-1)?.push(first)
    for (const other of others) parts.push([other])
  }
  return parts.length === 6 ? parts.map((part) => patternOf(text, part, ignoresCase)) : undefined
}

function splitPiece(piece: Piece, cuts: number): readonly Piece[] {
  return typeof piece === 'string' ? splitAtColons(piece, cuts) : [piece]
}

/** "a:b:c" with one cut → "a", "b:c" */
export function splitAtColons(text: string, cuts: number): string[] {
  const parts = text.split(':')
  return [...parts.slice(0, cuts), ...(parts.length > cuts ? [parts.slice(cuts).join(':')] : [])]
}

/** A variable that the request has no single value for, and that has no default, matches nothing. */
export function matchesPattern(pattern: Pattern, text: string, context: Context): boolean {
  const segments = pattern.compiled ?? resolve(pattern, context)
  return segments !== undefined && matchesWildcard(segments, pattern.ignoresCase ? text.toLowerCase() : text)
}

/** Without wildcards and variables, which is what AWS calls a fixed value. */
export function isFixed(text: string): boolean {
  return !/[*?]|\$\{/.test(text)
}

function patternOf(text: string, pieces: readonly Piece[], ignoresCase: boolean): Pattern {
  const isVariable = pieces.some((piece) => typeof piece === 'object')
  const pattern = { text, pieces, ignoresCase, compiled: undefined }
  return isVariable ? pattern : { ...pattern, compiled: resolve(pattern, noContext) }
}

/** What comes out of a variable is plain text: a user named `*` is nobody else. */
function resolve({ pieces, ignoresCase }: Pattern, context: Context): Wildcard | undefined {
  const resolved: (string | typeof ONE | typeof MANY)[] = []
  for (const piece of pieces) {
    const value = typeof piece === 'object' ? valueFor(piece, context) : piece
    if (value === undefined) return undefined
    resolved.push(typeof value === 'string' && ignoresCase ? value.toLowerCase() : value)
  }
  return wildcard(resolved)
}

function valueFor({ key, otherwise }: Variable, context: Context): string | undefined {
  const values = context(key)
  return values?.length === 1 ? values[0] : otherwise
}

/** `aws:username`, `aws:username, 'nobody'`, and `*`, `?`, `$` for themselves. */
function parseVariable(inside: string): Piece {
  if (inside === '*' || inside === '?' || inside === '$') return inside
  const comma = inside.indexOf(',')
  if (comma < 0) return { key: inside.trim().toLowerCase(), otherwise: undefined }
  const [, otherwise] = /^'([^']*)'$/.exec(inside.slice(comma + 1).trim()) ?? []
  return { key: inside.slice(0, comma).trim().toLowerCase(), otherwise }
}
