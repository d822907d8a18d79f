import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { multipartETag } from '../random.ts'
import { checkHistory } from './check-history.ts'
import { contentOf, writersOf } from './content.ts'
import type { Condition, Event, Listed, Outcome, Seen } from './event.ts'
import { checkLinearizable } from './linearizable.ts'
import type { Told } from './recorder.ts'
import { type KeyOperation, keyModel } from './register.ts'

const SIZE = 320
const md5Of = (id: string) => contentOf(id, SIZE).md5
const foreignETag = 'd41d8cd98f00b204e9800998ecf8427e-0'

type Line = { readonly told: Told; readonly gateway: number }
type Facts = { readonly outcome?: Outcome; readonly status?: number; readonly code?: string }

const timed = (startUs: number, endUs: number, { outcome = 'done', ...facts }: Facts = {}) => ({
  startUs,
  endUs,
  outcome,
  ...facts,
})
const made = (id: string) => ({ content: md5Of(id), sizeBytes: SIZE, meta: id, eTag: md5Of(id) })
const s3 = (told: Told): Line => ({ told, gateway: 0 })
const file = (told: Told): Line => ({ told, gateway: -1 })
const unknown = { outcome: 'unknown' } as const
const notFound = { outcome: 'refused', status: 404, code: 'NoSuchKey' } as const
const failed = { outcome: 'refused', status: 412, code: 'PreconditionFailed' } as const

const put = (id: string, start: number, end: number, facts?: Facts & { condition?: Condition; key?: string }): Line => {
  const { condition, key = 'k', ...more } = facts ?? {}
  return s3({ kind: 'put', key, made: made(id), ...(condition && { condition }), ...timed(start, end, more) })
}
const remove = (start: number, end: number, facts?: Facts & { condition?: Condition }): Line => {
  const { condition, ...more } = facts ?? {}
  return s3({ kind: 'delete', key: 'k', ...(condition && { condition }), ...timed(start, end, more) })
}
const absent: Condition = { kind: 'absent' }
const matching = (id: string): Condition => ({ kind: 'match', eTag: md5Of(id), content: md5Of(id) })
const seenOf = (id: string, changes: Partial<Seen> = {}): Seen => ({
  content: md5Of(id),
  sizeBytes: SIZE,
  eTag: md5Of(id),
  meta: id,
  cacheControl: id,
  checksumFits: true,
  writers: [id],
  ...changes,
})
const get = (id: string, start: number, end: number, changes?: Partial<Seen>, key = 'k'): Line =>
  s3({ kind: 'get', key, seen: seenOf(id, changes), ...timed(start, end) })
const missing = (start: number, end: number, key = 'k'): Line =>
  s3({ kind: 'get', key, ...timed(start, end, notFound) })
const metadata = (meta: string, of: string, start: number, end: number): Line =>
  s3({ kind: 'metadata', key: 'k', meta, answered: md5Of(of), ...timed(start, end) })
const copy = (meta: string | undefined, of: string | undefined, start: number, end: number): Line =>
  s3({
    kind: 'copy',
    key: 'k',
    source: 'source',
    ...(meta !== undefined && { meta }),
    ...(of === undefined ? timed(start, end, unknown) : { answered: md5Of(of), ...timed(start, end) }),
  })
const list = (
  listed: readonly Listed[],
  start: number,
  end: number,
  more: { delimiter?: string; prefixes?: readonly string[]; after?: string; last?: string } = {},
): Line =>
  s3({ kind: 'list', prefix: '', delimiter: '', after: '', prefixes: [], listed, ...more, ...timed(start, end) })
const listed = (key: string, id: string): Listed => ({ key, eTag: md5Of(id), sizeBytes: SIZE })
const rename = (id: string, start: number, end: number): Line =>
  file({ kind: 'file-rename', key: 'k', id, made: { content: md5Of(id), sizeBytes: SIZE }, ...timed(start, end) })
const rewrite = (id: string, start: number, end: number, facts?: Facts): Line =>
  file({
    kind: 'file-rewrite',
    key: 'k',
    id,
    made: { content: md5Of(id), sizeBytes: SIZE },
    ...timed(start, end, facts),
  })
const foreign = (meta = ''): Partial<Seen> => ({ eTag: foreignETag, meta, cacheControl: meta })

const eventsOf = (lines: readonly Line[]): readonly Event[] =>
  lines.map(({ told, gateway }, event): Event => ({ event, client: `c${event}`, gateway, ...told }))
const findings = (lines: readonly Line[]) =>
  checkHistory(eventsOf(lines)).findings.map(({ kind, key, sentence }) => `${kind}, ${key}: ${sentence}`)

const inParts = `${multipartETag([contentOf('a', SIZE).bytes])}`

describe('explained', () => {
  test.each<[string, Line[]]>([
    [
      'a refusal of If-None-Match while something is there',
      [put('a', 1, 2), put('b', 3, 4, { condition: absent, ...failed })],
    ],
    [
      'a creation after a DELETE',
      [put('a', 1, 2), remove(3, 4), put('b', 5, 6, { condition: absent }), get('b', 7, 8)],
    ],
    [
      'If-Match of what is there, and a refusal of what is not any more',
      [
        put('a', 1, 2),
        put('b', 3, 4, { condition: matching('a') }),
        put('c', 5, 6, { condition: matching('a'), ...failed }),
      ],
    ],
    [
      'an If-Match that nobody answered, and that did happen',
      [put('a', 1, 2), put('b', 3, 4, { condition: matching('a'), ...unknown }), get('b', 5, 6)],
    ],
    [
      'new metadata for the same bytes',
      [put('a', 1, 2), metadata('m', 'a', 3, 4), get('a', 5, 6, { meta: 'm', cacheControl: 'm' })],
    ],
    [
      'an object of parts, which becomes one of one piece when it is copied',
      [
        s3({ kind: 'complete', key: 'k', made: { ...made('a'), eTag: inParts }, ...timed(1, 2) }),
        get('a', 3, 4, { eTag: inParts }),
        metadata('m', 'a', 5, 6),
        get('a', 7, 8, { meta: 'm', cacheControl: 'm' }),
      ],
    ],
    [
      'an unanswered copy, of what its readers say',
      [put('a', 1, 2, { key: 'source' }), copy('m', undefined, 3, 4), get('a', 5, 6, { meta: 'm', cacheControl: 'm' })],
    ],
    [
      'a copy of an earlier state of its source',
      [put('a', 1, 2, { key: 'source' }), put('b', 4, 6, { key: 'source' }), copy('m', 'a', 3, 8)],
    ],
    [
      'a listing with either state of what is under way',
      [put('a', 1, 2), put('b', 3, 9), list([listed('k', 'a')], 4, 5), list([listed('k', 'b')], 6, 7)],
    ],
    [
      'a page that leaves out what is before and behind it',
      [put('a', 1, 2), list([], 3, 4, { after: 'k' }), list([], 3, 4, { last: 'j' })],
    ],
    [
      'a common prefix instead of a key',
      [put('a', 1, 2, { key: 'd/e' }), list([], 3, 4, { delimiter: '/', prefixes: ['d/'] })],
    ],
    ['a file written by rename, which has no metadata', [put('a', 1, 2), rename('f', 3, 4), get('f', 5, 6, foreign())]],
    [
      'a file rewritten in place, which keeps the metadata',
      [put('a', 1, 2), rewrite('f', 3, 4), get('f', 5, 6, foreign('a'))],
    ],
    [
      'a condition that was judged before a file user wrote many times, and replaced the last of it',
      [
        put('a', 1, 2),
        ...Array.from({ length: 40 }, (_, index) => rename(`f${index}`, 4 + 2 * index, 5 + 2 * index)),
        put('b', 3, 90, { condition: matching('a') }),
        get('b', 91, 92),
      ],
    ],
    [
      'the hole that a rewrite has left which failed, seen by a file user',
      [
        put('a', 1, 2),
        rewrite('f', 3, 4, unknown),
        file({
          kind: 'file-read',
          key: 'k',
          seen: { content: md5Of('torn'), sizeBytes: SIZE, writers: ['f', 'zeros'] },
          ...timed(5, 6),
        }),
      ],
    ],
    [
      'bytes of two writers while a rewrite is under way',
      [
        put('a', 1, 2),
        rewrite('f', 3, 9),
        get('a', 4, 5, { content: md5Of('torn'), writers: ['f', 'a'], checksumFits: false }),
      ],
    ],
    [
      'a file user between the condition of a PUT and its rename',
      [
        put('a', 1, 2),
        put('b', 3, 9, { condition: matching('a') }),
        rename('f', 4, 5),
        get('f', 6, 6, foreign()),
        get('b', 10, 11),
      ],
    ],
    [
      'a rewrite of a file that a PUT has replaced meanwhile',
      [put('a', 1, 2), rewrite('f', 3, 9), put('b', 4, 5), get('b', 6, 7), get('b', 10, 11)],
    ],
  ])('%s', (_name, lines) => {
    expect(findings(lines)).toEqual([])
  })
})

describe('found', () => {
  test.each<[string, Line[], RegExp]>([
    ['an acknowledged PUT that is lost', [put('a', 1, 2), put('b', 3, 4), get('a', 5, 6)], /no order explains, k/],
    [
      'an acknowledged PUT that a DELETE before it took away',
      [remove(1, 2), put('a', 3, 4), missing(5, 6)],
      /no order/,
    ],
    ['an object that comes back', [put('a', 1, 2), remove(3, 4), get('a', 5, 6)], /no order/],
    [
      'two that replaced the same',
      [put('a', 1, 2), put('b', 3, 9, { condition: matching('a') }), put('c', 3, 9, { condition: matching('a') })],
      /no order/,
    ],
    [
      'two that created the same',
      [put('b', 3, 9, { condition: absent }), put('c', 3, 9, { condition: absent })],
      /no order/,
    ],
    [
      'a conditional DELETE that took away a newer object',
      [put('a', 1, 2), put('b', 3, 4), remove(5, 6, { condition: matching('a') })],
      /no order/,
    ],
    [
      'a refusal for which there was no reason',
      [put('a', 1, 2), put('b', 3, 4, { condition: matching('a'), ...failed })],
      /no order/,
    ],
    ['a refusal to create what was not there', [put('b', 3, 4, { condition: absent, ...failed })], /no order/],
    ['404 for what was there all the time', [put('a', 1, 2), missing(3, 4)], /no order/],
    ['old metadata', [put('a', 1, 2), metadata('m', 'a', 3, 4), get('a', 5, 6)], /no order/],
    [
      'a change of metadata that brought old bytes back',
      [put('a', 1, 2), put('b', 3, 4), metadata('m', 'a', 5, 6)],
      /no order/,
    ],
    [
      'a copy of what its source has never been',
      [put('a', 1, 2, { key: 'source' }), put('b', 3, 4, { key: 'source' }), copy('m', 'a', 5, 6)],
      /no order explains, source/,
    ],
    ['a listing without a key that was there', [put('a', 1, 2), list([], 3, 4)], /no order/],
    ['a listing with a key that was gone', [put('a', 1, 2), remove(3, 4), list([listed('k', 'a')], 5, 6)], /no order/],
    ['a listing with an old ETag', [put('a', 1, 2), put('b', 3, 4), list([listed('k', 'a')], 5, 6)], /no order/],
    [
      'a listing without a common prefix',
      [put('a', 1, 2, { key: 'd/e' }), list([], 3, 4, { delimiter: '/' })],
      /no order/,
    ],
    [
      'a listing out of order',
      [put('a', 1, 2), put('b', 1, 2, { key: 'j' }), list([listed('k', 'a'), listed('j', 'b')], 3, 4)],
      /j after k/,
    ],
    [
      'a listing with what nobody wrote',
      [put('a', 1, 2), list([listed('k', 'a'), listed('z', 'a')], 3, 4)],
      /nobody has written/,
    ],
    [
      'the ETag of other bytes',
      [put('a', 1, 2), put('b', 3, 9), get('a', 4, 5, { eTag: md5Of('b') })],
      /mixed answer, k: the ETag/,
    ],
    [
      'the metadata of other bytes',
      [put('a', 1, 2), put('b', 3, 9), get('a', 4, 5, { meta: 'b', cacheControl: 'b' })],
      /metadata of 'b'/,
    ],
    [
      'headers of two objects',
      [put('a', 1, 2), put('b', 3, 9), get('a', 4, 5, { cacheControl: 'b' })],
      /Cache-Control of 'b'/,
    ],
    ['a length of other bytes', [put('a', 1, 2), get('a', 4, 5, { sizeBytes: 5 })], /5 bytes, of 320/],
    ['the checksum of other bytes', [put('a', 1, 2), get('a', 4, 5, { checksumFits: false })], /checksum/],
    [
      'bytes of two writers',
      [put('a', 1, 2), put('b', 1, 2), get('a', 4, 5, { content: md5Of('torn'), writers: ['a', 'b'] })],
      /nobody has written/,
    ],
    [
      'bytes of nobody while a rewrite is under way',
      [put('a', 1, 2), rewrite('f', 3, 9), get('a', 4, 5, { content: md5Of('torn'), writers: ['f', '?'] })],
      /bytes of nobody/,
    ],
    [
      'zeros where a rewrite under way has cut the file',
      [put('a', 1, 2), rewrite('f', 3, 9), get('a', 4, 5, { content: md5Of('torn'), writers: ['f', 'a', 'zeros'] })],
      /padded answer, k/,
    ],
    [
      'torn bytes after a rewrite',
      [
        put('a', 1, 2),
        rewrite('f', 3, 4),
        get('f', 5, 6, { content: md5Of('torn'), writers: ['f', 'a'], ...foreign('a') }),
      ],
      /nobody has written/,
    ],
    ['an S3 object that is answered as a foreign file', [put('a', 1, 2), get('a', 3, 4, foreign('a'))], /no order/],
    [
      'a rewritten file under its old ETag',
      [put('a', 1, 2), rewrite('f', 3, 4), get('f', 5, 6, { eTag: md5Of('a'), meta: 'a', cacheControl: 'a' })],
      /mixed answer/,
    ],
    [
      'a rewritten file whose old ETag is in a listing',
      [put('a', 1, 2), rewrite('f', 3, 4), list([listed('k', 'a')], 5, 6)],
      /no order/,
    ],
    [
      'a file that an S3 client did not replace and that is lost',
      [put('a', 1, 2), rename('f', 3, 4), get('a', 5, 6)],
      /no order/,
    ],
    [
      'a condition that overlooked a file user who was done before',
      [put('a', 1, 2), rename('f', 3, 4), put('b', 5, 6, { condition: matching('a') })],
      /no order/,
    ],
    [
      'an ETag in the answer to a PUT that is not that of its bytes',
      [s3({ kind: 'put', key: 'k', made: made('a'), answered: foreignETag, ...timed(1, 2) })],
      /answered with the ETag/,
    ],
    [
      'an answer that has no place here',
      [put('a', 1, 2, { outcome: 'nothing', status: 400, code: 'InvalidRequest' })],
      /put was answered 400/,
    ],
  ])('%s', (_name, lines, sentence) => {
    expect(findings(lines).join('\n')).toMatch(sentence)
  })
})

test('what is told of a contradiction is the few operations that make it, not the thousand around them', () => {
  const around = Array.from({ length: 500 }, (_, index): Line[] => [
    put(`p${index}`, 10 * index, 10 * index + 5),
    get(`p${index}`, 10 * index + 6, 10 * index + 8),
  ]).flat()
  const [sentence = ''] = findings([...around, get('p250', 2700, 2701)])
  expect(sentence).toMatch(/these [1-6] of 1001/)
  // The reader, and who wrote what it read.
  expect(sentence).toContain('(event 1000)')
  expect(sentence).toContain('(event 500)')
})

test('bytes say whose they are, cut anywhere', () => {
  const [a, b] = [contentOf('a-1', 320), contentOf('b-22', 320)]
  expect(writersOf(a.bytes)).toEqual(['a-1'])
  expect(writersOf(Buffer.concat([a.bytes.subarray(0, 100), b.bytes.subarray(100)]))).toEqual(['a-1', 'b-22'])
  const withHole = Buffer.concat([a.bytes.subarray(0, 96), Buffer.alloc(32), a.bytes.subarray(128)])
  expect(writersOf(withHole)).toEqual(['a-1', 'zeros'])
  const strange = Buffer.concat([a.bytes.subarray(0, 96), Buffer.alloc(32, 'Z'), b.bytes])
  expect(writersOf(strange)).toEqual(['a-1', 'b-22', '?'])
})

/** Every order of every choice of unanswered operations, of the model of a key. */
function bruteForce(operations: readonly KeyOperation[]): boolean {
  const extend = (state: typeof keyModel.initial, left: readonly KeyOperation[]): boolean => {
    if (left.every(({ end }) => end === Number.POSITIVE_INFINITY)) return true
    return left.some((operation) => {
      const rest = left.filter((other) => other !== operation)
      if (rest.some(({ end }) => end < operation.start)) return false
      const after = keyModel.step(state, operation)
      return after !== undefined && extend(after, rest)
    })
  }
  return extend(keyModel.initial, operations)
}

const idOf = fc.constantFrom('a', 'b', 'c')
const singleValue = (id: string) => ({ content: id, meta: id, eTag: id, sizeBytes: 1 })
const s3Operation = fc.oneof(
  idOf.map((id) => ({ want: { content: id } })),
  idOf.map((id) => ({ want: { notETag: id } })),
  fc.constant({ want: 'absent' as const }),
  idOf.map((id) => ({ make: { kind: 'value' as const, value: singleValue(id) } })),
  fc
    .tuple(idOf, idOf)
    .map(([from, id]) => ({ want: { eTag: from }, make: { kind: 'value' as const, value: singleValue(id) } })),
  idOf.map((id) => ({ want: 'absent' as const, make: { kind: 'value' as const, value: singleValue(id) } })),
  fc.constant({ make: { kind: 'absent' as const } }),
  idOf.map((meta) => ({ want: {}, make: { kind: 'metadata' as const, meta } })),
)
const fileOperation = fc.oneof(
  idOf.map((content) => ({ make: { kind: 'bytes' as const, content, sizeBytes: 1 } })),
  idOf.map((id) => ({ make: { kind: 'value' as const, value: { ...singleValue(id), meta: '', eTag: 'foreign' } } })),
)
const operation: fc.Arbitrary<KeyOperation> = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: s3Operation }, { weight: 1, arbitrary: fileOperation }),
    fc.nat(10),
    fc.integer({ min: -4, max: 6 }),
  )
  .map(([what, start, length]) => {
    const isFile =
      'make' in what &&
      (what.make.kind === 'bytes' || (what.make.kind === 'value' && what.make.value.eTag === 'foreign'))
    const end = length < 0 ? Number.POSITIVE_INFINITY : start + length
    return { event: 0, by: isFile ? 'file' : 's3', start, end, ...what }
  })

test('histories of a key, with all that S3 and file users do to it, are judged as by trying every order', () => {
  const seen = { linearizable: 0, violation: 0, undecided: 0 }
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      const { kind } = checkLinearizable(keyModel, operations)
      seen[kind]++
      expect(kind).toBe(bruteForce(operations) ? 'linearizable' : 'violation')
    }),
    { numRuns: 20_000 },
  )
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(1000)
})
