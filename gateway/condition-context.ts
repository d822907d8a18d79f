/**
 * What conditions of a policy may ask about a request. Keys in lower case, each with its values; a key that is not there is absent, which
 * operators tell from an empty value.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
 */
import type { ConditionContext } from '#auth'
import type { Amendable } from '#namespace'
import { parseTagging, type Tags } from './headers.ts'
import type { S3Request } from './s3-request.ts'

export type Circumstances = {
  readonly clientAddress: string
  readonly scheme: 'http' | 'https'
  readonly now: Date
}

/** Headers that are keys under their own name. */
const HEADER_KEYS = [
  'if-match',
  'if-none-match',
  'x-amz-acl',
  'x-amz-content-sha256',
  'x-amz-copy-source',
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write',
  'x-amz-grant-write-acp',
  'x-amz-metadata-directive',
  'x-amz-object-ownership',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
] as const

/** Header or query parameter → key. */
const RENAMED_HEADERS: Readonly<Record<string, string>> = {
  'x-amz-object-lock-mode': 's3:object-lock-mode',
  'x-amz-object-lock-retain-until-date': 's3:object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold': 's3:object-lock-legal-hold',
  'user-agent': 'aws:useragent',
  referer: 'aws:referer',
}
const QUERY_KEYS: Readonly<Record<string, string>> = {
  prefix: 's3:prefix',
  delimiter: 's3:delimiter',
  'max-keys': 's3:max-keys',
  versionId: 's3:versionid',
}

/** Who asks #auth knows itself. */
export function conditionContext(request: S3Request, { clientAddress, scheme, now }: Circumstances): ConditionContext {
  const context = new Map<string, readonly string[]>([
    ['aws:sourceip', [clientAddress]],
    ['aws:securetransport', [String(scheme === 'https')]],
    ['aws:currenttime', [now.toISOString()]],
    ['aws:epochtime', [String(Math.floor(now.getTime() / 1000))]],
    ['s3:authtype', [request.query.has('X-Amz-Signature') ? 'REST-QUERY-STRING' : 'REST-HEADER']],
    ['s3:signatureversion', ['AWS4-HMAC-SHA256']],
  ])
  for (const name of HEADER_KEYS) put(context, `s3:${name}`, request.headers.get(name))
  for (const [name, key] of Object.entries(RENAMED_HEADERS)) put(context, key, request.headers.get(name))
  for (const [name, key] of Object.entries(QUERY_KEYS)) put(context, key, request.query.get(name))
  const tags = parseTagging(request.headers.get('x-amz-tagging'))
  if (tags !== undefined)
    context.set(
      's3:requestobjecttagkeys',
      tags.map(({ key }) => key),
    )
  for (const [key, values] of tagKeys('s3:requestobjecttag', tags)) context.set(key, values)
  return context
}

/** The same request about an object whose tags are known. */
export function withObjectTags(context: ConditionContext, tags: Amendable['tags']): ConditionContext {
  return new Map([...context, ...tagKeys('s3:existingobjecttag', tags)])
}

function tagKeys(prefix: string, tags: Tags = []): readonly (readonly [string, readonly string[]])[] {
  return tags.map(({ key, value }) => [`${prefix}/${key.toLowerCase()}`, [value]] as const)
}

function put(context: Map<string, readonly string[]>, key: string, value: string | undefined): void {
  if (value !== undefined) context.set(key, [value])
}
