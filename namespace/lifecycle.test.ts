import { expect, test } from 'vitest'
import { dueNoncurrent, isMarkerDue, type LifecycleRule, realDayMs } from './lifecycle.ts'
import { alice } from './testing/fixture.ts'
import type { ObjectStat, Version } from './verbs.ts'

/** Versions by the day on which they came, newest first; days of a test have no midnight. */
const dayMs = 1000
const at = (day: number): Date => new Date(day * dayMs)
type Given = { readonly day: number; readonly marker?: true; readonly bytes?: number; readonly tag?: string }

const versionsOf = (...given: readonly Given[]): readonly Version[] =>
  given.map(({ day, marker, bytes = 1, tag }, index) => {
    const tags = tag === undefined ? undefined : [{ key: 't', value: tag }]
    // Of an object's stat only what rules look at.
    const stat = { key: 'a/k', sizeBytes: bytes, tags, lastModified: at(day) } as ObjectStat
    const shared = { key: 'a/k', isLatest: index === 0, owner: alice, lastModified: at(day) }
    return { ...shared, versionId: `came on ${day}`, object: marker ? undefined : stat }
  })

const rule = (more: Partial<LifecycleRule>): LifecycleRule => ({ id: 'r', enabled: true, prefix: 'a/', ...more })
const noncurrent = (days: number, newerVersions?: number, more: Partial<LifecycleRule> = {}): LifecycleRule =>
  rule({ noncurrentExpiration: { days, newerVersions }, ...more })

const dueDays = (rules: readonly LifecycleRule[], versions: readonly Version[], day: number, length = dayMs) =>
  dueNoncurrent({ rules }, versions, { nowMs: day * dayMs, dayMs: length }).map(({ version }) =>
    Number(version.versionId.replace('came on ', '')),
  )

const three = versionsOf({ day: 9 }, { day: 5 }, { day: 1 })
const filter = (more: LifecycleRule['filter']) => [noncurrent(1, undefined, { prefix: undefined, filter: more })]
const marked = versionsOf({ day: 3 }, { day: 2, marker: true }, { day: 1 })

test.each<[string, readonly LifecycleRule[], readonly Version[], number, readonly number[]]>([
  ['the current version never', [noncurrent(1)], versionsOf({ day: 1 }), 99, []],
  ['a version whose current one was taken away by a file user', [noncurrent(1)], versionsOf({ day: 1 }), 99, []],
  ['none before its successor is old enough', [noncurrent(5)], three, 9.9, []],
  ['by the age of the successor, not its own', [noncurrent(5)], three, 10, [1]],
  ['each by its own successor, the oldest first', [noncurrent(5)], three, 14, [1, 5]],
  ['all but the newest noncurrent one', [noncurrent(1, 1)], three, 99, [1]],
  ['none where as many are kept', [noncurrent(1, 2)], three, 99, []],
  ['by whichever rule comes first', [noncurrent(1, 2), noncurrent(20)], three, 25, [1]],
  ['none by a rule that is off', [noncurrent(1, undefined, { enabled: false })], three, 99, []],
  ['none of another prefix', [noncurrent(1, undefined, { prefix: 'b/' })], three, 99, []],
  [
    'those with the tag',
    filter({ tags: [{ key: 't', value: 'x' }] }),
    versionsOf({ day: 9 }, { day: 5, tag: 'x' }, { day: 1, tag: 'y' }),
    99,
    [5],
  ],
  [
    'those of the size',
    filter({ sizeGreaterThanBytes: 5 }),
    versionsOf({ day: 9 }, { day: 5, bytes: 6 }, { day: 1, bytes: 5 }),
    99,
    [5],
  ],
  ['markers as well, which count as versions', [noncurrent(1, 1)], marked, 99, [1]],
  ['noncurrent markers', [noncurrent(1)], marked, 99, [1, 2]],
  ['no marker by a filter of sizes', filter({ sizeLessThanBytes: 5 }), marked, 99, [1]],
  [
    'what a marker hides, but not the marker',
    [noncurrent(1)],
    versionsOf({ day: 2, marker: true }, { day: 1 }),
    99,
    [1],
  ],
  ['not at once for a successor that says it is older', [noncurrent(5)], versionsOf({ day: 1 }, { day: 7 }), 11, []],
])('noncurrent: %s', (_name, rules, versions, day, due) => {
  expect(dueDays(rules, versions, day)).toEqual(due)
})

test('real days end at midnight UTC', () => {
  const noon = new Date('2026-03-01T12:00:00Z').getTime()
  const [newer, older] = versionsOf({ day: noon / dayMs }, { day: 1 })
  if (newer === undefined || older === undefined) throw new Error('two versions')
  const due = (time: string) =>
    dueNoncurrent({ rules: [noncurrent(1)] }, [newer, older], { nowMs: Date.parse(time), dayMs: realDayMs }).length
  expect(due('2026-03-02T23:59:59Z')).toBe(0)
  expect(due('2026-03-03T00:00:00Z')).toBe(1)
})

const tagged = { tags: [{ key: 't', value: 'x' }] }

test.each<[string, LifecycleRule, boolean]>([
  ['goes by the rule for it', rule({ expiration: { expiredObjectDeleteMarker: true } }), true],
  ['stays where the rule says no', rule({ expiration: { expiredObjectDeleteMarker: false } }), false],
  ['stays by a rule that is off', rule({ enabled: false, expiration: { expiredObjectDeleteMarker: true } }), false],
  ['stays with another prefix', rule({ prefix: 'b/', expiration: { expiredObjectDeleteMarker: true } }), false],
  ['goes when its days are over', rule({ expiration: { days: 4 } }), true],
  ['stays until its days are over', rule({ expiration: { days: 5 } }), false],
  ['goes from a date on', rule({ expiration: { date: at(5).toISOString() } }), true],
  ['stays before a date', rule({ expiration: { date: at(6).toISOString() } }), false],
  ['has no tags that a filter could name', rule({ filter: tagged, expiration: { days: 1 } }), false],
  ['has no size', rule({ filter: { and: { sizeLessThanBytes: 9 } }, expiration: { days: 1 } }), false],
  ['stays by a rule for noncurrent versions', noncurrent(1), false],
])('a delete marker that is alone, of day 1 on day 5, %s', (_name, by, due) => {
  const [marker] = versionsOf({ day: 1, marker: true })
  expect(marker && isMarkerDue({ rules: [by] }, marker, { nowMs: 5 * dayMs, dayMs })).toBe(due)
})
