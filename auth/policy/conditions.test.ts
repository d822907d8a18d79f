import { describe, expect, it } from 'vitest'
import { parseCondition } from './conditions.ts'

/** What a policy has, what the request has, whether it holds. */
type Case = readonly [
  operator: string,
  given: string | readonly string[],
  asked: string | readonly string[],
  holds: boolean,
]

function holds(operator: string, given: string | readonly string[], asked: readonly string[] | undefined): boolean {
  const values = typeof given === 'string' ? [given] : given
  return parseCondition(operator, 'aws:Test', values, true).holds((key) => (key === 'aws:test' ? asked : undefined))
}

const one: readonly Case[] = [
  ['StringEquals', 'a', 'a', true],
  ['StringEquals', 'a', 'A', false],
  ['StringEquals', '*', 'a', false],
  ['StringEquals', '*', '*', true],
  ['StringEquals', ['a', 'b'], 'b', true],
  ['StringNotEquals', ['a', 'b'], 'b', false],
  ['StringNotEquals', ['a', 'b'], 'c', true],
  ['StringEqualsIgnoreCase', 'aÉ', 'Aé', true],
  ['StringEqualsIgnoreCase', 'a*', 'AB', false],
  ['StringNotEquals', 'a*', 'ab', true],
  ['StringNotEqualsIgnoreCase', 'a', 'A', false],
  ['StringNotEqualsIgnoreCase', 'a*', 'AB', true],
  ['StringLike', 'a*c?', 'abbbcd', true],
  ['StringLike', 'a*c?', 'abbbc', false],
  ['StringLike', '', '', true],
  ['StringNotLike', 'a*', 'abc', false],
  ['StringNotLike', 'a*', 'b', true],
  ['NumericEquals', '10', '10.0', true],
  ['NumericEquals', '10', 'ten', false],
  ['NumericNotEquals', '10', '11', true],
  ['NumericNotEquals', '10', '010', false],
  ['NumericLessThan', '10', '9', true],
  ['NumericLessThan', '10', '10', false],
  ['NumericLessThanEquals', '10', '10', true],
  ['NumericGreaterThan', '-1', '0', true],
  ['NumericGreaterThan', '9', '10', true],
  ['NumericGreaterThanEquals', '10', '9.9', false],
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', true],
  ['DateEquals', '1767225600', '2026-01-01T00:00:00Z', true],
  ['DateNotEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', true],
  ['DateLessThan', '2026-01-01', '2025-12-31T23:59:59Z', true],
  ['DateLessThan', '2026', '2026-01-01T00:00:00Z', false],
  ['DateLessThanEquals', '2026-01-01', '2026-01-01T00:00:00Z', true],
  ['DateGreaterThan', '2026-01-01', '1767225601', true],
  ['DateGreaterThan', '2026-01-01', 'tomorrow', false],
  ['DateGreaterThanEquals', '2026-01-01', '1767225600', true],
  ['Bool', 'true', 'true', true],
  ['Bool', 'True', 'true', true],
  ['Bool', 'false', 'true', false],
  ['Bool', 'false', 'no', false],
  ['BinaryEquals', 'QmluYXJ5', 'QmluYXJ5', true],
  ['BinaryEquals', 'QmluYXJ5', 'QmluYXJ6', false],
  ['IpAddress', '203.0.113.0/24', '203.0.113.255', true],
  ['IpAddress', '203.0.113.0/24', '203.0.114.0', false],
  ['IpAddress', '203.0.113.7', '203.0.113.7', true],
  ['IpAddress', '203.0.113.7/24', '203.0.113.9', true],
  ['IpAddress', '203.0.113.0/24', '::ffff:203.0.113.9', true],
  ['IpAddress', '0.0.0.0/0', '2001:db8::1', false],
  ['IpAddress', '2001:db8::/32', '2001:db8:ffff::1', true],
  ['IpAddress', ['10.0.0.0/8', '2001:db8::/32'], '2001:db9::1', false],
  ['IpAddress', '10.0.0.0/8', 'unknown', false],
  ['NotIpAddress', '10.0.0.0/8', '10.1.2.3', false],
  ['NotIpAddress', '10.0.0.0/8', '11.1.2.3', true],
  ['ArnEquals', 'arn:aws:s3:::photos', 'arn:aws:s3:::photos', true],
  ['ArnLike', 'arn:aws:s3:::pho*', 'arn:aws:s3:::photos/a:b', true],
  ['ArnLike', 'arn:aws:s3:*:123456789012:*', 'arn:aws:s3:eu-west-1:123456789012:accesspoint/a', true],
  ['ArnLike', 'arn:aws:s3:*:123456789012:a', 'arn:aws:s3:x:y:123456789012:a', false],
  ['ArnEquals', '*', 'arn:aws:s3:::photos', true],
  ['ArnEquals', '*', 'photos', false],
  ['ArnLike', 'arn:aws:s3:::photos', 'photos', false],
  ['ArnNotEquals', 'arn:aws:s3:::photos', 'arn:aws:s3:::videos', true],
  ['ArnNotLike', 'arn:aws:s3:::*', 'arn:aws:s3:::videos', false],
  ['StringEqualsIfExists', 'a', 'b', false],
  ['ForAllValues:StringEquals', ['a', 'b'], ['b', 'a'], true],
  ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'c'], false],
  ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'd'], true],
  ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'a'], false],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'a'], true],
  ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'd'], false],
  ['ForAnyValue:StringNotEquals', ['a', 'b'], ['c', 'a'], true],
  ['ForAnyValue:StringNotEquals', ['a', 'b'], ['b', 'a'], false],
  ['StringNotEquals', 'a', ['b', 'a'], false],
  ['Null', 'true', 'there', false],
  ['Null', 'false', 'there', true],
]

it.each(one)('%s %j holds for %j: %s', (operator, given, asked, expected) => {
  expect(holds(operator, given, typeof asked === 'string' ? [asked] : asked)).toBe(expected)
})

describe('without the key', () => {
  it.each([
    ['StringEquals', 'a', false],
    ['StringLike', '*', false],
    ['StringNotEquals', 'a', true],
    ['StringNotLike', 'a', true],
    ['NumericLessThan', '1', false],
    ['NumericNotEquals', '1', true],
    ['Bool', 'false', false],
    ['NotIpAddress', '10.0.0.0/8', true],
    ['ArnNotLike', 'arn:aws:s3:::a', true],
    ['StringEqualsIfExists', 'a', true],
    ['BoolIfExists', 'true', true],
    ['ForAllValues:StringEquals', 'a', true],
    ['ForAllValues:StringNotEquals', 'a', true],
    ['ForAnyValue:StringEquals', 'a', false],
    ['ForAnyValue:StringNotEquals', 'a', false],
    ['ForAnyValue:StringEqualsIfExists', 'a', true],
    ['Null', 'true', true],
    ['Null', 'false', false],
  ])('%s %j: %s', (operator, given, expected) => {
    expect(holds(operator, given, undefined)).toBe(expected)
    expect(holds(operator, given, [])).toBe(expected)
  })
})

describe('values that are none are refused', () => {
  it.each([
    ['NumericEquals', 'ten'],
    ['NumericEquals', ''],
    ['DateEquals', 'tomorrow'],
    ['DateEquals', '2026-13-01'],
    ['Bool', 'yes'],
    ['Null', 'maybe'],
    ['BinaryEquals', '%'],
    ['IpAddress', '10.0.0.0/33'],
    ['IpAddress', '10.0.0.0/8/8'],
    ['IpAddress', '10.0.0/8'],
    ['IpAddress', '2001:db8::/129'],
    ['IpAddress', 'fe80::1%eth0'],
    ['ArnLike', 'arn:aws:s3:*:photos'],
    ['ArnEquals', 'photos'],
  ])('%s %j', (operator, given) => {
    expect(() => holds(operator, given, ['x'])).toThrow('Invalid value in Condition')
  })

  it.each([
    'stringEquals',
    'NullIfExists',
    'ForAnyValue:Null',
    'ForSomeValues:StringEquals',
    'IfExists',
    '',
    'toString',
  ])('an operator %j', (operator) => {
    expect(() => holds(operator, 'true', ['x'])).toThrow('Invalid Condition type')
  })
})
