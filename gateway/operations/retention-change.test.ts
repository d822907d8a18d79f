import { expect, it } from 'vitest'
import type { Retention } from '#namespace'
import { checkRetentionChange } from './retention-change.ts'

const now = new Date('2026-11-20T12:00:00Z')
const retention = (mode: Retention['mode'], year: number): Retention => ({ mode, until: `${year}-01-01T00:00:00.000Z` })
const soft = (year: number): Retention => retention('GOVERNANCE', year)
const hard = (year: number): Retention => retention('COMPLIANCE', year)

const isAllowed = (current: Retention | undefined, next: Retention | undefined, bypass: boolean): boolean => {
  try {
    checkRetentionChange(current, next, { bypass, now })
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'AccessDenied' })
    return false
  }
}

it.each([
  ['none becomes one', undefined, soft(2030), true, true],
  ['governance is extended', soft(2030), soft(2031), true, true],
  ['governance stays as it is', soft(2030), soft(2030), true, true],
  ['governance is shortened', soft(2030), soft(2029), false, true],
  ['governance is taken away', soft(2030), undefined, false, true],
  ['governance becomes compliance', soft(2030), hard(2030), false, true],
  ['compliance is extended', hard(2030), hard(2031), true, true],
  ['compliance is shortened', hard(2030), hard(2029), false, false],
  ['compliance is taken away', hard(2030), undefined, false, false],
  ['compliance becomes a longer governance', hard(2030), soft(2031), false, false],
  ['compliance that is over is taken away', hard(2026), undefined, true, true],
  ['governance that is over is shortened', soft(2026), hard(2027), true, true],
])('%s (P-196)', (_, current, next, without, withBypass) => {
  expect(isAllowed(current, next, false)).toBe(without)
  expect(isAllowed(current, next, true)).toBe(withBypass)
})
