import { expect, it } from 'vitest'
import { cannedAcl } from './canned-acl.ts'
import { isPublicAcl } from './grant.ts'

const alice = { canonicalId: 'a'.repeat(64), displayName: 'Alice' }
const bob = { canonicalId: 'b'.repeat(64), displayName: 'Bob' }

function written(name: string, owners: Parameters<typeof cannedAcl>[1]): readonly string[] | undefined {
  return cannedAcl(name, owners)?.map(({ grantee, permission }) => {
    const to = grantee.kind === 'user' ? grantee.displayName : grantee.uri.split('/').at(-1)
    return `${to} ${permission}`
  })
}

it.each([
  ['private', ['Bob FULL_CONTROL']],
  ['public-read', ['Bob FULL_CONTROL', 'AllUsers READ']],
  ['public-read-write', ['Bob FULL_CONTROL', 'AllUsers READ', 'AllUsers WRITE']],
  ['authenticated-read', ['Bob FULL_CONTROL', 'AuthenticatedUsers READ']],
])('%s is the same on a bucket and on an object', (name, grants) => {
  expect(written(name, { owner: bob })).toEqual(grants)
  expect(written(name, { owner: bob, bucketOwner: alice })).toEqual(grants)
})

it.each([
  ['log-delivery-write', ['Bob FULL_CONTROL', 'LogDelivery WRITE', 'LogDelivery READ_ACP']],
  ['bucket-owner-read', undefined],
  ['bucket-owner-full-control', undefined],
  ['aws-exec-read', undefined],
  ['constructor', undefined],
  ['', undefined],
])('%s on a bucket', (name, grants) => {
  expect(written(name, { owner: bob })).toEqual(grants)
})

it.each([
  ['log-delivery-write', undefined],
  ['bucket-owner-read', ['Bob FULL_CONTROL', 'Alice READ']],
  ['bucket-owner-full-control', ['Bob FULL_CONTROL', 'Alice FULL_CONTROL']],
  ['aws-exec-read', ['Bob FULL_CONTROL']],
  ['Private', undefined],
])('%s on an object', (name, grants) => {
  expect(written(name, { owner: bob, bucketOwner: alice })).toEqual(grants)
})

it('what the bucket’s owner gets beside FULL_CONTROL of their own object is nothing', () => {
  expect(written('bucket-owner-read', { owner: alice, bucketOwner: alice })).toEqual(['Alice FULL_CONTROL'])
})

it('authenticated-read is public despite its name', () => {
  expect(isPublicAcl(cannedAcl('authenticated-read', { owner: alice }) ?? [])).toBe(true)
})
