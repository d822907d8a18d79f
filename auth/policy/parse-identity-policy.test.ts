import { describe, expect, it } from 'vitest'
import { noContext } from './context.ts'
import { evaluate } from './evaluate.ts'
import { parseIdentityPolicy } from './parse-identity-policy.ts'

const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::photos/*' }

function parse(changes: object = {}) {
  return parseIdentityPolicy(JSON.stringify({ Version: '2012-10-17', Statement: { ...statement, ...changes } }))
}

function says(policy: ReturnType<typeof parse>, action: string, resource: string) {
  return evaluate(policy, { identity: undefined, action, resource, context: noContext })?.effect
}

describe('a policy of who asks', () => {
  it('speaks of any bucket, and of nobody', () => {
    const policy = parse({
      Resource: ['arn:aws:s3:::photos/*', 'arn:aws:s3:::*-logs'],
      Action: ['s3:Get*', 's3:List*'],
    })
    expect(says(policy, 's3:GetObject', 'arn:aws:s3:::photos/a')).toBe('Allow')
    expect(says(policy, 's3:ListBucket', 'arn:aws:s3:::our-logs')).toBe('Allow')
    expect(says(policy, 's3:PutObject', 'arn:aws:s3:::photos/a')).toBeUndefined()
    expect(says(policy, 's3:GetObject', 'arn:aws:s3:::films/a')).toBeUndefined()
  })

  it.each(['Principal', 'NotPrincipal'])('with a %s is refused', (name) => {
    expect(() => parse({ [name]: '*' })).toThrow('should not specify a principal')
  })

  it('may speak of other services, which gives nothing here', () => {
    const topic = 'arn:aws:sns:us-east-1:123456789012:topic'
    const policy = parse({ Action: ['sns:Publish', 'ec2:Describe*'], Resource: topic })
    expect(says(policy, 's3:GetObject', 'arn:aws:s3:::photos/a')).toBeUndefined()
    expect(says(parse({ Action: '*', Resource: '*' }), 's3:GetObject', 'arn:aws:s3:::photos/a')).toBe('Allow')
  })

  it.each(['s3:DeletObject', 'S3:Nothing*', 'GetObject', 's3', ':x', '', 's3:'])('without an action: %s', (Action) => {
    expect(() => parse({ Effect: 'Deny', Action })).toThrow('Policy has invalid action')
  })

  it.each([
    ...['arn:aws:s3::photos/*', 'arn:aws:s3::::photos', 'arn:aws:s3:us-east-1::photos', 'arn:aws:s3:::'],
    ...['photos', ''],
  ])('without a resource: %s', (Resource) => {
    expect(() => parse({ Effect: 'Deny', Resource })).toThrow('Policy has invalid resource')
  })

  it('says whether it asks for tags of the object, however it spells that', () => {
    const Condition = { StringEquals: { 's3:ExistingObjectTag/a': 'b' } }
    expect(parse({ Condition }).asksForTags).toBe(true)
    const text = JSON.stringify({ Version: '2012-10-17', Statement: { ...statement, Condition } })
    expect(parseIdentityPolicy(text.replace('s3:Existing', '\\u00733:Existing')).asksForTags).toBe(true)
    expect(parse().asksForTags).toBe(false)
  })

  it.each([
    ['{', 'must be valid JSON'],
    ['[]', 'must be valid JSON'],
    ['{"Statement":[]}', 'Statement is empty'],
    ['{"Version":"2012-10-17"}', 'Missing required field Statement'],
    [JSON.stringify({ Statement: { ...statement, Effect: 'Maybe' } }), 'Invalid effect'],
    [JSON.stringify({ Statement: { ...statement, Extra: 1 } }), 'Unknown field Extra'],
    [`{"Statement":${'['.repeat(20_000)}`, 'maximum allowed document size'],
  ])('that is none is refused: %s', (text, message) => {
    expect(() => parseIdentityPolicy(text)).toThrow(message)
  })
})
