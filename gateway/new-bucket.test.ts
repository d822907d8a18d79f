import { expect, it } from 'vitest'
import { allBlocked } from './effective-public-access.ts'
import { documentsOfNewBucket } from './new-bucket.ts'

it('a new bucket has what is configured', () => {
  expect(documentsOfNewBucket({ objectOwnership: 'BucketOwnerEnforced', publicAccessBlock: true })).toEqual({
    ownership: { rule: 'BucketOwnerEnforced' },
    'public-access': allBlocked,
  })
  expect(documentsOfNewBucket({ objectOwnership: 'none', publicAccessBlock: false })).toEqual({})
})

it('what a request says of it wins', () => {
  const config = { objectOwnership: 'BucketOwnerEnforced', publicAccessBlock: false } as const
  expect(documentsOfNewBucket(config, { ownership: 'ObjectWriter', grants: [] })).toEqual({
    ownership: { rule: 'ObjectWriter' },
    acl: { grants: [] },
  })
})
