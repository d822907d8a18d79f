import { expect, it } from 'vitest'
import { mayTryPassword } from './password-trials.ts'

const NOW_MS = Date.parse('2026-01-01T00:00:00Z')
const WINDOW_MS = 1_800_000

const tries = (threshold: number) => {
  let wrong = 0
  const policy = { threshold, windowMs: WINDOW_MS }
  while (wrong < 100 && mayTryPassword({ wrong, lastWrongMs: NOW_MS, locked: false }, policy, NOW_MS)) wrong++
  return wrong
}

it.each([
  [0, 100],
  [1, 0],
  [2, 1],
  [3, 1],
  [4, 2],
  [5, 3],
  [10, 8],
])('with a threshold of %i, %i wrong passwords can be tried', (threshold, expected) => {
  expect(tries(threshold)).toBe(expected)
})

it('the count is over with its window, though the attribute stays', () => {
  const policy = { threshold: 5, windowMs: WINDOW_MS }
  const count = { wrong: 4, locked: false }
  expect(mayTryPassword({ ...count, lastWrongMs: NOW_MS - WINDOW_MS + 1 }, policy, NOW_MS)).toBe(false)
  expect(mayTryPassword({ ...count, lastWrongMs: NOW_MS - WINDOW_MS }, policy, NOW_MS)).toBe(true)
})

it('at a locked account nothing is tried', () => {
  const policy = { threshold: 0, windowMs: WINDOW_MS }
  expect(mayTryPassword({ wrong: 0, lastWrongMs: undefined, locked: true }, policy, NOW_MS)).toBe(false)
})
