import type { Static } from 'typebox'
import { type BucketDocuments, writeBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { CorsConfiguration } from './cors-configuration.ts'

type Rule = Static<typeof CorsConfiguration>['CORSRule'][number]

const RULES_MAX = 100
const BODY_MAX_BYTES = 64 * 1024
const ID_MAX_CHARACTERS = 255
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD'])

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html: replaces all rules (P-198). */
export const putBucketCors = defineOperation({
  name: 'PutBucketCors',
  match: { method: 'PUT', on: 'bucket', query: ['cors'] },
  action: 's3:PutBucketCORS',
  body: { root: 'CORSConfiguration', shape: CorsConfiguration, maxBytes: BODY_MAX_BYTES },
  async run({ bucket, body, namespace }) {
    if (body.CORSRule.length > RULES_MAX)
      throw refused(`The number of CORS rules should not exceed allowed limit of ${RULES_MAX} rules.`)
    body.CORSRule.forEach(checkRule)
    await writeBucketDocument(namespace, bucket, 'cors', { rules: body.CORSRule.map(ruleOf) })
    return { status: 200 }
  },
})

function checkRule({ ID = '', AllowedMethod, AllowedOrigin, AllowedHeader, ExposeHeader }: Rule): void {
  if ([...ID].length > ID_MAX_CHARACTERS)
    throw refused(`ID length should not exceed allowed limit of ${ID_MAX_CHARACTERS}`)
  const method = AllowedMethod.find((each) => !METHODS.has(each))
  if (method !== undefined)
    throw refused(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`)
  for (const origin of AllowedOrigin)
    if (starsIn(origin) > 1) throw refused(`AllowedOrigin "${origin}" can not have more than one wildcard.`)
  for (const name of AllowedHeader) {
    if (starsIn(name) > 1) throw refused(`AllowedHeader "${name}" can not have more than one wildcard.`)
    if (!isToken(name)) throw refused(`AllowedHeader "${name}" contains invalid character.`)
  }
  for (const name of ExposeHeader) {
    if (starsIn(name) > 0)
      throw refused(`ExposeHeader "${name}" contains wildcard. We currently do not support wildcard for ExposeHeader.`)
    // It becomes part of a header of every answer.
    if (!isToken(name)) throw refused(`ExposeHeader "${name}" contains invalid character.`)
  }
}

const starsIn = (text: string) => text.split('*').length - 1
const isToken = (name: string) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)

function refused(message: string): GatewayError {
  return new GatewayError('InvalidRequest', { message })
}

function ruleOf(rule: Rule): BucketDocuments['cors']['rules'][number] {
  return {
    id: rule.ID,
    allowedHeaders: rule.AllowedHeader,
    allowedMethods: rule.AllowedMethod,
    allowedOrigins: rule.AllowedOrigin,
    exposeHeaders: rule.ExposeHeader,
    maxAgeSeconds: rule.MaxAgeSeconds,
  }
}
