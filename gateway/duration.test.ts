import { expect, it } from 'vitest'
import { durationMs } from './duration.ts'

it.each([
  ['2s', 2000],
  ['10m', 600_000],
  ['3h', 10_800_000],
  ['1d', 86_400_000],
])('%s is %i ms', (text, ms) => expect(durationMs(text)).toBe(ms))

it.each(['', '0s', '5', '1w', '-1d', '1.5h'])('"%s" is no duration', (text) => {
  expect(() => durationMs(text)).toThrow('no time')
})
