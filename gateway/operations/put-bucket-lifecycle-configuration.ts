import { randomUUID } from 'node:crypto'
import type { Static } from 'typebox'
import type { LifecycleFilter, LifecycleRule } from '#namespace'
import { writeBucketDocument } from '../bucket-documents.ts'
import { type GatewayCode, GatewayError } from '../gateway-error.ts'
import { checkTags } from '../headers.ts'
import { defineOperation } from '../operation.ts'
import { LifecycleConfiguration } from './lifecycle-shape.ts'

type Rule = Static<typeof LifecycleConfiguration>['Rule'][number]
type Filter = NonNullable<Rule['Filter']>

const RULES_MAX = 1000
const ID_MAX_CHARACTERS = 255
const PREFIX_MAX_BYTES = 1024
const NEWER_VERSIONS_MAX = 100
/** A lifecycle of a hundred thousand years is a mistake, and no date. */
const DAYS_MAX = 36_500_000

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html: replaces all rules (P-199).
 * More lenient than AWS: conditions that stand beside `And` in a filter hold together with it. There is one class of storage, so a transition
 * is 501 rather than a promise.
 */
export const putBucketLifecycleConfiguration = defineOperation({
  name: 'PutBucketLifecycleConfiguration',
  match: { method: 'PUT', on: 'bucket', query: ['lifecycle'] },
  action: 's3:PutLifecycleConfiguration',
  body: { root: 'LifecycleConfiguration', shape: LifecycleConfiguration },
  async run({ bucket, body, namespace }) {
    if (body.Rule.length > RULES_MAX)
      throw refused(
        'InvalidRequest',
        `The number of lifecycle rules must not exceed the allowed limit of ${RULES_MAX} rules`,
      )
    const rules = body.Rule.map(ruleOf)
    if (new Set(rules.map(({ id }) => id)).size < rules.length)
      throw refused('InvalidArgument', 'Rule ID must be unique. Found same ID for more than one rule')
    await writeBucketDocument(namespace, bucket, 'lifecycle', { rules })
    return { status: 200 }
  },
})

function ruleOf(rule: Rule): LifecycleRule {
  const { ID: id = '', Prefix: prefix, Filter, Status, AbortIncompleteMultipartUpload: abort } = rule
  if ([...id].length > ID_MAX_CHARACTERS)
    throw refused('InvalidArgument', `ID length should not exceed allowed limit of ${ID_MAX_CHARACTERS}`)
  if ((prefix === undefined) === (Filter === undefined)) throw new GatewayError('MalformedXML')
  checkPrefix(prefix)
  refuseTransitions(rule)
  checkActions(rule)
  return {
    id: id === '' ? randomUUID() : id,
    enabled: Status === 'Enabled',
    prefix,
    filter: Filter && { ...filterOf(Filter), and: Filter.And && conditionsOf(Filter.And, tagsOf(Filter.And.Tag)) },
    expiration: expirationOf(rule),
    noncurrentExpiration: noncurrentExpirationOf(rule),
    abortUploadDays:
      abort && positive(abort.DaysAfterInitiation, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload'),
  }
}

function refuseTransitions({ Transition, NoncurrentVersionTransition }: Rule): void {
  for (const { Date: date } of Transition) if (date !== undefined) midnight(date)
  if (Transition.length + NoncurrentVersionTransition.length === 0) return
  throw refused('NotImplemented', 'There is one class of storage here: objects cannot be moved to another one')
}

function checkActions({ Filter, Expiration, NoncurrentVersionExpiration, AbortIncompleteMultipartUpload }: Rule): void {
  if ([Expiration, NoncurrentVersionExpiration, AbortIncompleteMultipartUpload].every((action) => action === undefined))
    throw refused('InvalidRequest', 'At least one action needs to be specified in a rule.')
  if (!isNarrow(Filter)) return
  const asked = [
    AbortIncompleteMultipartUpload && 'AbortIncompleteMultipartUpload',
    Expiration?.ExpiredObjectDeleteMarker && 'ExpiredObjectDeleteMarker',
  ].find((name) => name !== undefined && name !== false)
  // Neither an upload nor a delete marker has tags or a size.
  if (asked !== undefined) throw refused('InvalidRequest', `${asked} cannot be specified with Tags or sizes.`)
}

function isNarrow(filter: Filter | undefined): boolean {
  const { Tag, ObjectSizeGreaterThan, ObjectSizeLessThan, And } = filter ?? {}
  const sizes = [ObjectSizeGreaterThan, ObjectSizeLessThan, And?.ObjectSizeGreaterThan, And?.ObjectSizeLessThan]
  return Tag !== undefined || (And?.Tag.length ?? 0) > 0 || sizes.some((size) => size !== undefined)
}

function filterOf(filter: Filter): LifecycleFilter {
  return conditionsOf(filter, filter.Tag === undefined ? [] : tagsOf([filter.Tag]))
}

function conditionsOf(
  { Prefix, ObjectSizeGreaterThan, ObjectSizeLessThan }: Omit<Filter, 'Tag' | 'And'>,
  tags: NonNullable<LifecycleFilter['tags']>,
): LifecycleFilter {
  checkPrefix(Prefix)
  const [above = 0, below = Number.POSITIVE_INFINITY] = [ObjectSizeGreaterThan, ObjectSizeLessThan]
  if (above < 0 || below < 1) throw refused('InvalidRequest', 'Sizes of objects are positive')
  if (below <= above)
    throw refused('InvalidRequest', "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
  return { prefix: Prefix, tags, sizeGreaterThanBytes: ObjectSizeGreaterThan, sizeLessThanBytes: ObjectSizeLessThan }
}

function tagsOf(elements: readonly { readonly Key: string; readonly Value: string }[]) {
  const tags = elements.map(({ Key, Value }) => ({ key: Key, value: Value }))
  checkTags(tags, Number.POSITIVE_INFINITY)
  return tags
}

function checkPrefix(prefix = ''): void {
  if (Buffer.byteLength(prefix) > PREFIX_MAX_BYTES)
    throw refused('InvalidRequest', `The maximum size of a prefix is ${PREFIX_MAX_BYTES}.`)
}

function expirationOf({ Expiration }: Rule): LifecycleRule['expiration'] {
  if (Expiration === undefined) return undefined
  const { Days: days, Date: date, ExpiredObjectDeleteMarker: expiredObjectDeleteMarker } = Expiration
  if ([days, date, expiredObjectDeleteMarker].filter((each) => each !== undefined).length !== 1)
    throw new GatewayError('MalformedXML')
  if (days !== undefined) return { days: positive(days, 'Days', 'Expiration') }
  return date === undefined ? { expiredObjectDeleteMarker } : { date: midnight(date) }
}

function noncurrentExpirationOf({ NoncurrentVersionExpiration: asked }: Rule): LifecycleRule['noncurrentExpiration'] {
  if (asked === undefined) return undefined
  const { NoncurrentDays, NewerNoncurrentVersions: newerVersions } = asked
  if (newerVersions !== undefined && (newerVersions < 1 || newerVersions > NEWER_VERSIONS_MAX))
    throw refused('InvalidArgument', `'NewerNoncurrentVersions' must be from 1 to ${NEWER_VERSIONS_MAX}`)
  return { days: positive(NoncurrentDays, 'NoncurrentDays', 'NoncurrentVersionExpiration'), newerVersions }
}

function positive(days: number, name: string, action: string): number {
  if (days > 0 && days <= DAYS_MAX) return days
  throw refused('InvalidArgument', `'${name}' for ${action} action must be a positive integer`)
}

/** `2030-01-01`, `2030-01-01T00:00:00Z`, `2030-01-01T00:00:00.000Z` → as Date.toISOString writes it. */
function midnight(text: string): string {
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00))?$/.test(text))
    throw new GatewayError('MalformedXML')
  const date = new Date(text)
  // The day must be one that there is: 30 February is no date.
  if (Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(text.slice(8, 10)))
    throw new GatewayError('MalformedXML')
  if (!date.toISOString().endsWith('T00:00:00.000Z')) throw refused('InvalidArgument', "'Date' must be at midnight GMT")
  return date.toISOString()
}

function refused(code: GatewayCode, message: string): GatewayError {
  return new GatewayError(code, { message })
}
