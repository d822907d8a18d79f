import { describe, expect, test } from 'vitest'
import type { ObjectStat } from '#namespace'
import {
  checkCopySource,
  checkRead,
  deletePrecondition,
  entryPrecondition,
  writePrecondition,
} from './preconditions.ts'
import { parseS3Request } from './s3-request.ts'

const headersOf = (headers: Record<string, string>) =>
  parseS3Request({ method: 'GET', rawUrl: '/', headers: Object.entries(headers) }).headers

const stat: ObjectStat = {
  bucket: 'b',
  key: 'k',
  sizeBytes: 3,
  eTag: 'e1',
  lastModified: new Date('2026-11-20T12:00:00.500Z'),
  versionId: 'v1',
  checksum: undefined,
  parts: undefined,
  owner: { canonicalId: 'o', displayName: 'O' },
  foreign: false,
  headers: {},
  metadata: {},
}

const BEFORE = 'Fri, 20 Nov 2026 11:59:59 GMT'
const SAME = 'Fri, 20 Nov 2026 12:00:00 GMT'
const AFTER = 'Fri, 20 Nov 2026 12:00:01 GMT'
const failed = (condition: string) =>
  expect.objectContaining({ code: 'PreconditionFailed', detail: { Condition: condition } })
const outcome = (check: () => void): string => {
  try {
    check()
    return 'ok'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unexpected'
  }
}

describe('GET and HEAD (P-125 – P-127)', () => {
  test.each<[Record<string, string>, string]>([
    [{}, 'ok'],
    [{ 'if-match': '"e1"' }, 'ok'],
    [{ 'if-match': 'e1' }, 'ok'],
    [{ 'if-match': '"e0", "e1"' }, 'ok'],
    [{ 'if-match': '*' }, 'ok'],
    [{ 'if-match': '"e0"' }, 'PreconditionFailed'],
    [{ 'if-none-match': '"e0"' }, 'ok'],
    [{ 'if-none-match': '"e1"' }, 'NotModified'],
    [{ 'if-none-match': 'W/"e1"' }, 'NotModified'],
    [{ 'if-none-match': '*' }, 'NotModified'],
    [{ 'if-modified-since': BEFORE }, 'ok'],
    [{ 'if-modified-since': SAME }, 'NotModified'],
    [{ 'if-modified-since': 'not a date' }, 'ok'],
    [{ 'if-unmodified-since': BEFORE }, 'PreconditionFailed'],
    [{ 'if-unmodified-since': SAME }, 'ok'],
    [{ 'if-unmodified-since': 'not a date' }, 'ok'],
    // P-126: the ETag is the stronger word
    [{ 'if-match': '"e1"', 'if-unmodified-since': BEFORE }, 'ok'],
    [{ 'if-none-match': '"e1"', 'if-modified-since': BEFORE }, 'NotModified'],
    [{ 'if-none-match': '"e0"', 'if-modified-since': SAME }, 'ok'],
    [{ 'if-match': '"e0"', 'if-none-match': '"e1"' }, 'PreconditionFailed'],
  ])('%j: %s', (headers, expected) => {
    // The object is of the day before the clock's, or If-Modified-Since would be in the future and ignored.
    const old = { ...stat, lastModified: new Date(stat.lastModified.getTime() - YEARS) }
    const shifted = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace(' 2026 ', ' 2020 ')]),
    )
    expect(outcome(() => checkRead(headersOf(shifted), old))).toBe(expected)
  })

  test('P-126: If-Modified-Since in the future is ignored', () => {
    const future = new Date(Date.now() + 3_600_000).toUTCString()
    expect(outcome(() => checkRead(headersOf({ 'if-modified-since': future }), stat))).toBe('ok')
  })

  test('P-125: 412 names the condition', () => {
    expect(() => checkRead(headersOf({ 'if-match': 'x' }), stat)).toThrow(failed('If-Match'))
    expect(() => checkRead(headersOf({ 'if-unmodified-since': BEFORE }), stat)).toThrow(failed('If-Unmodified-Since'))
  })

  test('P-019: 304 keeps ETag, Last-Modified and version', () => {
    expect(() => checkRead(headersOf({ 'if-none-match': 'e1' }), stat)).toThrow(
      expect.objectContaining({
        detail: { ETag: '"e1"', 'Last-Modified': 'Fri, 20 Nov 2026 12:00:00 GMT', 'x-amz-version-id': 'v1' },
      }),
    )
  })
})

/** From 2026 back to 2020, leap days and all. */
const YEARS = Date.UTC(2026, 10, 20) - Date.UTC(2020, 10, 20)

describe('P-143: conditions on a copy source are 412 in every case', () => {
  test.each<[Record<string, string>, string | undefined]>([
    [{ 'x-amz-copy-source-if-match': '"e1"' }, undefined],
    [{ 'x-amz-copy-source-if-match': '"e0"' }, 'x-amz-copy-source-If-Match'],
    [{ 'x-amz-copy-source-if-none-match': 'e1' }, 'x-amz-copy-source-If-None-Match'],
    [{ 'x-amz-copy-source-if-unmodified-since': BEFORE }, 'x-amz-copy-source-If-Unmodified-Since'],
    [{ 'x-amz-copy-source-if-match': 'e1', 'x-amz-copy-source-if-unmodified-since': BEFORE }, undefined],
    [
      { 'x-amz-copy-source-if-none-match': 'e1', 'x-amz-copy-source-if-modified-since': BEFORE },
      'x-amz-copy-source-If-None-Match',
    ],
    [{ 'if-match': '"e0"' }, undefined], // that one is for the target
  ])('%j', (headers, condition) => {
    const check = () => checkCopySource(headersOf(headers), stat)
    if (condition === undefined) expect(check).not.toThrow()
    else expect(check).toThrow(failed(condition))
  })
})

describe('writes (P-138, P-208)', () => {
  const write = (headers: Record<string, string>, current: ObjectStat | undefined) =>
    outcome(() => writePrecondition(headersOf(headers), 'k')?.(current))

  test('without a header a write is unconditional', () => {
    expect(writePrecondition(headersOf({ 'if-modified-since': SAME }), 'k')).toBeUndefined()
  })

  test.each<[Record<string, string>, ObjectStat | undefined, string]>([
    [{ 'if-none-match': '*' }, undefined, 'ok'],
    [{ 'if-none-match': '*' }, stat, 'PreconditionFailed'],
    [{ 'if-none-match': '"e1"' }, stat, 'PreconditionFailed'],
    [{ 'if-none-match': '"e0"' }, stat, 'ok'],
    [{ 'if-none-match': '"e0"' }, undefined, 'ok'],
    [{ 'if-match': '"e1"' }, stat, 'ok'],
    [{ 'if-match': '"e0"' }, stat, 'PreconditionFailed'],
    [{ 'if-match': '*' }, stat, 'ok'],
    [{ 'if-match': '"e1"' }, undefined, 'NoSuchKey'],
    [{ 'if-match': '*' }, undefined, 'NoSuchKey'],
  ])('%j', (headers, current, expected) => {
    expect(write(headers, current)).toBe(expected)
  })

  test('both headers are 501, at once', () => {
    expect(() => writePrecondition(headersOf({ 'if-match': 'a', 'if-none-match': '*' }), 'k')).toThrow(
      expect.objectContaining({
        code: 'NotImplemented',
        detail: {
          Header: 'If-Match,If-None-Match',
          additionalMessage: 'Multiple conditional request headers present in the request',
        },
      }),
    )
  })
})

describe('deletes (P-149, P-209)', () => {
  const remove = (headers: Record<string, string>, current: ObjectStat | undefined) =>
    outcome(() => deletePrecondition(headersOf(headers), 'k')?.(current))

  test.each<[Record<string, string>, ObjectStat | undefined, string]>([
    [{}, undefined, 'ok'],
    [{ 'if-match': '"e1"' }, stat, 'ok'],
    [{ 'if-match': '*' }, stat, 'ok'],
    [{ 'if-match': '"e0"' }, stat, 'PreconditionFailed'],
    [{ 'if-match': '"e1"' }, undefined, 'NoSuchKey'],
    [{ 'if-match': '*' }, undefined, 'NoSuchKey'],
    [{ 'x-amz-if-match-size': '3' }, stat, 'ok'],
    [{ 'x-amz-if-match-size': '4' }, stat, 'PreconditionFailed'],
    [{ 'x-amz-if-match-size': '3' }, undefined, 'ok'],
    [{ 'x-amz-if-match-last-modified-time': SAME }, stat, 'ok'],
    [{ 'x-amz-if-match-last-modified-time': '2026-11-20T12:00:00Z' }, stat, 'ok'],
    [{ 'x-amz-if-match-last-modified-time': AFTER }, stat, 'PreconditionFailed'],
    [{ 'if-match': '"e1"', 'x-amz-if-match-size': '4' }, stat, 'PreconditionFailed'],
  ])('%j', (headers, current, expected) => {
    expect(remove(headers, current)).toBe(expected)
  })

  test.each([{ 'x-amz-if-match-size': 'x' }, { 'x-amz-if-match-last-modified-time': 'yesterday' }])(
    '%j is InvalidArgument',
    (headers) => {
      expect(remove(headers, stat)).toBe('InvalidArgument')
    },
  )

  test('an entry of DeleteObjects says the same in elements', () => {
    expect(entryPrecondition({}, 'k')).toBeUndefined()
    expect(outcome(() => entryPrecondition({ ETag: '"e0"' }, 'k')?.(stat))).toBe('PreconditionFailed')
    expect(outcome(() => entryPrecondition({ ETag: 'e1', Size: 3, LastModifiedTime: SAME }, 'k')?.(stat))).toBe('ok')
  })

  test.each([
    [{ ETag: '*' }, 'If-Match'],
    [{ Size: 3 }, 'x-amz-if-match-size'],
    [{ LastModifiedTime: SAME }, 'x-amz-if-match-last-modified-time'],
  ])('%j fails behind a delete marker, which has nothing that could match (P-209)', (entry, Condition) => {
    expect(() => entryPrecondition(entry, 'k')?.(undefined, true)).toThrow(
      expect.objectContaining({ code: 'PreconditionFailed', detail: { Condition } }),
    )
  })
})
