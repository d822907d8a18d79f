/**
 * What was lost of the versioned bucket: every acknowledged version and marker is there until somebody deletes it by its id, once, whole, in
 * order, with its tags, hold and retention; what was deleted stays away. What a cut has interrupted may be there, and then stays.
 */
import { absent, type Event, type Operation, type SeenVersion } from './power-loss-journal.ts'
import { type Done, type Finding, kindOf, type Lasting, told } from './power-loss-operations.ts'

type Of<Does extends Operation['does']> = Done & { readonly operation: Extract<Operation, { does: Does }> }

const isA =
  <Does extends Operation['does']>(does: Does) =>
  (done: Done): done is Of<Does> =>
    done.operation.does === does

/** A version whose id is known: by the answer, or since a look has found it. */
type Known = {
  readonly write: Of<'version'>
  /** When it was there at the latest. */
  readonly end: number
}

type Judge = {
  readonly operations: readonly Done[]
  readonly byId: Map<string, Known>
  /** Not there at an earlier look: whatever the reason, it does not come back. */
  readonly missed: Set<string>
  /** What was seen of tags and holds, by version. */
  readonly looks: Map<string, { readonly time: number; readonly tag: string; readonly hold: string }[]>
  readonly note: (kind: Finding['kind'], sentence: string) => void
}

export function versionFindings(events: readonly Event[], operations: readonly Done[]): Finding[] {
  const findings: Finding[] = []
  const ids = new Map(
    events.flatMap((event) => (event.at === 'answered' && event.versionId ? [[event.id, event.versionId]] : [])),
  )
  const writes = operations.filter(isA('version'))
  const byId = new Map(
    writes.flatMap((write): [string, Known][] => {
      const id = ids.get(write.operation.id)
      return write.acknowledged && id !== undefined ? [[id, { write, end: write.end }]] : []
    }),
  )
  const note: Judge['note'] = (kind, sentence) => findings.push({ kind, sentence })
  const judge: Judge = { operations, byId, missed: new Set(), looks: new Map(), note }
  for (const [time, event] of events.entries()) {
    if (event.at === 'versions') look(judge, time, event.versions)
  }
  protectedFindings(judge)
  return findings
}

function look(judge: Judge, time: number, versions: readonly SeenVersion[]): void {
  const { byId, missed, note } = judge
  const there = new Set<string>()
  for (const version of versions) {
    const { versionId, key } = version
    if (there.has(versionId)) note('listing', `${versionId} of ${key} is listed twice`)
    there.add(versionId)
    if (!byId.has(versionId)) adopt(judge, time, version)
    whole(judge, time, version)
  }
  for (const [versionId, { write, end }] of byId) {
    if (end > time || there.has(versionId) || missed.has(versionId)) continue
    missed.add(versionId)
    if (!removalsOf(judge, versionId).some(({ start }) => start < time))
      note('lost', `version ${versionId} of ${write.operation.key}: ${told(write.operation.version)}`)
  }
  for (const isMarker of [false, true])
    ordered(
      judge,
      versions.filter((version) => version.isMarker === isMarker),
    )
  for (const own of Map.groupBy(versions, ({ key }) => key).values()) latest(judge, own)
}

const removalsOf = ({ operations }: Judge, versionId: string): Of<'remove version'>[] =>
  operations.filter(isA('remove version')).filter(({ operation }) => operation.versionId === versionId)

/** Of a write that nobody answered. A marker does not say of which. */
function adopt({ operations, byId, note }: Judge, time: number, { versionId, key, isMarker, seen }: SeenVersion): void {
  const taken = new Set([...byId.values()].map(({ write }) => write))
  const id = typeof seen === 'object' && 'id' in seen ? seen.id : undefined
  const write = operations.filter(isA('version')).find((each) => {
    const { operation, start } = each
    const fits = isMarker ? operation.version === absent : operation.id === id
    return fits && operation.key === key && start < time && !taken.has(each)
  })
  if (write !== undefined) byId.set(versionId, { write, end: time })
  else note('listing', `version ${versionId} of ${key} is of no write: ${told(seen)}`)
}

function whole(judge: Judge, time: number, { versionId, key, isMarker, seen, belongings }: SeenVersion): void {
  const { byId, missed, note, operations } = judge
  const known = byId.get(versionId)
  if (known === undefined) return
  const { version, belongings: given } = known.write.operation
  const name = `version ${versionId} of ${key}`
  const wasRemoved = removalsOf(judge, versionId).some(({ acknowledged, end }) => acknowledged && end < time)
  if (wasRemoved || missed.has(versionId)) note('old', `${name} is back`)
  if (isMarker !== (version === absent)) note('mixed', `${name} is ${isMarker ? 'a' : 'no'} delete marker`)
  if (isMarker || version === absent) return
  const others = operations.filter(isA('version')).map(({ operation }) => operation.version)
  const kind = kindOf(seen, [version], others)
  if (kind !== undefined) note(kind, `${name}: ${told(seen)}; it had to be ${told(version)}`)
  if (belongings === undefined) return
  if (belongings.until !== given.until)
    note('mixed', `${name} is retained until '${belongings.until}', not '${given.until}'`)
  const now = { tag: belongings.tag, hold: onOff(belongings.isHeld) }
  for (const what of ['tag', 'hold'] as const) {
    const changes = changesOf(judge, versionId, what)
    if (possible(changes, time, time).includes(now[what])) continue
    const wasEver = changes.some(({ value }) => value === now[what])
    note(wasEver ? 'old' : 'mixed', `${name} has the ${what} '${now[what]}', not ${possible(changes, time, time)}`)
  }
  judge.looks.set(versionId, [...(judge.looks.get(versionId) ?? []), { time, ...now }])
}

const onOff = (isHeld: boolean): string => (isHeld ? 'on' : 'off')

type Change = Lasting & { readonly value: string }

/** What was put, the first of it with the version itself, and what was seen since. */
function changesOf(judge: Judge, versionId: string, what: 'tag' | 'hold'): readonly Change[] {
  const known = judge.byId.get(versionId)
  if (known === undefined) return []
  const { belongings } = known.write.operation
  const first = {
    ...known.write,
    end: known.end,
    acknowledged: true,
    value: what === 'tag' ? belongings.tag : onOff(belongings.isHeld),
  }
  const tags = judge.operations.filter(isA('tag version')).map((done) => ({ ...done, value: done.operation.tag }))
  const holds = judge.operations
    .filter(isA('hold version'))
    .map((done) => ({ ...done, value: onOff(done.operation.isHeld) }))
  const own = (what === 'tag' ? tags : holds).filter(({ operation }) => operation.versionId === versionId)
  const seen = (judge.looks.get(versionId) ?? []).map(({ time, ...values }) => ({
    start: time,
    end: time,
    acknowledged: true,
    value: values[what],
  }))
  return [first, ...own, ...seen]
}

/** What may have been there at some moment between the two. */
const possible = (changes: readonly Change[], from: number, to: number): readonly string[] =>
  changes
    .filter((one) => one.start < to)
    .filter((one) => !changes.some(({ acknowledged, start, end }) => acknowledged && start > one.end && end < from))
    .map(({ value }) => value)

/** One list, versions or markers. Ids sort by age. */
function ordered({ byId, note }: Judge, list: readonly SeenVersion[]): void {
  for (const [index, { key, versionId }] of list.entries()) {
    const before = list[index - 1]
    if (before === undefined || before.key < key) continue
    const [newer, older] = [byId.get(before.versionId), byId.get(versionId)]
    const isLater = newer !== undefined && older !== undefined && newer.end < older.write.start
    if (before.key > key) note('listing', `${key} is listed after ${before.key}`)
    else if (isLater || before.versionId < versionId)
      note('listing', `${before.versionId} of ${key} is listed before ${versionId}, which is newer`)
  }
}

function latest({ note }: Judge, own: readonly SeenVersion[]): void {
  const newest = own.toSorted((one, other) => (one.versionId > other.versionId ? -1 : 1))[0]
  const are = own.filter(({ isLatest }) => isLatest).map(({ versionId }) => versionId)
  if (are.length !== 1 || are[0] !== newest?.versionId)
    note('listing', `${are.join() || 'none'} of ${newest?.key} is the latest; it had to be ${newest?.versionId}`)
}

/** Nobody may delete what is retained, or was held all the while. */
function protectedFindings(judge: Judge): void {
  for (const { operation, acknowledged, start, end } of judge.operations.filter(isA('remove version'))) {
    const known = judge.byId.get(operation.versionId)
    if (!acknowledged || known === undefined) continue
    const isRetained = known.write.operation.belongings.until !== ''
    const holds = possible(changesOf(judge, operation.versionId, 'hold'), start, end)
    if (isRetained || !holds.includes('off'))
      judge.note('lost', `version ${operation.versionId} of ${operation.key} was deleted although it was protected`)
  }
}
