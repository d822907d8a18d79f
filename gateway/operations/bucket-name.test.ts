import { describe, expect, it } from 'vitest'
import { checkBucketName } from './bucket-name.ts'

describe('a bucket may be named (P-179)', () => {
  it.each(['abc', 'a.b', 'a-b', '1.2.3.4.5', '0abc', 'a'.repeat(63), '192.168.5.4a'])('%s', (name) => {
    expect(() => checkBucketName(name)).not.toThrow()
  })
})

describe('a bucket may not be named (P-179)', () => {
  it.each([
    'ab',
    'a'.repeat(64),
    'foo_bar',
    'foo-',
    'foo..bar',
    'foo.-bar',
    'foo-.bar',
    '.foo',
    'Foo',
    '192.168.5.123',
    'xn--foo',
    'foo-s3alias',
    'sthree-foo',
    'foo--ol-s3',
    'foo\nbar',
    'foo\n',
  ])('%s', (name) => {
    expect(() => checkBucketName(name)).toThrow(expect.objectContaining({ code: 'InvalidBucketName' }))
  })
})
