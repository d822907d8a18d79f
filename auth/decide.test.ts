import { describe, expect, it } from 'vitest'
import { s3Actions } from './actions.ts'
import { decide } from './decide.ts'
import { parseIdentityPolicy } from './policy/parse-identity-policy.ts'
import { alice } from './testing/signers.ts'

const bob = { ...alice, canonicalId: 'b'.repeat(64), userName: 'bob' }
const object = { bucket: 'photos', key: 'cat.jpg' }

describe('the decision', () => {
  it.each(s3Actions)('%s: an owner may on their bucket, others and anonymous callers may not', (action) => {
    const question = { action, resource: object, bucketOwnerId: alice.canonicalId }
    const service = action === 's3:ListAllMyBuckets' || action === 's3:CreateBucket'
    expect(decide({ ...question, identity: alice }).allow).toBe(true)
    expect(decide({ ...question, identity: bob }).allow).toBe(service)
    expect(decide({ ...question, identity: undefined }).allow).toBe(false)
  })

  it('any authenticated user may list their buckets and create one, nobody anything else of the service', () => {
    const resource = {}
    expect(decide({ identity: bob, action: 's3:ListAllMyBuckets', resource }).allow).toBe(true)
    expect(decide({ identity: bob, action: 's3:CreateBucket', resource: { bucket: 'new' } }).allow).toBe(true)
    expect(decide({ identity: bob, action: 's3:GetObject', resource }).allow).toBe(false)
    expect(decide({ identity: undefined, action: 's3:ListAllMyBuckets', resource }).allow).toBe(false)
  })

  it('a session policy speaks of the service as of all buckets, and of a bucket to come by its name', () => {
    const within = (Action: string, Resource: string) => {
      const Statement = { Effect: 'Allow', Action, Resource }
      const sessionPolicy = parseIdentityPolicy(JSON.stringify({ Version: '2012-10-17', Statement }))
      return { ...bob, sessionPolicy }
    }
    const lists = (resource: string) =>
      decide({ identity: within('s3:ListAllMyBuckets', resource), action: 's3:ListAllMyBuckets', resource: {} }).allow
    expect([lists('*'), lists('arn:aws:s3:::*'), lists('arn:aws:s3:::photos')]).toEqual([true, true, false])
    const creates = (bucket: string) =>
      decide({
        identity: within('s3:CreateBucket', 'arn:aws:s3:::bob-*'),
        action: 's3:CreateBucket',
        resource: { bucket },
      }).allow
    expect([creates('bob-1'), creates('alice-1')]).toEqual([true, false])
  })

  it('a bucket without a known owner is nobody’s', () => {
    expect(decide({ identity: alice, action: 's3:GetObject', resource: object }).allow).toBe(false)
  })

  it('always carries its reason', () => {
    const question = { identity: bob, action: 's3:GetObject', resource: object, bucketOwnerId: alice.canonicalId }
    expect(decide(question).reason).toBe('bob does not own the bucket and nothing else allows s3:GetObject')
  })
})
