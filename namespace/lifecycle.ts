/**
 * Lifecycle rules of a bucket → what is due. Pure; expire.ts carries it out.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
 */
import type { Description, ObjectStat, UploadStat, Version } from './verbs.ts'

/** Whatever is there holds together. */
export type LifecycleFilter = {
  readonly prefix?: string | undefined
  readonly tags?: NonNullable<Description['tags']>
  readonly sizeGreaterThanBytes?: number | undefined
  readonly sizeLessThanBytes?: number | undefined
}

/** A rule as the document `lifecycle` of a bucket keeps it. */
export type LifecycleRule = {
  readonly id: string
  readonly enabled: boolean
  /** Instead of a filter; the older form. */
  readonly prefix?: string | undefined
  readonly filter?: (LifecycleFilter & { readonly and?: LifecycleFilter | undefined }) | undefined
  /** One of the three. `date` as Date.toISOString writes it. */
  readonly expiration?:
    | {
        readonly days?: number | undefined
        readonly date?: string | undefined
        readonly expiredObjectDeleteMarker?: boolean | undefined
      }
    | undefined
  readonly noncurrentExpiration?: { readonly days: number; readonly newerVersions?: number | undefined } | undefined
  readonly abortUploadDays?: number | undefined
}

export type LifecycleDocument = { readonly rules: readonly LifecycleRule[] }

type Filtered = Pick<ObjectStat, 'key' | 'sizeBytes' | 'tags'>

export const realDayMs = 86_400_000

/** When the current version expires by this rule, in milliseconds; undefined: never. */
export function expiresAtMs(
  rule: LifecycleRule,
  object: Filtered & Pick<ObjectStat, 'lastModified'>,
  dayMs: number,
): number | undefined {
  const { days, date } = rule.expiration ?? {}
  if (!rule.enabled || !filtersOf(rule).every((filter) => fits(filter, object))) return undefined
  if (date !== undefined) return Date.parse(date)
  return days === undefined ? undefined : afterDaysMs(object.lastModified, days, dayMs)
}

export function isDue(
  { rules }: LifecycleDocument,
  object: Filtered & Pick<ObjectStat, 'lastModified'>,
  { nowMs, dayMs }: Clock,
): boolean {
  return rules.some((rule) => (expiresAtMs(rule, object, dayMs) ?? Number.POSITIVE_INFINITY) <= nowMs)
}

export type Clock = { readonly nowMs: number; readonly dayMs: number }

/** Filters by tags and sizes never come together with this action. */
export function isUploadDue({ rules }: LifecycleDocument, upload: UploadStat, { nowMs, dayMs }: Clock): boolean {
  return rules.some(
    (rule) =>
      rule.enabled &&
      rule.abortUploadDays !== undefined &&
      prefixesOf(rule).every((prefix) => upload.key.startsWith(prefix)) &&
      afterDaysMs(upload.initiated, rule.abortUploadDays, dayMs) <= nowMs,
  )
}

/** A version that others stand before, markers among them; it is noncurrent since its successor came. */
export type Noncurrent = { readonly version: Version; readonly successor: Version; readonly newerCount: number }

/** Of all versions of a key, newest first, those that are due as noncurrent ones. The oldest first: none that is newer goes before it. */
export function dueNoncurrent(
  document: LifecycleDocument,
  versions: readonly Version[],
  clock: Clock,
): readonly Noncurrent[] {
  return versions
    .flatMap((version, newerCount) => {
      const successor = versions[newerCount - 1]
      return successor === undefined ? [] : [{ version, successor, newerCount }]
    })
    .filter((noncurrent) => isNoncurrentDue(document, noncurrent, clock))
    .toReversed()
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html */
export function isNoncurrentDue(
  { rules }: LifecycleDocument,
  { version, successor, newerCount }: Noncurrent,
  { nowMs, dayMs }: Clock,
): boolean {
  // A file user's successor may bring an old time along, but not one from before there was anything to succeed.
  const since = new Date(Math.max(successor.lastModified.getTime(), version.lastModified.getTime()))
  return rules.some((rule) => {
    const { days, newerVersions = 0 } = rule.noncurrentExpiration ?? {}
    if (!rule.enabled || days === undefined || !fitsVersion(rule, version)) return false
    // Of those that stand before it the first one is no noncurrent one.
    return newerCount > newerVersions && afterDaysMs(since, days, dayMs) <= nowMs
  })
}

/**
 * A delete marker with nothing left behind it goes by the rule that says so, and by one of days or a date as an object would.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html
 */
export function isMarkerDue({ rules }: LifecycleDocument, marker: Version, { nowMs, dayMs }: Clock): boolean {
  return rules.some((rule) => {
    const { days, date, expiredObjectDeleteMarker } = rule.expiration ?? {}
    if (!rule.enabled || !fitsVersion(rule, marker)) return false
    if (expiredObjectDeleteMarker === true) return true
    if (date !== undefined) return Date.parse(date) <= nowMs
    return days !== undefined && afterDaysMs(marker.lastModified, days, dayMs) <= nowMs
  })
}

/** A delete marker has neither tags nor a size: a filter by them is not for it. */
function fitsVersion(rule: LifecycleRule, { key, object }: Version): boolean {
  const filters = filtersOf(rule)
  if (object !== undefined) return filters.every((filter) => fits(filter, object))
  return filters.every(
    ({ prefix = '', tags, sizeGreaterThanBytes, sizeLessThanBytes }) =>
      key.startsWith(prefix) && (tags ?? []).length === 0 && (sizeGreaterThanBytes ?? sizeLessThanBytes) === undefined,
  )
}

/** What of a bucket any rule can apply to: nothing else is looked at. */
export const expiresObjects = ({ rules }: LifecycleDocument): boolean =>
  rules.some(({ enabled, expiration }) => enabled && (expiration?.days ?? expiration?.date) !== undefined)

export const expiresVersions = ({ rules }: LifecycleDocument): boolean =>
  rules.some(
    ({ enabled, expiration, noncurrentExpiration }) => enabled && (expiration ?? noncurrentExpiration) !== undefined,
  )

export const abortsUploads = ({ rules }: LifecycleDocument): boolean =>
  rules.some(({ enabled, abortUploadDays }) => enabled && abortUploadDays !== undefined)

function filtersOf({ prefix, filter }: LifecycleRule): readonly LifecycleFilter[] {
  return [{ prefix }, filter ?? {}, filter?.and ?? {}]
}

const prefixesOf = (rule: LifecycleRule): readonly string[] =>
  filtersOf(rule).flatMap(({ prefix }) => (prefix === undefined ? [] : [prefix]))

function fits(filter: LifecycleFilter, { key, sizeBytes, tags = [] }: Filtered): boolean {
  const { prefix = '', tags: wanted = [], sizeGreaterThanBytes, sizeLessThanBytes } = filter
  if (!key.startsWith(prefix)) return false
  if (sizeGreaterThanBytes !== undefined && sizeBytes <= sizeGreaterThanBytes) return false
  if (sizeLessThanBytes !== undefined && sizeBytes >= sizeLessThanBytes) return false
  return wanted.every((want) => tags.some(({ key, value }) => key === want.key && value === want.value))
}

/** Real days end at the next midnight UTC; shorter ones, which are for tests, end when they end. */
function afterDaysMs(since: Date, days: number, dayMs: number): number {
  const end = since.getTime() + days * dayMs
  return dayMs === realDayMs ? Math.ceil(end / realDayMs) * realDayMs : end
}
