import { expect, it } from 'vitest'
import { checkExpectedBucketOwner } from './expected-bucket-owner.ts'
import { alice, bob, headersOf } from './testing/call-operation.ts'

const check = (expected: string, header?: 'x-amz-source-expected-bucket-owner') =>
  checkExpectedBucketOwner(headersOf({ [header ?? 'x-amz-expected-bucket-owner']: expected }), alice, header)

it('lets the owner’s id pass, and requests that expect nobody', () => {
  expect(() => check(alice.canonicalId)).not.toThrow()
  expect(() => checkExpectedBucketOwner(headersOf({}), alice)).not.toThrow()
})

it.each([bob.canonicalId, `${alice.canonicalId}foo`, '', '123456789012'])('refuses %j (P-048)', (expected) => {
  expect(() => check(expected)).toThrow(expect.objectContaining({ code: 'AccessDenied' }))
})

it('looks at the source’s header when asked', () => {
  expect(() => check(bob.canonicalId, 'x-amz-source-expected-bucket-owner')).toThrow(
    expect.objectContaining({ code: 'AccessDenied' }),
  )
})
