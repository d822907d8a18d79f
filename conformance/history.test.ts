import { expect, test } from 'vitest'
import { ABSENT, type Read, violations, type Write } from './history.ts'

const write = (id: string, startMs: number, endMs: number, basedOn?: string): Write => ({
  key: 'k',
  id,
  startMs,
  endMs,
  ...(basedOn === undefined ? {} : { basedOn }),
})
const read = (saw: string, startMs: number, endMs: number): Read => ({ key: 'k', saw, startMs, endMs })

test.each<[string, Write[], Read[]]>([
  [
    'a read while a write is under way sees the old or the new',
    [write('a', 1, 2), write('b', 3, 9)],
    [read('a', 4, 5), read('b', 6, 7)],
  ],
  ['nothing is there before the first write', [write('a', 5, 6)], [read(ABSENT, 1, 2)]],
  [
    'a write nobody answered may show at any later time',
    [write('a', 1, Infinity), write('b', 2, 3)],
    [read('b', 4, 5), read('a', 9, 10)],
  ],
  ['of two writes at once either may be the last', [write('a', 1, 5), write('b', 2, 4)], [read('a', 6, 7)]],
  ['each replaces the one before', [write('a', 1, 2, ABSENT), write('b', 3, 4, 'a'), write('c', 5, 6, 'b')], []],
  [
    'a key may be made anew after a DELETE',
    [write('a', 1, 2, ABSENT), write(ABSENT, 3, 4), write('b', 5, 6, ABSENT)],
    [],
  ],
])('%s', (_name, writes, reads) => {
  expect(violations(writes, reads)).toEqual([])
})

test.each<[string, Write[], Read[], RegExp]>([
  ['bytes that nobody wrote', [], [read('a', 1, 2)], /nobody had written/],
  ['bytes written later', [write('a', 5, 6)], [read('a', 1, 2)], /nobody had written/],
  ['an acknowledged write that is lost', [write('a', 1, 2), write('b', 3, 4)], [read('a', 5, 6)], /later write/],
  ['an acknowledged first write that is lost', [write('a', 1, 2)], [read(ABSENT, 3, 4)], /later write/],
  [
    'an object that comes back after its DELETE',
    [write('a', 1, 2), write(ABSENT, 3, 4)],
    [read('a', 5, 6)],
    /later write/,
  ],
  ['new, then old', [write('a', 1, 2), write('b', 3, 99)], [read('b', 5, 6), read('a', 7, 8)], /something newer/],
  ['two that replaced the same', [write('a', 1, 2), write('b', 3, 9, 'a'), write('c', 3, 9, 'a')], [], /2 writers/],
  ['one that replaced what was gone', [write('a', 1, 2), write('b', 3, 4), write('c', 5, 6, 'a')], [], /later write/],
  ['two that created the same', [write('a', 1, 2, ABSENT), write('b', 3, 4, ABSENT)], [], /later write/],
])('tells of %s', (_name, writes, reads, sentence) => {
  expect(violations(writes, reads).join()).toMatch(sentence)
})
