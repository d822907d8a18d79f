import { expect, test } from 'vitest'
import {
  absent,
  type Belongings,
  type Event,
  type Operation,
  type SeenVersion,
  type Version,
} from './power-loss-journal.ts'
import { judge } from './power-loss-judge.ts'

const version = (id: string, changes: Partial<Version> = {}): Version => ({
  id,
  sizeBytes: 3,
  md5: `md5 of ${id}`,
  eTag: `etag of ${id}`,
  crc32: 'crc',
  metadata: 'none',
  contentType: 'text/plain',
  ...changes,
})
const plain: Belongings = { tag: 't', isHeld: false, until: '' }
const about = (operation: Operation): Event => ({ at: 'about', operation })
const answered = (id: string, versionId?: string, done = true): Event => ({
  at: 'answered',
  id,
  done,
  ...(versionId !== undefined && { versionId }),
})

// The write `a` makes the version `a1`: ids sort by age.
const begun = (id: string, belongings: Partial<Belongings> = {}, what: Version | typeof absent = version(id)): Event =>
  about({ id, does: 'version', how: 'put', key: 'k', version: what, belongings: { ...plain, ...belongings } })
const put = (id: string, belongings?: Partial<Belongings>): Event[] => [begun(id, belongings), answered(id, `${id}1`)]
const hiding = (id: string): Event => begun(id, {}, absent)
const hide = (id: string): Event[] => [hiding(id), answered(id, `${id}1`)]
const removing = (versionId: string): Event =>
  about({ id: `remove ${versionId}`, does: 'remove version', key: 'k', versionId })
const remove = (versionId: string): Event[] => [removing(versionId), answered(`remove ${versionId}`, versionId)]
const tagging = (tag: string): Event => about({ id: `tag ${tag}`, does: 'tag version', key: 'k', versionId: 'a1', tag })
const tag = (value: string): Event[] => [tagging(value), answered(`tag ${value}`)]
const hold = (isHeld: boolean): Event[] => [
  about({ id: `hold ${isHeld}`, does: 'hold version', key: 'k', versionId: 'a1', isHeld }),
  answered(`hold ${isHeld}`),
]
const cut: Event = { at: 'cut', afterMs: 1 }

type Changes = Omit<Partial<SeenVersion>, 'belongings'> & { readonly belongings?: Partial<Belongings> }
const seen = (id: string, { belongings, ...changes }: Changes = {}): SeenVersion => ({
  key: 'k',
  versionId: `${id}1`,
  isMarker: false,
  isLatest: false,
  seen: version(id),
  belongings: { ...plain, ...belongings },
  ...changes,
})
const latest = (id: string, changes: Changes = {}) => seen(id, { isLatest: true, ...changes })
const marker = (id: string, isLatest = false): SeenVersion => ({
  key: 'k',
  versionId: `${id}1`,
  isMarker: true,
  isLatest,
  seen: absent,
})
const look = (...versions: readonly SeenVersion[]): Event => ({ at: 'versions', versions })
const kinds = (...events: readonly (Event | readonly Event[])[]): readonly string[] =>
  judge(events.flat()).findings.map(({ kind }) => kind)

test('acknowledged versions and markers are there, whole, and each once', () => {
  const written = [...put('a'), ...put('b'), ...hide('c'), cut]
  expect(kinds(written, look(seen('b'), seen('a'), marker('c', true)))).toEqual([])
  expect(kinds(written, look(latest('b'), seen('a')))).toEqual(['lost'])
  expect(kinds(written, look(seen('b'), marker('c', true)))).toEqual(['lost'])
  expect(kinds(put('a'), cut, look(latest('a'), seen('a')))).toContain('listing')
  expect(kinds(put('a'), cut, look(latest('a', { seen: { unreadable: '500' } })))).toEqual(['unreadable'])
  expect(kinds(put('a'), cut, look(latest('a', { seen: version('a', { sizeBytes: 0 }) })))).toEqual(['zero-length'])
  for (const name of ['md5', 'eTag', 'crc32', 'metadata', 'contentType'] as const)
    expect(kinds(put('a'), cut, look(latest('a', { seen: version('a', { [name]: 'other' }) }))), name).toEqual([
      'mixed',
    ])
  expect(kinds(put('a'), put('b'), cut, look(latest('b'), seen('a', { seen: version('b') })))).toEqual(['old'])
})

test('a version is no marker, and a marker no version', () => {
  expect(kinds(put('a'), cut, look(marker('a', true)))).toEqual(['mixed'])
  expect(kinds(hide('a'), cut, look(latest('a')))).toEqual(['mixed'])
})

test('what was deleted by its id stays away; what was being deleted may be there, once and for all', () => {
  expect(kinds(put('a'), remove('a1'), cut, look())).toEqual([])
  expect(kinds(put('a'), remove('a1'), cut, look(latest('a')))).toEqual(['old'])
  expect(kinds(hide('a'), remove('a1'), cut, look(marker('a', true)))).toEqual(['old'])
  for (const left of [look(), look(latest('a'))]) expect(kinds(put('a'), removing('a1'), cut, left)).toEqual([])
  expect(kinds(put('a'), removing('a1'), cut, look(), look(latest('a')))).toEqual(['old'])
})

test('what was in flight may be there, and then stays', () => {
  for (const left of [look(latest('b'), seen('a')), look(latest('a'))])
    expect(kinds(put('a'), begun('b'), cut, left)).toEqual([])
  expect(kinds(put('a'), hiding('b'), cut, look(seen('a'), marker('b', true)))).toEqual([])
  expect(kinds(begun('a'), cut, look(latest('a')), cut, look())).toEqual(['lost'])
  expect(kinds(hiding('a'), cut, look(marker('a', true)), cut, look())).toEqual(['lost'])
})

test('what no write explains is a finding', () => {
  expect(kinds(cut, look(latest('a')))).toEqual(['listing'])
  expect(kinds(hiding('a'), cut, look(marker('b', true), marker('a')))).toEqual(['listing'])
  expect(kinds(begun('a'), answered('a', undefined, false), cut, look(latest('a')))).toEqual(['listing'])
})

test('a loss is told once', () => {
  expect(kinds(put('a'), cut, look(), cut, look())).toEqual(['lost'])
})

test('the newest comes first and is the latest', () => {
  const written = [...put('a'), ...put('b'), cut]
  expect(kinds(written, look(latest('b'), seen('a')))).toEqual([])
  expect(kinds(written, look(seen('a'), latest('b')))).toEqual(['listing'])
  expect(kinds(written, look(seen('b'), latest('a')))).toEqual(['listing'])
  expect(kinds(written, look(seen('b'), seen('a')))).toEqual(['listing'])
  // Ids that sort against time.
  const backwards = [...put('b'), ...put('a'), cut]
  expect(kinds(backwards, look(latest('b'), seen('a')))).toEqual(['listing'])
  const ofJ: Event[] = [
    about({ id: 'j', does: 'version', how: 'put', key: 'j', version: version('j'), belongings: plain }),
    answered('j', 'j1'),
  ]
  expect(kinds(put('a'), ofJ, cut, look(latest('a'), latest('j', { key: 'j' })))).toEqual(['listing'])
})

test('tags are those that were put last', () => {
  const tagged = (value: string) => look(latest('a', { belongings: { tag: value } }))
  expect(kinds(put('a'), tag('u'), cut, tagged('u'))).toEqual([])
  expect(kinds(put('a'), tag('u'), cut, tagged('t'))).toEqual(['old'])
  expect(kinds(put('a'), tag('u'), cut, tagged(''))).toEqual(['mixed'])
  for (const value of ['t', 'u']) expect(kinds(put('a'), tagging('u'), cut, tagged(value))).toEqual([])
  // Once it was seen, it is decided.
  expect(kinds(put('a'), tagging('u'), cut, tagged('u'), cut, tagged('t'))).toEqual(['old'])
})

test('a hold is on until it is lifted, and retention as it was put', () => {
  const held = (isHeld: boolean) => look(latest('a', { belongings: { isHeld } }))
  expect(kinds(put('a', { isHeld: true }), cut, held(true))).toEqual([])
  expect(kinds(put('a', { isHeld: true }), cut, held(false))).toEqual(['mixed'])
  expect(kinds(put('a', { isHeld: true }), hold(false), cut, held(false))).toEqual([])
  expect(kinds(put('a', { isHeld: true }), hold(false), cut, held(true))).toEqual(['old'])
  const until = '2100-01-01T00:00:00.000Z'
  expect(kinds(put('a', { until }), cut, look(latest('a', { belongings: { until } })))).toEqual([])
  expect(kinds(put('a', { until }), cut, look(latest('a')))).toEqual(['mixed'])
})

test('nobody deletes what is protected', () => {
  expect(kinds(put('a', { until: '2100' }), remove('a1'), cut, look())).toEqual(['lost'])
  expect(kinds(put('a', { isHeld: true }), remove('a1'), cut, look())).toEqual(['lost'])
  expect(kinds(put('a', { isHeld: true }), hold(false), remove('a1'), cut, look())).toEqual([])
  const refused = answered('remove a1', undefined, false)
  expect(
    kinds(
      put('a', { isHeld: true }),
      removing('a1'),
      refused,
      cut,
      look(latest('a', { belongings: { isHeld: true } })),
    ),
  ).toEqual([])
})
