import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkLinearizable, type Model, type Timed } from './linearizable.ts'

/** A register of small numbers: the same questions as a key's, without what S3 adds. */
type Operation = Timed &
  (
    | { readonly kind: 'read'; readonly saw: number }
    | { readonly kind: 'write'; readonly value: number }
    | { readonly kind: 'swap'; readonly from: number; readonly value: number }
    | { readonly kind: 'add'; readonly value: number }
  )

const steps = {
  read: (state: number, operation: Operation) =>
    operation.kind === 'read' && operation.saw === state ? state : undefined,
  write: (_: number, operation: Operation) => (operation.kind === 'write' ? operation.value : undefined),
  swap: (state: number, operation: Operation) =>
    operation.kind === 'swap' && operation.from === state ? operation.value : undefined,
  add: (state: number, operation: Operation) => (operation.kind === 'add' ? state + operation.value : undefined),
}

const register: Model<number, Operation> = {
  initial: 0,
  step: (state, operation) => steps[operation.kind](state, operation),
  isRead: ({ kind }) => kind === 'read',
  isBlind: ({ kind }) => kind === 'write',
  keyOf: String,
}

const never = Number.POSITIVE_INFINITY
const read = (saw: number, start: number, end: number): Operation => ({ kind: 'read', saw, start, end })
const write = (value: number, start: number, end: number): Operation => ({ kind: 'write', value, start, end })
const swap = (from: number, value: number, start: number, end: number): Operation => ({
  kind: 'swap',
  from,
  value,
  start,
  end,
})
const add = (value: number, start: number, end: number): Operation => ({ kind: 'add', value, start, end })
const kindOf = (operations: readonly Operation[]) => checkLinearizable(register, operations).kind

describe('histories that some order explains', () => {
  test.each<[string, Operation[]]>([
    ['nothing at all', []],
    ['a read while a write is under way sees the old or the new', [write(1, 1, 9), read(0, 2, 3), read(1, 4, 5)]],
    ['of two writes at once either may be the last', [write(1, 1, 9), write(2, 1, 9), read(1, 10, 11)]],
    [
      'an unanswered write may show at any later time',
      [write(1, 1, never), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7)],
    ],
    ['an unanswered write may never show', [write(1, 1, never), read(0, 4, 5), write(2, 6, 7), read(2, 8, 9)]],
    [
      'two unanswered ones may build on each other',
      [write(5, 1, never), add(2, 2, never), read(0, 3, 4), read(7, 5, 6)],
    ],
    ['an unanswered one may be what a swap found', [write(5, 1, never), swap(5, 6, 2, 3), read(6, 4, 5)]],
    [
      'an unanswered addition may come before one whose result it changes',
      [add(1, 1, never), add(2, 2, 3), read(3, 4, 5)],
    ],
    [
      'the order need not be that of the starts',
      [write(1, 1, 20), write(2, 2, 4), swap(2, 3, 5, 7), read(3, 8, 9), read(1, 21, 22)],
    ],
  ])('%s', (_name, operations) => {
    expect(kindOf(operations)).toBe('linearizable')
  })
})

describe('histories that none explains', () => {
  test.each<[string, Operation[]]>([
    ['a read of what nobody wrote', [read(7, 1, 2)]],
    ['a read of what is written later', [read(1, 1, 2), write(1, 3, 4)]],
    ['an acknowledged write that is lost', [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)]],
    ['new, then old', [write(1, 1, 99), read(1, 2, 3), read(0, 4, 5)]],
    ['two swaps of the same value', [write(1, 1, 2), swap(1, 2, 3, 9), swap(1, 3, 3, 9)]],
    ['an unanswered write that shows before it was sent', [read(1, 1, 2), write(1, 3, never)]],
    [
      'an unanswered write that happens twice',
      [write(1, 1, never), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7), read(1, 8, 9)],
    ],
    ['two readers who disagree about the order', [write(1, 1, 9), write(2, 1, 9), read(1, 10, 11), read(2, 12, 13)]],
  ])('%s', (_name, operations) => {
    expect(kindOf(operations)).toBe('violation')
  })

  test('the verdict tells how far it could be explained, and what does not fit', () => {
    const lost = read(1, 5, 6)
    const verdict = checkLinearizable(register, [write(1, 1, 2), write(2, 3, 4), lost])
    expect(verdict).toMatchObject({ kind: 'violation', state: 2, stuck: [lost] })
  })
})

test('twenty unanswered ones that replace each other are twenty states, not a million', () => {
  // As changes of metadata: each is noticed, and none needs another one before it.
  const noticing = { ...register, isBlind: () => false }
  const unanswered = Array.from({ length: 20 }, (_, value) => write(value + 10, 1, never))
  const seen = [read(12, 4, 5), read(29, 6, 7), read(17, 8, 9)]
  const check = (more: readonly Operation[]) =>
    checkLinearizable(noticing, [...unanswered, write(1, 2, 3), ...seen, ...more], { configurationsMax: 2000 }).kind
  expect(check([])).toBe('linearizable')
  expect(check([read(17, 10, 11), read(12, 12, 13)])).toBe('violation')
})

/** Every order of every choice of unanswered operations. */
function bruteForce(operations: readonly Operation[]): boolean {
  const extend = (state: number, left: readonly Operation[]): boolean => {
    if (left.every(({ end }) => end === never)) return true
    return left.some((operation) => {
      const rest = left.filter((other) => other !== operation)
      if (rest.some(({ end }) => end < operation.start)) return false
      const after = register.step(state, operation)
      return after !== undefined && extend(after, rest)
    })
  }
  return extend(0, operations)
}

const small = fc.integer({ min: 0, max: 3 })
const operation: fc.Arbitrary<Operation> = fc
  .tuple(
    fc.constantFrom('read', 'read', 'write', 'swap', 'add'),
    small,
    small,
    fc.nat(12),
    fc.integer({ min: -4, max: 6 }),
  )
  .map(([kind, one, other, start, length]) => {
    const time = { start, end: length < 0 ? never : start + length }
    if (kind === 'read') return { kind, saw: one, ...time }
    if (kind === 'swap') return { kind, from: one, value: other, ...time }
    return kind === 'add' ? { kind, value: one, ...time } : { kind: 'write' as const, value: one, ...time }
  })

test('it says the same as trying every order, of random histories', () => {
  const seen = { linearizable: 0, violation: 0, undecided: 0 }
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 7 }), (operations) => {
      const kind = kindOf(operations)
      seen[kind]++
      expect(kind).toBe(bruteForce(operations) ? 'linearizable' : 'violation')
    }),
    { numRuns: 20_000 },
  )
  // Neither answer is rare, or the comparison would say little.
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(1000)
})

test('20,000 operations of 16 clients on one key are checked within seconds, a lost write among them is found', {
  timeout: 30_000,
}, () => {
  const operations: Operation[] = []
  let [state, next] = [0, 1]
  for (let at = 0; at < 20_000; at++) {
    const time = { start: at * 10 - ((at * 7919) % 80), end: at * 10 + ((at * 104_729) % 80) + 1 }
    if (at % 3 === 0) {
      state = next++
      operations.push({ kind: 'write', value: state, ...time })
    } else operations.push({ kind: 'read', saw: state, ...time })
    if (at % 500 === 0) operations.push({ kind: 'write', value: 1_000_000 + at, start: time.start, end: never })
  }
  expect(kindOf(operations)).toBe('linearizable')
  const stale = read(5, 150_000, 150_010)
  const verdict = checkLinearizable(register, [...operations, stale])
  expect(verdict).toMatchObject({ kind: 'violation' })
})
