/**
 * Cross-origin rules of a bucket → the headers of one answer. Pure.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
 */
import type { BucketDocuments } from './bucket-documents.ts'

type CorsRule = BucketDocuments['cors']['rules'][number]

type CorsQuestion = {
  readonly origin: string
  /** Access-Control-Request-Method where the client sends it, with other methods than OPTIONS too (P-197). */
  readonly method: string
  /** Access-Control-Request-Headers: `x-amz-date, content-type`. */
  readonly requestHeaders: string | undefined
}

/** By the first rule that fits; undefined where none does (P-197). */
export function corsHeaders(
  rules: readonly CorsRule[],
  { origin, method, requestHeaders }: CorsQuestion,
): Readonly<Record<string, string | undefined>> | undefined {
  const asked = listOf(requestHeaders)
  for (const rule of rules) {
    const pattern = rule.allowedOrigins.find((each) => matches(each, origin))
    if (pattern === undefined || !rule.allowedMethods.includes(method) || !allowsAll(rule, asked)) continue
    return {
      'access-control-allow-origin': pattern === '*' ? '*' : origin,
      'access-control-allow-methods': rule.allowedMethods.join(', '),
      'access-control-allow-headers': textOf(asked),
      'access-control-expose-headers': textOf(rule.exposeHeaders ?? []),
      'access-control-max-age': rule.maxAgeSeconds?.toString(),
      // Browsers refuse credentials together with an origin of `*`.
      'access-control-allow-credentials': pattern === '*' ? undefined : 'true',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    }
  }
  return undefined
}

function allowsAll({ allowedHeaders = [] }: CorsRule, asked: readonly string[]): boolean {
  return asked.every((name) => allowedHeaders.some((pattern) => matches(pattern.toLowerCase(), name)))
}

function listOf(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
}

function textOf(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : names.join(', ')
}

/** One `*` at most, anywhere: "start*end" fits "startend" and "start1end". */
function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === text
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)]
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail)
}
