/**
 * Reads the journal of a power-loss test and says what was lost. Pure. Lines are in the order of time, so their numbers are times: an
 * operation took effect between its announcement and its answer; one without an answer did so before the cut, or never.
 */
import { absent, type Event, type Operation, type Part, type Version } from './power-loss-journal.ts'
import { type Done, type Finding, isOverwritten, kindOf, operationsOf, told } from './power-loss-operations.ts'
import { versionFindings } from './power-loss-versions-judge.ts'

export type Verdict = {
  readonly findings: readonly Finding[]
  /** Operations that were answered with success before a cut. */
  readonly acknowledged: number
  /** Operations that a cut interrupted. */
  readonly inFlight: number
  /** Times that a key was looked at after a boot. */
  readonly looks: number
  readonly cuts: number
  /** Cuts after which the file system had a log to replay: the others have cut nothing off. */
  readonly replays: number
}

/** An upload that was begun and, as far as anybody knows, not ended. */
export type OpenUpload = {
  readonly uploadId: string
  readonly key: string
  readonly version: Version
  readonly planned: readonly Part[]
  readonly acknowledged: readonly Part[]
  /** The operation that a cut interrupted. */
  readonly interrupted: { readonly kind: 'complete' | 'abort'; readonly id: string } | undefined
}

export function judge(events: readonly Event[]): Verdict {
  const operations = operationsOf(events)
  const count = (at: Event['at']) => events.filter((event) => event.at === at).length
  return {
    findings: [
      ...objectFindings(events, operations),
      ...listingFindings(events),
      ...versionFindings(events, operations),
      ...uploadFindings(events, operations),
      ...events.flatMap(stateFindings),
    ],
    acknowledged: operations.filter(({ acknowledged }) => acknowledged).length,
    inFlight: operations.filter(({ acknowledged }) => !acknowledged).length,
    looks: count('look'),
    cuts: count('cut'),
    replays: events.filter((event) => event.at === 'mounted' && event.replayed).length,
  }
}

// --- Objects: per key, what a look may see.

type Write = {
  readonly version: Version | typeof absent
  readonly start: number
  readonly end: number
  readonly acknowledged: boolean
}

function writesByKey(operations: readonly Done[]): Map<string, Write[]> {
  const writes = new Map<string, Write[]>()
  for (const { operation, ...times } of operations) {
    if (operation.does !== 'write' && operation.does !== 'complete') continue
    const ofKey = writes.get(operation.key) ?? []
    ofKey.push({ version: operation.version, ...times })
    writes.set(operation.key, ofKey)
  }
  return writes
}

function objectFindings(events: readonly Event[], operations: readonly Done[]): Finding[] {
  const writes = writesByKey(operations)
  const before = new Map<string, Write>()
  const found: Finding[] = []
  for (const [time, event] of events.entries()) {
    if (event.at !== 'look') continue
    const { key, seen } = event
    const last = before.get(key) ?? { version: absent, start: -1, end: -1, acknowledged: true }
    const since = (writes.get(key) ?? []).filter(({ start, end }) => start < time && end > last.end)
    const possible = [last, ...since].filter((one) => !isOverwritten(one, since, time)).map(({ version }) => version)
    const kind = kindOf(seen, possible, [...(writes.get(key) ?? []).map(({ version }) => version), last.version])
    if (kind !== undefined)
      found.push({ kind, sentence: `${key}: ${told(seen)}; it had to be ${possible.map(told).join(' or ')}` })
    // What was seen is the state from here on, right or wrong: no loss is counted twice.
    if (seen === absent || !('unreadable' in seen))
      before.set(key, { version: seen, start: time, end: time, acknowledged: true })
  }
  return found
}

// --- Listings: exactly what is there.

function listingFindings(events: readonly Event[]): Finding[] {
  const there = new Map<string, boolean>()
  const found: Finding[] = []
  for (const event of events) {
    if (event.at === 'cut') there.clear()
    if (event.at === 'look' && !event.key.startsWith('bucket:')) there.set(event.key, event.seen !== absent)
    if (event.at !== 'listed') continue
    const listed = new Set(event.keys)
    for (const [key, is] of there) {
      if (listed.has(key) !== is)
        found.push({ kind: 'listing', sentence: `${key} is ${is ? 'there and not listed' : 'listed and not there'}` })
    }
  }
  return found
}

// --- Uploads: pending ones are there with their parts, ended ones are not.

type Upload = {
  readonly uploadId: string
  readonly begin: Extract<Operation, { does: 'begin' }>
  readonly begun: number
  readonly parts: readonly Done[]
  readonly ends: readonly Done[]
}

function uploadsOf(events: readonly Event[], operations: readonly Done[]): Upload[] {
  const idOfAnswer = new Map(
    events.flatMap((event) => (event.at === 'answered' && event.uploadId ? [[event.id, event.uploadId]] : [])),
  )
  const byUpload = Map.groupBy(operations, ({ operation }) => ('uploadId' in operation ? operation.uploadId : ''))
  return operations.flatMap(({ operation, end, acknowledged }) => {
    if (operation.does !== 'begin' || !acknowledged) return []
    const uploadId = idOfAnswer.get(operation.id) ?? ''
    const own = byUpload.get(uploadId) ?? []
    const parts = own.filter(({ operation: { does } }) => does === 'part')
    const ends = own.filter(({ operation: { does } }) => does === 'complete' || does === 'abort')
    return [{ uploadId, begin: operation, begun: end, parts, ends }]
  })
}

const partsBefore = ({ parts }: Upload, time: number): Part[] =>
  parts.flatMap(({ operation, acknowledged, end }) =>
    operation.does === 'part' && acknowledged && end < time ? [operation.part] : [],
  )

const isEnded = ({ ends }: Upload, time: number): boolean => ends.some((one) => one.acknowledged && one.end < time)

/** At the end of the journal. */
export function openUploads(events: readonly Event[]): readonly OpenUpload[] {
  const now = Number.POSITIVE_INFINITY
  return uploadsOf(events, operationsOf(events)).flatMap((upload) => {
    if (isEnded(upload, now)) return []
    const { uploadId, begin, ends } = upload
    const last = ends.at(-1)?.operation
    const kind = last?.does === 'complete' || last?.does === 'abort' ? last.does : undefined
    const interrupted = last === undefined || kind === undefined ? undefined : { kind, id: last.id }
    const { key, version, parts: planned } = begin
    return [{ uploadId, key, version, planned, acknowledged: partsBefore(upload, now), interrupted }]
  })
}

function uploadFindings(events: readonly Event[], operations: readonly Done[]): Finding[] {
  const uploads = uploadsOf(events, operations)
  const found: Finding[] = []
  const note = (sentence: string) => found.push({ kind: 'upload', sentence })
  for (const [time, event] of events.entries()) {
    if (event.at !== 'uploads') continue
    const listed = new Map(event.uploads.map((upload) => [upload.uploadId, upload]))
    // Also those whose id no client was told, once somebody who had found them has given them up.
    for (const { operation, acknowledged, end } of operations) {
      if ((operation.does === 'complete' || operation.does === 'abort') && acknowledged && end < time)
        if (listed.has(operation.uploadId)) note(`upload ${operation.uploadId} was ended, and is listed`)
    }
    for (const upload of uploads) {
      if (upload.begun > time || upload.ends.some(({ start }) => start < time)) continue
      const what = `upload ${upload.uploadId} of ${upload.begin.key}`
      const there = listed.get(upload.uploadId)
      if (there === undefined) note(`${what} is not listed`)
      for (const part of there === undefined ? [] : partsBefore(upload, time)) {
        const same = there?.parts.find(({ partNumber }) => partNumber === part.partNumber)
        if (same?.eTag !== part.eTag || same.sizeBytes !== part.sizeBytes)
          note(`${what}: part ${part.partNumber} was ${JSON.stringify(part)} and is ${JSON.stringify(same)}`)
      }
    }
  }
  return found
}

// --- The tree and the file system below it.

/**
 * What a cut may leave, by the words of `causeway check`: temporaries, side-cars of what was never published, a file that had just stepped
 * aside, a bucket that was being made or removed.
 */
const residue =
  /: (?:A temporary that nobody has written to|A side-car that belongs to no file|A file stepped aside for a directory that is not there|The record of this bucket is missing, damaged or unfinished)/

function stateFindings(event: Event): Finding[] {
  const told = (kind: Finding['kind'], sentences: readonly string[]) =>
    sentences.map((sentence) => ({ kind, sentence }))
  if (event.at === 'mounted') return told('file-system', event.complaints)
  if (event.at === 'checked')
    return told(
      'check',
      event.lines.filter((line) => !residue.test(line)),
    )
  if (event.at === 'left') return told('left-over', event.paths)
  return []
}
