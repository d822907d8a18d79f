import { expect, it } from 'vitest'
import { allBlocked, publicAccessOf } from './effective-public-access.ts'

const bucket = { ...allBlocked, restrictPublicBuckets: false }

it('is the bucket’s own, nothing where it has none, and everything where the account blocks', () => {
  expect(publicAccessOf(bucket, { accountPublicAccessBlock: false })).toEqual(bucket)
  expect(Object.values(publicAccessOf(undefined, { accountPublicAccessBlock: false }))).not.toContain(true)
  expect(publicAccessOf(bucket, { accountPublicAccessBlock: true })).toEqual(allBlocked)
  expect(publicAccessOf(undefined, { accountPublicAccessBlock: true })).toEqual(allBlocked)
})
