import { expect, it } from 'vitest'
import { parseIsoBasic, parseRequestDate } from './timestamp.ts'

it.each([
  ['20130524T000000Z', Date.UTC(2013, 4, 24)],
  ['20240229T235959Z', Date.UTC(2024, 1, 29, 23, 59, 59)],
  ['Fri, 24 May 2013 00:00:00 GMT', Date.UTC(2013, 4, 24)],
  ['Fri, 24 May 2013 00:00:00 +0000', Date.UTC(2013, 4, 24)],
])('%s is a date', (text, epochMs) => {
  expect(parseRequestDate(text)?.epochMs).toBe(epochMs)
})

it.each([
  '',
  'Bad Date',
  '20130231T000000Z',
  '20130431T000000Z',
  '20230229T000000Z',
  '20130500T000000Z',
  '20130532T000000Z',
  '20131301T000000Z',
  '20130024T000000Z',
  '20130524T240000Z',
  '20130531T240000Z',
  '20130524T236000Z',
  '20130524T235960Z',
  '00990101T000000Z',
  '2013-05-24T00:00:00Z',
  '20130524',
  '19500707T215304Z',
  'Tue, 07 Jul 1950 21:53:04 GMT',
  'Fri, 99 May 2013 00:00:00 GMT',
])('%s is not', (text) => {
  expect(parseRequestDate(text)).toBeUndefined()
})

it('an HTTP date stands in the string to sign as ISO 8601, and not in X-Amz-Date of a URL', () => {
  expect(parseRequestDate('Fri, 24 May 2013 00:00:00 GMT')?.iso).toBe('20130524T000000Z')
  expect(parseIsoBasic('Fri, 24 May 2013 00:00:00 GMT')).toBeUndefined()
})
