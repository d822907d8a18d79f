import { expect, it } from 'vitest'
import { lockFrom, parseRetainUntil } from './object-lock-headers.ts'
import { headersOf } from './operations/testing/call-operation.ts'

const now = new Date('2026-11-20T12:00:00Z')
const MODE = 'x-amz-object-lock-mode'
const UNTIL = 'x-amz-object-lock-retain-until-date'
const HOLD = 'x-amz-object-lock-legal-hold'

const from = (headers: Readonly<Record<string, string>>) => lockFrom(headersOf(headers), now)

it('says nothing where the headers say nothing', () => {
  expect(from({})).toEqual({})
})

it('reads mode, date and hold', () => {
  expect(from({ [MODE]: 'GOVERNANCE', [UNTIL]: '2030-01-01T00:00:00Z', [HOLD]: 'OFF' })).toEqual({
    retention: { mode: 'GOVERNANCE', until: '2030-01-01T00:00:00.000Z' },
    legalHold: false,
  })
  expect(from({ [HOLD]: 'ON' })).toEqual({ legalHold: true })
})

it.each([
  ['a mode without date', { [MODE]: 'GOVERNANCE' }],
  ['a date without mode', { [UNTIL]: '2030-01-01T00:00:00Z' }],
  ['an empty mode', { [MODE]: '', [UNTIL]: '2030-01-01T00:00:00Z' }],
  ['an unknown mode', { [MODE]: 'governance', [UNTIL]: '2030-01-01T00:00:00Z' }],
  ['a date that is over', { [MODE]: 'COMPLIANCE', [UNTIL]: '2026-11-20T12:00:00Z' }],
  ['a day without time', { [MODE]: 'COMPLIANCE', [UNTIL]: '2030-01-01' }],
  ['a date of HTTP', { [MODE]: 'COMPLIANCE', [UNTIL]: 'Tue, 01 Jan 2030 00:00:00 GMT' }],
  ['an hour that no day has', { [MODE]: 'COMPLIANCE', [UNTIL]: '2030-01-01T25:00:00Z' }],
  ['a hold in lower case', { [HOLD]: 'on' }],
  ['an empty hold', { [HOLD]: '' }],
])('%s is InvalidArgument (P-195)', (_, headers: Readonly<Record<string, string>>) => {
  expect(() => from(headers)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

it.each([
  ['2030-01-01T00:00:00.123456Z', '2030-01-01T00:00:00.123Z'],
  ['2030-01-01T02:00:00+02:00', '2030-01-01T00:00:00.000Z'],
])('%s is %s', (text, date) => {
  expect(parseRetainUntil(text)?.toISOString()).toBe(date)
})
