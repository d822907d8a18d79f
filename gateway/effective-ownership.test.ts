import { expect, it } from 'vitest'
import { ownershipOf } from './effective-ownership.ts'

it('is what the bucket says, and that of the writer where it says nothing', () => {
  expect(ownershipOf({ rule: 'BucketOwnerEnforced' })).toBe('BucketOwnerEnforced')
  expect(ownershipOf({ rule: 'BucketOwnerPreferred' })).toBe('BucketOwnerPreferred')
  expect(ownershipOf(undefined)).toBe('ObjectWriter')
})
