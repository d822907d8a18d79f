import { expect, test } from 'vitest'
import type { AccessKey } from '#auth'
import { keyLine, keysLine, whyKeyFails } from './key-lines.ts'

const now = new Date('2026-11-28T12:00:00Z')
const key: AccessKey = { accessKeyId: 'CWA', user: 'alice', created: new Date(0), disabled: false }
const ending = { ...key, accessKeyId: 'CWB', expires: new Date('2026-12-01T00:00:00Z') }
const ended = { ...key, accessKeyId: 'CWC', expires: now }
const disabled = { ...key, accessKeyId: 'CWD', disabled: true }

test('the keys of a user that work are listed, with the end of those that have one', () => {
  expect(keysLine([key, ending, ended, disabled], now)).toBe('access keys: CWA, CWB (ends 2026-12-01T00:00:00.000Z)')
  expect(keysLine([ended, disabled], now)).toBe('access keys: none that works')
})

test('of one key it is said whether it works, and if not, why', () => {
  expect(keyLine(key, now)).toBe('access key: CWA, enabled')
  expect(keyLine(ending, now)).toBe('access key: CWB, enabled (ends 2026-12-01T00:00:00.000Z)')
  expect(keyLine(ended, now)).toBe('access key: CWC, over since 2026-11-28T12:00:00.000Z')
  expect(keyLine(disabled, now)).toBe('access key: CWD, disabled')
  expect([key, ending, ended, disabled].map((each) => whyKeyFails(each, now) === undefined)).toEqual([
    true,
    true,
    false,
    false,
  ])
})
