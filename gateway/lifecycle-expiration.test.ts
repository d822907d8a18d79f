import { expect, it } from 'vitest'
import type { LifecycleRule, ObjectStat } from '#namespace'
import { lifecycleExpiration } from './lifecycle-expiration.ts'

const stat: ObjectStat = {
  ...{ bucket: 'b', key: 'k', sizeBytes: 5, eTag: 'e', versionId: undefined, checksum: undefined, parts: undefined },
  ...{ headers: {}, metadata: {}, owner: { canonicalId: 'a', displayName: 'A' }, foreign: false },
  lastModified: new Date('2026-11-20T12:00:00Z'),
}
const rule = (more: Partial<LifecycleRule>): LifecycleRule => ({
  id: 'r',
  enabled: true,
  prefix: '',
  expiration: { days: 1 },
  ...more,
})
const ask = (...rules: readonly LifecycleRule[]) => lifecycleExpiration({ rules }, stat)

it('rounds up to the next midnight, as AWS does', () => {
  expect(ask(rule({}))).toBe('expiry-date="Sun, 22 Nov 2026 00:00:00 GMT", rule-id="r"')
})

it('names the rule that comes first', () => {
  const rules = [
    rule({ id: 'late', expiration: { days: 9 } }),
    rule({ id: 'dated', expiration: { date: '2026-11-21T00:00:00.000Z' } }),
  ]
  expect(ask(...rules)).toContain('rule-id="dated"')
})

it.each([
  ['a rule that is off', rule({ enabled: false })],
  ['another prefix', rule({ prefix: 'x' })],
  ['a tag that it has not', rule({ filter: { tags: [{ key: 'a', value: 'b' }] } })],
  ['a size above its own', rule({ filter: { sizeGreaterThanBytes: 5 } })],
  ['a rule for uploads', rule({ expiration: undefined, abortUploadDays: 1 })],
])('says nothing for %s', (_, each) => {
  expect(ask(each)).toBeUndefined()
})

it('says nothing without rules', () => {
  expect(lifecycleExpiration(undefined, stat)).toBeUndefined()
})
