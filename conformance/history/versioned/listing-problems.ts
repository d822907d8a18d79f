/** What is wrong with pages of ListObjectVersions: versions that lack, are there although they are gone, or stand in the wrong place. */
import { pageRange } from './page-range.ts'
import type { Problem } from './sightings.ts'
import type { EventOf, ListedVersion, VersionedEvent } from './versioned-event.ts'
import type { VersionFacts, Versions } from './versions.ts'

/** Of one page. */
const MOST_TOLD = 5

export function listingProblems(events: readonly VersionedEvent[], { byId }: Versions): readonly Problem[] {
  const all = [...byId.values()].toSorted((one, other) => one.end - other.end)
  return events.flatMap((event) => {
    if (event.kind !== 'list-versions' || event.outcome !== 'done' || event.listed === undefined) return []
    const { listed } = event
    const sentences = [
      ...missingOf(event, listed, all),
      ...wrongOf(event, listed, byId),
      ...twice(listed),
      ...disorderOf(listed, byId),
    ]
    if (sentences.length === 0) return []
    const more = sentences.length > MOST_TOLD ? `; and ${sentences.length - MOST_TOLD} more` : ''
    return [{ kind: 'listing', event: event.event, sentence: `${sentences.slice(0, MOST_TOLD).join('; ')}${more}` }]
  })
}

type Page = EventOf<'list-versions'>

/** Acknowledged (or seen) before the page was asked for, and not being deleted while it was made. `all` by when they came. */
function missingOf(page: Page, listed: readonly ListedVersion[], all: readonly VersionFacts[]): readonly string[] {
  const range = pageRange(page)
  const there = new Set(listed.map(({ versionId }) => versionId))
  const found: string[] = []
  for (const version of all) {
    if (version.end > page.startUs) break
    const { versionId, gone, key } = version
    if (!there.has(versionId) && (gone === undefined || gone.start > page.endUs) && range.has(version))
      found.push(`${versionId} of ${key} is there, and not listed`)
  }
  return found
}

/** Entry by entry. What nobody wrote at all is said elsewhere. */
function wrongOf(
  page: Page,
  listed: readonly ListedVersion[],
  byId: ReadonlyMap<string, VersionFacts>,
): readonly string[] {
  const range = pageRange(page)
  return listed.flatMap((entry) => {
    const { key, versionId, isMarker, eTag, sizeBytes } = entry
    const version = byId.get(versionId)
    if (version === undefined) return []
    const { gone, body, start } = version
    const name = `${versionId} of ${key}`
    const wrongBody = (body?.eTag ?? eTag) !== eTag || (body?.sizeBytes ?? sizeBytes) !== sizeBytes
    return [
      ...(version.key !== key ? [`${name} is one of ${version.key}`] : []),
      ...(version.isMarker !== isMarker ? [`${name} is ${isMarker ? 'no' : 'a'} delete marker`] : []),
      ...(!isMarker && wrongBody ? [`${name} has the ETag ${eTag} and ${sizeBytes} bytes`] : []),
      ...(gone !== undefined && gone.end < page.startUs ? [`${name} was deleted before, and is listed`] : []),
      ...(start > page.endUs ? [`${name} is listed before it was written`] : []),
      ...(range.has(entry) ? [] : [`${name} does not belong on this page`]),
    ]
  })
}

function twice(listed: readonly ListedVersion[]): readonly string[] {
  const seen = new Set<string>()
  return listed.flatMap(({ key, versionId }) =>
    seen.size === seen.add(versionId).size ? [`${versionId} of ${key} is listed twice`] : [],
  )
}

/** Versions and markers of a page come in two lists, so each is judged alone; which is the latest, both together. */
function disorderOf(listed: readonly ListedVersion[], byId: ReadonlyMap<string, VersionFacts>): readonly string[] {
  const lists = [listed.filter(({ isMarker }) => !isMarker), listed.filter(({ isMarker }) => isMarker)]
  return [
    ...lists.flatMap((list) => list.flatMap((entry, index) => misplaced(list[index - 1], entry, byId))),
    ...[...Map.groupBy(listed, ({ key }) => key).values()].flatMap(latestOf),
  ]
}

function misplaced(
  before: ListedVersion | undefined,
  entry: ListedVersion,
  byId: ReadonlyMap<string, VersionFacts>,
): readonly string[] {
  if (before === undefined || before.key < entry.key) return []
  if (before.key > entry.key) return [`${entry.key} comes after ${before.key}`]
  const [newer, older] = [byId.get(before.versionId), byId.get(entry.versionId)]
  const names = `${before.versionId} before ${entry.versionId} of ${entry.key}`
  if (newer !== undefined && older !== undefined && newer.end < older.start)
    return [`${names}, which was written after it`]
  return before.versionId < entry.versionId ? [`${names}, whose id is that of a newer one`] : []
}

function latestOf(own: readonly ListedVersion[]): readonly string[] {
  const latest = own.filter(({ isLatest }) => isLatest)
  const newest = own.toSorted((one, other) => (one.versionId > other.versionId ? -1 : 1))[0]
  if (latest.length > 1) return [`${latest.map(({ versionId }) => versionId)} of ${newest?.key} are each the latest`]
  const [one] = latest
  return one !== undefined && one !== newest
    ? [`${one.versionId} of ${one.key} is the latest, ${newest?.versionId} is not`]
    : []
}
