import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contentOf } from '../content.ts'
import type { Condition, Outcome } from '../event.ts'
import { checkLinearizable } from '../linearizable.ts'
import type { ToldOf } from '../recorder.ts'
import { checkVersions } from './check-versions.ts'
import { createStackModel, type StackOperation } from './stack.ts'
import type { ListedVersion, Made, PageMark, SeenVersion, VersionedEvent } from './versioned-event.ts'

const SIZE = 320
type Line = ToldOf<VersionedEvent>
type Facts = { readonly outcome?: Outcome; readonly status?: number; readonly code?: string }
/** On the clock of the events: retention is judged in tenths of a second. */
const MS = 1000

const timed = (start: number, end: number, { outcome = 'done', ...facts }: Facts = {}) => ({
  startUs: start * MS,
  endUs: end * MS,
  outcome,
  ...facts,
})
const unknown = { outcome: 'unknown' } as const
const notFound = { outcome: 'refused', status: 404, code: 'NoSuchKey' } as const
const noVersion = { outcome: 'refused', status: 404, code: 'NoSuchVersion' } as const
const failed = { outcome: 'refused', status: 412, code: 'PreconditionFailed' } as const
const denied = { outcome: 'refused', status: 403, code: 'AccessDenied' } as const
const isMarker = { outcome: 'refused', status: 405, code: 'MethodNotAllowed' } as const

const md5Of = (id: string) => contentOf(id, SIZE).md5
const bodyOf = (id: string) => ({ content: md5Of(id), sizeBytes: SIZE, eTag: md5Of(id) })
const madeOf = (id: string): Made => ({ meta: id, tag: id, isHeld: false })

// The version that the write `a` makes has the id `a1`, unless said otherwise: ids sort by age.
type PutFacts = Facts & { condition?: Condition; key?: string; made?: Partial<Made>; versionId?: string }
const put = (id: string, start: number, end: number, facts: PutFacts = {}): Line => {
  const { condition, key = 'k', made = {}, versionId = `${id}1`, ...more } = facts
  return {
    kind: 'put',
    key,
    made: { ...madeOf(id), ...made },
    body: bodyOf(id),
    ...(condition && { condition }),
    ...((more.outcome ?? 'done') === 'done' && { versionId, answered: md5Of(id) }),
    ...timed(start, end, more),
  }
}
const hide = (
  versionId: string | undefined,
  start: number,
  end: number,
  facts: Facts & { condition?: Condition } = {},
): Line => {
  const { condition, ...more } = facts
  const told = versionId === undefined ? {} : { versionId }
  return { kind: 'delete', key: 'k', ...(condition && { condition }), ...told, ...timed(start, end, more) }
}
const remove = (versionId: string, start: number, end: number, facts?: Facts): Line => ({
  kind: 'delete-version',
  key: 'k',
  versionId,
  ...timed(start, end, facts),
})
const copy = (
  id: string,
  of: string,
  start: number,
  end: number,
  facts: Facts & { of?: string; key?: string } = {},
): Line => {
  const { of: asked, key = 'k', ...more } = facts
  const isDone = (more.outcome ?? 'done') === 'done'
  return {
    kind: 'copy',
    key,
    made: madeOf(id),
    source: { key: 'source', ...(asked !== undefined && { versionId: asked }) },
    ...(isDone && { versionId: `${id}1`, answered: md5Of(of), copied: `${of}1` }),
    ...timed(start, end, more),
  }
}
const seenOf = (id: string, changes: Partial<SeenVersion> = {}): SeenVersion => ({
  versionId: `${id}1`,
  content: md5Of(id),
  sizeBytes: SIZE,
  eTag: md5Of(id),
  meta: id,
  cacheControl: id,
  checksumFits: true,
  isHeld: false,
  ...changes,
})
const get = (id: string, start: number, end: number, changes?: Partial<SeenVersion>, key = 'k'): Line => ({
  kind: 'get',
  key,
  seen: seenOf(id, changes),
  ...timed(start, end),
})
const getById = (id: string, start: number, end: number, changes?: Partial<SeenVersion>): Line => ({
  kind: 'get',
  key: 'k',
  versionId: `${id}1`,
  seen: seenOf(id, changes),
  ...timed(start, end),
})
const missing = (start: number, end: number): Line => ({ kind: 'get', key: 'k', ...timed(start, end, notFound) })
const hidden = (marker: string, start: number, end: number): Line => ({
  kind: 'head',
  key: 'k',
  marker,
  ...timed(start, end, { outcome: 'refused', status: 404 }),
})
const refusedById = (versionId: string, start: number, end: number, facts: Facts): Line => ({
  kind: 'get',
  key: 'k',
  versionId,
  ...timed(start, end, facts),
})
const tag = (versionId: string, value: string, start: number, end: number, facts?: Facts): Line => ({
  kind: 'tag',
  key: 'k',
  versionId,
  tag: value,
  ...timed(start, end, facts),
})
const tags = (versionId: string, seenTag: string, start: number, end: number): Line => ({
  kind: 'get-tags',
  key: 'k',
  versionId,
  seenTag,
  ...timed(start, end),
})
const hold = (versionId: string, isHeld: boolean, start: number, end: number, facts?: Facts): Line => ({
  kind: 'hold',
  key: 'k',
  versionId,
  isHeld,
  ...timed(start, end, facts),
})
const absent: Condition = { kind: 'absent' }
const matching = (id: string): Condition => ({ kind: 'match', eTag: md5Of(id) })

const version = (id: string, more: Partial<ListedVersion> = {}): ListedVersion => ({
  key: 'k',
  versionId: `${id}1`,
  isMarker: false,
  isLatest: false,
  eTag: md5Of(id),
  sizeBytes: SIZE,
  ...more,
})
const latest = (id: string, more: Partial<ListedVersion> = {}) => version(id, { isLatest: true, ...more })
const marker = (versionId: string, isLatest = false): ListedVersion => ({
  key: 'k',
  versionId,
  isMarker: true,
  isLatest,
  eTag: '',
  sizeBytes: 0,
})
type PageFacts = { readonly after?: PageMark; readonly last?: PageMark; readonly isQuiet?: boolean }
const page = (listed: readonly ListedVersion[], start: number, end: number, facts: PageFacts = {}): Line => ({
  kind: 'list-versions',
  key: '',
  after: { key: '', versionId: '' },
  listed,
  isQuiet: false,
  ...facts,
  ...timed(start, end),
})
const quiet = (listed: readonly ListedVersion[], start: number, end: number): Line =>
  page(listed, start, end, { isQuiet: true })
const list = (listed: readonly { key: string; eTag: string }[], start: number, end: number): Line => ({
  kind: 'list',
  key: '',
  listed,
  ...timed(start, end),
})
const retention = (untilMs: number) => ({ retention: { untilMs, untilUs: untilMs * MS } })

const eventsOf = (lines: readonly Line[]): readonly VersionedEvent[] =>
  lines.map((line, event) => ({ event, client: `c${event}`, gateway: 0, ...line }))
const findings = (lines: readonly Line[]): readonly string[] =>
  checkVersions(eventsOf(lines)).findings.map(({ kind, sentence }) => `${kind}: ${sentence}`)

describe('explained', () => {
  test.each<[string, Line[]]>([
    ['versions one on the other, each by its id', [put('a', 1, 2), put('b', 3, 4), get('b', 5, 6), getById('a', 5, 6)]],
    [
      'what lies below what was deleted by its id is the current one again',
      [put('a', 1, 2), put('b', 3, 4), remove('b1', 5, 6), get('a', 7, 8), refusedById('b1', 7, 8, noVersion)],
    ],
    [
      'a marker, which is no object, and goes by its id',
      [
        put('a', 1, 2),
        hide('b1', 3, 4),
        hidden('b1', 5, 6),
        refusedById('b1', 5, 6, isMarker),
        getById('a', 5, 6),
        remove('b1', 7, 8),
        get('a', 9, 10),
      ],
    ],
    ['either of two writes at once', [put('b', 1, 9), put('a', 2, 8), get('a', 3, 4), get('b', 10, 11)]],
    [
      'ids that sort otherwise than they came, of versions that were never there together',
      [put('b', 1, 2), remove('b1', 3, 4), put('a', 5, 6), get('a', 7, 8)],
    ],
    ['an unanswered write that did happen', [put('a', 1, 2, unknown), get('a', 5, 6), getById('a', 7, 8)]],
    ['an unanswered write that nobody has seen', [put('a', 1, 2), put('b', 3, 4, unknown), get('a', 5, 6)]],
    [
      'an unanswered DELETE, by its marker',
      [
        put('a', 1, 2),
        hide(undefined, 3, 4, unknown),
        hidden('b1', 5, 6),
        quiet([version('a'), marker('b1', true)], 7, 8),
      ],
    ],
    [
      'an unanswered copy, listed and deleted before anybody has read it',
      [
        put('a', 1, 2, { key: 'source' }),
        copy('b', 'a', 3, 4, unknown),
        page([latest('b', { eTag: md5Of('a') }), latest('a', { key: 'source' })], 5, 6),
        remove('b1', 7, 8),
        missing(9, 10),
      ],
    ],
    [
      'an unanswered removal, done or not',
      [
        put('a', 1, 2),
        remove('a1', 3, 4, unknown),
        getById('a', 5, 6),
        refusedById('a1', 7, 8, noVersion),
        missing(9, 10),
      ],
    ],
    ['an unanswered removal that never was', [put('a', 1, 2), remove('a1', 3, 4, unknown), quiet([latest('a')], 5, 6)]],
    [
      'an unanswered removal, by the last listing',
      [put('a', 1, 2), remove('a1', 3, 4, unknown), getById('a', 5, 6), quiet([], 7, 8)],
    ],
    ['one version deleted twice', [put('a', 1, 2), remove('a1', 3, 9), remove('a1', 4, 5), missing(6, 7)]],
    [
      'conditions, of a marker too',
      [
        put('a', 1, 2, { condition: absent }),
        put('b', 3, 4, { condition: absent, ...failed }),
        hide('c1', 5, 6, { condition: matching('a') }),
        hide(undefined, 7, 8, { condition: matching('a'), ...failed }),
        put('d', 9, 10, { condition: matching('a'), ...notFound }),
        put('e', 11, 12, { condition: absent }),
      ],
    ],
    [
      'copies: of the current one, and of an older one',
      [
        put('a', 1, 2, { key: 'source' }),
        put('b', 3, 4, { key: 'source' }),
        copy('c', 'b', 5, 6),
        copy('d', 'a', 5, 6, { of: 'a1' }),
        get('d', 7, 8, { content: md5Of('a'), eTag: md5Of('a') }),
      ],
    ],
    [
      'listings, in pages, with what is under way or without it',
      [
        put('a', 1, 2),
        put('b', 3, 4),
        put('c', 5, 20),
        page([latest('b')], 6, 7, { last: { key: 'k', versionId: 'b1' } }),
        page([version('a')], 8, 9, { after: { key: 'k', versionId: 'b1' } }),
        page([latest('c'), version('b'), version('a')], 10, 11),
        remove('a1', 21, 30),
        page([latest('c'), version('b')], 22, 23),
        page([latest('c'), version('b'), version('a')], 22, 23),
        list([{ key: 'k', eTag: md5Of('c') }], 31, 32),
      ],
    ],
    [
      'tags of a version, changed by who was answered and who was not',
      [
        put('a', 1, 2),
        tags('a1', 'a', 3, 4),
        tag('a1', 't', 5, 6),
        tags('a1', 't', 7, 8),
        tag('a1', 'u', 9, 10, unknown),
        tags('a1', 't', 11, 12),
        tags('a1', 'u', 13, 14),
      ],
    ],
    [
      'a version under retention, and after it',
      [
        put('a', 1, 2, { made: retention(5000) }),
        remove('a1', 3, 4, denied),
        getById('a', 3, 4, { untilMs: 5000 }),
        remove('a1', 5300, 5301),
        missing(5302, 5303),
      ],
    ],
    [
      'a version under legal hold, until it is lifted',
      [
        put('a', 1, 2, { made: { isHeld: true } }),
        remove('a1', 3, 4, denied),
        getById('a', 3, 4, { isHeld: true }),
        hold('a1', false, 5, 6),
        remove('a1', 7, 8),
      ],
    ],
    [
      'a retention that was over when it came',
      [put('a', 1, 900, { made: retention(500), outcome: 'nothing', status: 400, code: 'InvalidArgument' })],
    ],
  ])('%s', (_name, lines) => {
    expect(findings(lines)).toEqual([])
  })
})

describe('found', () => {
  test.each<[string, Line[], RegExp]>([
    // The state of the key.
    [
      'an acknowledged version that is not the current one',
      [put('a', 1, 2), put('b', 3, 4), get('a', 5, 6)],
      /no order/,
    ],
    ['an acknowledged marker without effect', [put('a', 1, 2), hide('b1', 3, 4), get('a', 5, 6)], /no order/],
    ['a key that is nothing, below a marker', [put('a', 1, 2), hide('b1', 3, 4), missing(5, 6)], /no order/],
    [
      'another version than the next one, when the current one is deleted',
      [put('a', 1, 2), put('b', 3, 4), put('c', 5, 6), remove('c1', 7, 8), get('a', 9, 10)],
      /no order/,
    ],
    [
      'a key that stays hidden without its marker',
      [put('a', 1, 2), hide('b1', 3, 4), remove('b1', 5, 6), missing(7, 8)],
      /no order/,
    ],
    ['new, then old', [put('a', 1, 2), put('b', 3, 99), get('b', 5, 6), get('a', 7, 8)], /no order/],
    [
      'two that created the same',
      [put('a', 1, 9, { condition: absent }), put('b', 1, 9, { condition: absent })],
      /no order/,
    ],
    [
      'a refusal without a reason',
      [put('a', 1, 2), put('b', 3, 4, { condition: matching('a'), ...failed })],
      /no order/,
    ],
    [
      'a DELETE whose condition did not hold',
      [put('a', 1, 2), put('b', 3, 4), hide('c1', 5, 6, { condition: matching('a') })],
      /no order/,
    ],
    [
      'a refusal to create where a marker is',
      [put('a', 1, 2), hide('b1', 3, 4), put('c', 5, 6, { condition: absent, ...failed })],
      /no order/,
    ],
    [
      'a copy of what was not the current one any more',
      [put('a', 1, 2, { key: 'source' }), put('b', 3, 4, { key: 'source' }), copy('c', 'a', 5, 6)],
      /no order/,
    ],
    ['a listing of objects without one', [put('a', 1, 2), list([], 3, 4)], /no order/],
    [
      'a listing of objects with one behind a marker',
      [put('a', 1, 2), hide('b1', 3, 4), list([{ key: 'k', eTag: md5Of('a') }], 5, 6)],
      /no order/,
    ],
    ['versions whose ids sort against time', [put('b', 1, 2), put('a', 3, 4)], /no order/],
    // Versions by their ids.
    ['a version that is lost', [put('a', 1, 2), put('b', 3, 4), refusedById('a1', 5, 6, noVersion)], /no order/],
    [
      'a version that is back after its removal',
      [put('a', 1, 2), put('b', 3, 4), remove('a1', 5, 6), getById('a', 7, 8)],
      /no order/,
    ],
    [
      'a marker that is back after its removal',
      [hide('a1', 1, 2), remove('a1', 3, 4), refusedById('a1', 5, 6, isMarker)],
      /no order/,
    ],
    [
      'an unanswered removal that is undone',
      [put('a', 1, 2), remove('a1', 3, 4, unknown), refusedById('a1', 5, 6, noVersion), getById('a', 7, 8)],
      /no order/,
    ],
    ['a version that is gone for who tags it', [put('a', 1, 2), tag('a1', 't', 3, 4, noVersion)], /no order/],
    ['one id of two writes', [put('a', 1, 2), put('b', 3, 4, { versionId: 'a1' })], /one id twice/],
    [
      'a second version of one write',
      [put('a', 1, 2), get('a', 3, 4, { versionId: 'b1' })],
      /nobody wrote: .* second one of event 0/,
    ],
    [
      'a version of no write',
      [put('a', 1, 2), get('a', 3, 4, { versionId: 'b1', meta: 'b', cacheControl: 'b' })],
      /nobody wrote/,
    ],
    ['a marker of no DELETE', [put('a', 1, 2), hidden('b1', 3, 4)], /nobody wrote/],
    [
      'two markers of one unanswered DELETE',
      [hide(undefined, 1, 2, unknown), page([marker('c1', true), marker('b1')], 3, 4)],
      /nobody wrote/,
    ],
    ['a version of another key', [put('a', 1, 2), get('a', 3, 4, { versionId: 'b1' }, 'j')], /nobody wrote/],
    [
      'bytes of another version',
      [put('a', 1, 2), put('b', 3, 4), getById('a', 5, 6, { content: md5Of('b') })],
      /mixed answer: .*MD5/,
    ],
    [
      'the ETag of another version',
      [put('a', 1, 2), put('b', 3, 4), getById('a', 5, 6, { eTag: md5Of('b') })],
      /mixed answer: .*ETag/,
    ],
    [
      'the metadata of another version',
      [put('a', 1, 2), put('b', 3, 4), getById('a', 5, 6, { meta: 'b', cacheControl: 'b' })],
      /mixed answer: .*metadata/,
    ],
    [
      'headers of two versions',
      [put('a', 1, 2), getById('a', 5, 6, { cacheControl: 'b' })],
      /mixed answer: .*Cache-Control/,
    ],
    ['a wrong length', [put('a', 1, 2), getById('a', 5, 6, { sizeBytes: 5 })], /mixed answer: .*bytes 5/],
    ['a wrong checksum', [put('a', 1, 2), getById('a', 5, 6, { checksumFits: false })], /mixed answer: .*checksum/],
    [
      'another version than was asked for',
      [put('a', 1, 2), put('b', 3, 4), { ...getById('a', 5, 6), seen: seenOf('b') } as Line],
      /mixed answer: asked for/,
    ],
    ['bytes of a marker', [hide('a1', 1, 2), getById('a', 3, 4)], /mixed answer: bytes of the delete marker/],
    [
      'an answer with the ETag of other bytes',
      [{ ...put('a', 1, 2), answered: md5Of('b') } as Line],
      /mixed answer: answered/,
    ],
    [
      'a copy of other bytes than those of its version',
      [
        put('a', 1, 2, { key: 'source' }),
        put('b', 3, 4, { key: 'source' }),
        { ...copy('c', 'b', 5, 6), answered: md5Of('a') } as Line,
      ],
      /mixed answer: copied/,
    ],
    [
      'a copy of another version than was asked for',
      [put('a', 1, 2, { key: 'source' }), put('b', 3, 4, { key: 'source' }), copy('c', 'b', 5, 6, { of: 'a1' })],
      /mixed answer: copied/,
    ],
    // Listings.
    [
      'a listing without a version',
      [put('a', 1, 2), put('b', 3, 4), page([latest('b')], 5, 6)],
      /listing: a1 of k is there, and not listed/,
    ],
    [
      'a last listing without a marker',
      [put('a', 1, 2), hide('b1', 3, 4), put('c', 5, 6), quiet([latest('c'), version('a')], 7, 8)],
      /listing: b1 of k is there/,
    ],
    [
      'a page that ends before its mark',
      [
        put('a', 1, 2),
        put('b', 3, 4),
        put('c', 5, 6),
        page([latest('c')], 7, 8, { last: { key: 'k', versionId: 'b1' } }),
      ],
      /listing: b1 of k is there/,
    ],
    [
      'a listing with what was deleted',
      [put('a', 1, 2), put('b', 3, 4), remove('a1', 5, 6), page([latest('b'), version('a')], 7, 8)],
      /listing: a1 of k was deleted before/,
    ],
    [
      'a version twice',
      [put('a', 1, 2), page([latest('a'), version('a')], 3, 4)],
      /listing: .*a1 of k is listed twice/,
    ],
    ['a listing with what nobody wrote', [put('a', 1, 2), page([version('z'), latest('a')], 3, 4)], /nobody wrote/],
    [
      'an older version before a newer one',
      [put('a', 1, 2), put('b', 3, 4), page([version('a'), latest('b')], 5, 6)],
      /listing: .*which was written after it/,
    ],
    [
      'of two written at once, the one with the greater id last',
      [put('a', 1, 9), put('b', 2, 8), page([version('a'), latest('b')], 10, 11)],
      /listing: .*whose id is that of a newer one/,
    ],
    [
      'keys out of order',
      [put('a', 1, 2), put('b', 1, 2, { key: 'j' }), page([latest('a'), latest('b', { key: 'j' })], 3, 4)],
      /listing: .*j comes after k/,
    ],
    [
      'a page with what comes before it',
      [
        put('a', 1, 2),
        put('b', 3, 4),
        page([latest('b'), version('a')], 5, 6, { after: { key: 'k', versionId: 'b1' } }),
      ],
      /listing: b1 of k does not belong/,
    ],
    [
      'two that are the latest',
      [put('a', 1, 2), put('b', 3, 4), page([latest('b'), latest('a')], 5, 6)],
      /listing: .*each the latest/,
    ],
    [
      'an older one that is the latest',
      [put('a', 1, 2), put('b', 3, 4), page([version('b'), latest('a')], 5, 6)],
      /listing: .*a1 of k is the latest/,
    ],
    [
      'a latest one that was not',
      [put('a', 1, 2), put('b', 3, 4), remove('b1', 5, 6), page([latest('b'), version('a')], 7, 8)],
      /no order/,
    ],
    [
      'a version with another ETag',
      [put('a', 1, 2), page([latest('a', { eTag: md5Of('b') })], 3, 4)],
      /listing: a1 of k has the ETag/,
    ],
    [
      'a version with another size',
      [put('a', 1, 2), page([latest('a', { sizeBytes: 1 })], 3, 4)],
      /listing: a1 of k has the ETag .* 1 bytes/,
    ],
    [
      'a version that is a marker in a listing',
      [put('a', 1, 2), page([marker('a1', true)], 3, 4)],
      /listing: a1 of k is no delete marker/,
    ],
    [
      'a version below another key',
      [put('a', 1, 2), page([latest('a', { key: 'l' })], 3, 4)],
      /listing: .*a1 of l is one of k/,
    ],
    // What belongs to a version.
    ['tags that are lost', [put('a', 1, 2), tag('a1', 't', 3, 4), tags('a1', 'a', 5, 6)], /tags: a1 of k/],
    [
      'tags of before, once the new ones were seen',
      [put('a', 1, 2), tag('a1', 't', 3, 9), tags('a1', 't', 4, 5), tags('a1', 'a', 6, 7)],
      /tags: a1 of k/,
    ],
    [
      'a removal during retention',
      [put('a', 1, 2, { made: retention(5000) }), remove('a1', 3, 4)],
      /object lock: .*before its retention ended/,
    ],
    [
      'a version that went during retention, as the last listing says',
      [put('a', 1, 2, { made: retention(5000) }), remove('a1', 3, 4, unknown), quiet([], 5, 6)],
      /object lock/,
    ],
    [
      'a version without its retention',
      [put('a', 1, 2, { made: retention(5000) }), getById('a', 3, 4)],
      /mixed answer: .*end of retention/,
    ],
    ['a removal during a legal hold', [put('a', 1, 2, { made: { isHeld: true } }), remove('a1', 3, 4)], /object lock/],
    [
      'a removal after a legal hold was put',
      [put('a', 1, 2), hold('a1', true, 3, 4), remove('a1', 5, 6)],
      /object lock/,
    ],
    ['a refusal of what nothing protects', [put('a', 1, 2), remove('a1', 3, 4, denied)], /object lock/],
    [
      'a refusal after retention',
      [put('a', 1, 2, { made: retention(5000) }), remove('a1', 5300, 5301, denied)],
      /object lock/,
    ],
    ['a hold that is not shown', [put('a', 1, 2, { made: { isHeld: true } }), getById('a', 3, 4)], /object lock/],
    // Answers that have no place here.
    [
      'a refused PUT',
      [put('a', 1, 2, { outcome: 'nothing', status: 400, code: 'InvalidRequest' })],
      /unexpected answer: put was answered 400/,
    ],
    ['412 without a condition', [put('a', 1, 2, failed)], /unexpected answer/],
    ['a removal of nothing that is refused', [remove('a1', 1, 2, noVersion)], /unexpected answer/],
    ['405 of a key', [{ ...missing(1, 2), ...isMarker }], /unexpected answer/],
    ['a listing that is refused', [{ ...list([], 1, 2), ...noVersion }], /unexpected answer/],
    ['a write without an id', [hide(undefined, 1, 2)], /unexpected answer: a write without/],
  ])('%s', (_name, lines, sentence) => {
    expect(findings(lines).join('\n')).toMatch(sentence)
  })
})

test('what is told of a contradiction is the few operations that make it', () => {
  const id = (number: number) => `p${String(number).padStart(3, '0')}`
  const around = Array.from({ length: 200 }, (_, index): Line[] => [
    put(id(index), 10 * index, 10 * index + 5),
    get(id(index), 10 * index + 6, 10 * index + 8),
  ]).flat()
  const [sentence = ''] = findings([...around, get(id(150), 1990, 1999)])
  expect(sentence).toMatch(/these [1-5] of 401/)
  expect(sentence).toContain('(event 400,')
})

/** Every order. */
function bruteForce(operations: readonly StackOperation[]): boolean {
  const model = createStackModel()
  const extend = (state: typeof model.initial, left: readonly StackOperation[]): boolean =>
    left.length === 0 ||
    left.some((operation) => {
      const rest = left.filter((other) => other !== operation)
      if (rest.some(({ end }) => end < operation.start)) return false
      const after = model.step(state, operation)
      return after !== undefined && extend(after, rest)
    })
  return extend(model.initial, operations)
}

const idOf = fc.constantFrom('a', 'b', 'c')
const what = fc.oneof(
  // An id is always that of the same version: b is a marker.
  idOf.map((versionId) => ({
    make: { kind: 'push' as const, version: { versionId, eTag: versionId === 'b' ? undefined : versionId } },
  })),
  idOf.map((versionId) => ({ make: { kind: 'remove' as const, versionId } })),
  idOf.map((versionId) => ({ want: { kind: 'top' as const, versionId } })),
  idOf.map((versionId) => ({ want: { kind: 'has' as const, versionId } })),
  idOf.map((versionId) => ({ want: { kind: 'has not' as const, versionId } })),
  idOf.map((eTag) => ({ want: { kind: 'other' as const, eTag } })),
  fc.constantFrom(
    { want: { kind: 'nothing' as const } },
    { want: { kind: 'hidden' as const } },
    { want: { kind: 'object' as const } },
  ),
)
const operation: fc.Arbitrary<StackOperation> = fc
  .tuple(what, fc.nat(10), fc.nat(6))
  .map(([what, start, length]) => ({ event: 0, start, end: start + length, ...what }))

test('histories of a key are judged as by trying every order', () => {
  const seen = { linearizable: 0, violation: 0, undecided: 0 }
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      const { kind } = checkLinearizable(createStackModel(), operations)
      seen[kind]++
      expect(kind).toBe(bruteForce(operations) ? 'linearizable' : 'violation')
    }),
    { numRuns: 20_000 },
  )
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(500)
})
