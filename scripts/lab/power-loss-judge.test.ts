import { expect, test } from 'vitest'
import { absent, type Event, type Operation, type Seen, type Version } from './power-loss-journal.ts'
import { judge, openUploads } from './power-loss-judge.ts'

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
const about = (operation: Operation): Event => ({ at: 'about', operation })
const begun = (id: string, what: Version | typeof absent = version(id)): Event =>
  about({ id, does: 'write', how: 'put', key: 'k', version: what })
const answered = (id: string, done = true): Event => ({ at: 'answered', id, done })
const put = (id: string, what?: Version | typeof absent): Event[] => [begun(id, what), answered(id)]
const cut: Event = { at: 'cut', afterMs: 1 }
const look = (seen: Seen, key = 'k'): Event => ({ at: 'look', key, seen })
const kinds = (...events: readonly (Event | readonly Event[])[]): readonly string[] =>
  judge(events.flat()).findings.map(({ kind }) => kind)

test('what was acknowledged has to be there, whole, with all that belongs to it', () => {
  expect(kinds(put('1'), cut, look(version('1')))).toEqual([])
  expect(kinds(put('1'), cut, look(absent))).toEqual(['lost'])
  expect(kinds(put('1'), cut, look(version('1', { sizeBytes: 0 })))).toEqual(['zero-length'])
  expect(kinds(put('1'), cut, look({ unreadable: '500' }))).toEqual(['unreadable'])
  for (const name of ['md5', 'eTag', 'crc32', 'metadata', 'contentType'] as const)
    expect(kinds(put('1'), cut, look(version('1', { [name]: 'other' }))), name).toEqual(['mixed'])
})

test('what was overwritten or deleted before it was acknowledged does not come back', () => {
  expect(kinds(put('1'), put('2'), cut, look(version('2')))).toEqual([])
  expect(kinds(put('1'), put('2'), cut, look(version('1')))).toEqual(['old'])
  expect(kinds(put('1'), put('2', absent), cut, look(absent))).toEqual([])
  expect(kinds(put('1'), put('2', absent), cut, look(version('1')))).toEqual(['old'])
})

test('of two at once either may be the last one', () => {
  const both = [begun('1'), begun('2'), answered('1'), answered('2'), cut]
  for (const id of ['1', '2']) expect(kinds(both, look(version(id)))).toEqual([])
  expect(kinds(both, look(absent))).toEqual(['lost'])
})

test('what was in flight is old or new, never neither', () => {
  for (const seen of ['1', '2']) expect(kinds(put('1'), begun('2'), cut, look(version(seen)))).toEqual([])
  expect(kinds(put('1'), begun('2'), cut, look(absent))).toEqual(['lost'])
  expect(kinds(begun('1'), cut, look(absent))).toEqual([])
  expect(kinds(put('1'), begun('2', absent), cut, look(absent))).toEqual([])
  const noAnswer: Event = { at: 'unanswered', id: '2', why: '503' }
  expect(kinds(put('1'), begun('2'), noAnswer, put('3'), cut, look(version('2')))).toEqual([])
})

test('what was refused did not happen', () => {
  expect(kinds(put('1'), begun('2'), answered('2', false), cut, look(version('1')))).toEqual([])
  expect(kinds(put('1'), begun('2'), answered('2', false), cut, look(version('2')))).toEqual(['mixed'])
})

test('what was in flight at one cut does not happen after it; what was seen stays', () => {
  const first = [...put('1'), begun('2'), cut]
  expect(kinds(first, look(version('1')), cut, look(version('1')))).toEqual([])
  expect(kinds(first, look(version('1')), cut, look(version('2')))).toEqual(['old'])
  expect(kinds(first, cut, put('3'), cut, look(version('2')))).toEqual(['old'])
  expect(kinds(first, look(version('2')), cut, look(absent))).toEqual(['lost'])
})

test('a loss is told once', () => {
  expect(kinds(put('1'), cut, look(absent), cut, look(absent))).toEqual(['lost'])
})

test('a listing names exactly what is there', () => {
  const listed = (...keys: readonly string[]): Event => ({ at: 'listed', keys })
  expect(kinds(put('1'), cut, look(version('1')), listed('k'))).toEqual([])
  expect(kinds(put('1'), cut, look(version('1')), listed())).toEqual(['listing'])
  expect(kinds(cut, look(absent), listed('k'))).toEqual(['listing'])
})

const part = { partNumber: 1, sizeBytes: 3, eTag: 'p' }
const upload: Event[] = [
  about({ id: 'b', does: 'begin', key: 'k', version: version('c'), parts: [part] }),
  { at: 'answered', id: 'b', done: true, uploadId: 'U' },
  about({ id: 'p', does: 'part', uploadId: 'U', part }),
  answered('p'),
]
const uploads = (...parts: readonly (typeof part)[]): Event => ({
  at: 'uploads',
  uploads: [{ key: 'k', uploadId: 'U', parts }],
})
const none: Event = { at: 'uploads', uploads: [] }

test('a pending upload is listed, with its acknowledged parts', () => {
  expect(kinds(upload, cut, uploads(part))).toEqual([])
  expect(kinds(upload, cut, none)).toEqual(['upload'])
  expect(kinds(upload, cut, uploads())).toEqual(['upload'])
  expect(kinds(upload, cut, uploads({ ...part, eTag: 'other' }))).toEqual(['upload'])
  expect(openUploads([...upload, cut])).toMatchObject([{ uploadId: 'U', acknowledged: [part], interrupted: undefined }])
})

const ending = (does: 'abort' | 'complete'): Event => {
  const of = { id: 'e', key: 'k', uploadId: 'U' }
  return about(does === 'abort' ? { ...of, does } : { ...of, does, version: version('c') })
}

test('an upload that was ended is gone; one that was being ended may be either', () => {
  for (const does of ['abort', 'complete'] as const) {
    expect(kinds(upload, ending(does), answered('e'), cut, none)).toEqual([])
    expect(kinds(upload, ending(does), answered('e'), cut, uploads(part))).toEqual(['upload'])
    for (const seen of [none, uploads(part)]) expect(kinds(upload, ending(does), cut, seen)).toEqual([])
    expect(openUploads([...upload, ending(does), cut])).toMatchObject([{ interrupted: { kind: does, id: 'e' } }])
  }
})

test('an upload whose id nobody was told is gone once it was aborted', () => {
  expect(kinds(cut, uploads(), ending('abort'), answered('e'), none)).toEqual([])
  expect(kinds(cut, uploads(), ending('abort'), answered('e'), uploads())).toEqual(['upload'])
})

test('a Complete that was cut off has taken effect once its repetition is answered', () => {
  const repeated = [...upload, ending('complete'), cut, about({ id: 'r', does: 'repeat', of: 'e' }), answered('r')]
  expect(kinds(repeated, look(version('c')), none)).toEqual([])
  expect(kinds(repeated, look(absent))).toEqual(['lost'])
  expect(openUploads(repeated)).toEqual([])
})

test('a file system that complains, an unexpected line of check and a left-over are findings', () => {
  expect(kinds({ at: 'mounted', replayed: true, complaints: ['XFS (ubda): Corruption detected'] })).toEqual([
    'file-system',
  ])
  const lines = ['b/.s3-x: A temporary that nobody has written to for a day.', 'b/k: Its record cannot be read']
  expect(kinds({ at: 'checked', lines })).toEqual(['check'])
  expect(kinds({ at: 'left', paths: ['b/.s3-x'] })).toEqual(['left-over'])
})

test('counts what was acknowledged and what was not', () => {
  const { acknowledged, inFlight, looks, cuts } = judge([...put('1'), begun('2'), cut, look(version('1'))])
  expect({ acknowledged, inFlight, looks, cuts }).toEqual({ acknowledged: 1, inFlight: 1, looks: 1, cuts: 1 })
})
