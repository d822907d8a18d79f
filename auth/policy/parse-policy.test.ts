import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuthError } from '../errors.ts'
import { parsePolicy } from './parse-policy.ts'

const good = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::photos/*',
}

function parse(statement: unknown, version: unknown = '2012-10-17') {
  return parsePolicy(JSON.stringify({ Version: version, Statement: statement }), 'photos')
}

function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof AuthError && error.code === 'MalformedPolicy') return error.message
    throw error
  }
  return 'accepted'
}

describe('a bucket policy is read', () => {
  it.each([
    ['a list of statements', [good, { ...good, Sid: 'Two' }]],
    ['one statement', good],
    ['lists of one', { ...good, Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::photos/*'] }],
    ['all actions', { ...good, Action: '*' }],
    ['all actions of S3', { ...good, Action: 's3:*' }],
    ['an action in other case', { ...good, Action: 'S3:getobject' }],
    ['an action that is AWS’s only', { ...good, Action: 's3:GetObjectVersionForReplication' }],
    ['all resources', { ...good, Resource: '*' }],
    ['the bucket itself', { ...good, Resource: 'arn:aws:s3:::photos' }],
    ['all buckets, of which it is one', { ...good, Resource: ['arn:aws:s3:::*', 'arn:aws:s3:::*/*'] }],
    ['buckets that begin alike', { ...good, Resource: 'arn:aws:s3:::ph*/cats/*' }],
    ['an object action on the bucket only, which AWS refuses', { ...good, Resource: 'arn:aws:s3:::photos' }],
    ['a Sid with spaces', { ...good, Sid: 'Allow Public Access to All Objects' }],
    ['a user of another system', { ...good, Principal: { AWS: 'arn:aws:iam::s3tenant1:root' } }],
    ['a service', { ...good, Principal: { Service: 'logging.s3.amazonaws.com' } }],
    ['no Condition worth the name', { ...good, Condition: {} }],
    ['Deny for all but one', { ...good, Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: '123456789012' } }],
    ['numbers and booleans without quotation marks', { ...good, Condition: { Bool: { 'aws:SecureTransport': true } } }],
  ])('%s', (_name, statement) => {
    expect(refusalOf(() => parse(statement))).toBe('accepted')
  })

  it('of either version and of none', () => {
    expect(refusalOf(() => parse(good, '2008-10-17'))).toBe('accepted')
    expect(refusalOf(() => parsePolicy(JSON.stringify({ Id: 'x', Statement: good }), 'photos'))).toBe('accepted')
  })

  it('and keeps the order and the names of its statements', () => {
    const policy = parse([good, { ...good, Sid: 'Two', Effect: 'Deny' }])
    expect(policy.statements.map(({ name, effect }) => `${name}: ${effect}`)).toEqual([
      'statement 1: Allow',
      "statement 'Two': Deny",
    ])
  })
})

const NOT_JSON = "Policies must be valid JSON and the first byte must be '{'"
const SYNTAX = 'Invalid policy syntax.'

describe('a text is refused', () => {
  it.each([
    ['nothing', '', NOT_JSON],
    ['a space first', ' {}', NOT_JSON],
    ['a list', '[]', NOT_JSON],
    ['half of it', '{"Version":', NOT_JSON],
    ['a comma too many', '{"Version":"2012-10-17",}', NOT_JSON],
    ['no statement', '{"Version":"2012-10-17"}', 'Missing required field Statement'],
    ['an empty object', '{}', 'Missing required field Statement'],
    ['no statements', '{"Statement":[]}', 'Could not parse the policy: Statement is empty!'],
    ['a statement that is none', '{"Statement":[1]}', SYNTAX],
    ['no object where one belongs', '{"Statement":"Allow"}', SYNTAX],
    ['an unknown element', '{"Statements":[]}', 'Unknown field Statements'],
    ['the element __proto__', '{"__proto__":{"Statement":[]}}', 'Unknown field __proto__'],
    ['depth', `{"Statement":${'['.repeat(8_000)}${']'.repeat(8_000)}}`, SYNTAX],
    ['depth of objects', `${'{"Statement":'.repeat(1_000)}1${'}'.repeat(1_000)}`, 'Unknown field Statement'],
  ])('%s', (_name, text, message) => {
    expect(refusalOf(() => parsePolicy(text, 'photos'))).toBe(message)
  })

  it('above 20 KiB, counted in bytes', () => {
    const withSid = (sid: string) => parsePolicy(JSON.stringify({ Statement: { ...good, Sid: sid } }), 'photos')
    const room = 20 * 1024 - JSON.stringify({ Statement: { ...good, Sid: '' } }).length
    expect(refusalOf(() => withSid('a'.repeat(room)))).toBe('accepted')
    expect(refusalOf(() => withSid('a'.repeat(room + 1)))).toMatch('maximum allowed document size')
    expect(refusalOf(() => withSid('é'.repeat(room / 2 + 1)))).toMatch('maximum allowed document size')
  })

  it('with an element twice, of which one would be lost in silence', () => {
    const text = (conditions: string) =>
      `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{${conditions}}}}`
    const one = '"StringEquals":{"aws:username":"a"}'
    const other = '"StringEquals" : {"s3:prefix":"\\"x\\":"}'
    expect(refusalOf(() => parsePolicy(text(one), 'photos'))).toBe('accepted')
    expect(refusalOf(() => parsePolicy(text(other), 'photos'))).toBe('accepted')
    expect(refusalOf(() => parsePolicy(text(`${one},${other}`), 'photos'))).toBe(SYNTAX)
  })
})

describe('a statement is refused', () => {
  const without = (name: keyof typeof good) => ({ ...good, [name]: undefined })
  const principal = 'Invalid principal in policy'
  const action = 'Policy has invalid action'
  const resource = 'Policy has invalid resource'
  it.each([
    ['an unknown element', { ...good, Actions: [] }, 'Unknown field Actions'],
    ['no Effect', without('Effect'), 'Missing required field Effect'],
    ['another Effect', { ...good, Effect: 'allow' }, 'Invalid effect: allow'],
    ['no Principal', without('Principal'), 'Missing required field Principal'],
    ['no Action', without('Action'), 'Missing required field Action'],
    ['no Resource', without('Resource'), 'Missing required field Resource'],
    ['Principal and NotPrincipal', { ...good, NotPrincipal: '*' }, SYNTAX],
    ['Action and NotAction', { ...good, NotAction: 's3:*' }, SYNTAX],
    ['Resource and NotResource', { ...good, NotResource: '*' }, SYNTAX],
    [
      'Allow for all but one',
      { ...without('Principal'), NotPrincipal: '*' },
      'Allow with NotPrincipal is not allowed.',
    ],
    ['a Sid that is no text', { ...good, Sid: 1 }, SYNTAX],
    ['a bare name as Principal', { ...good, Principal: 'alice' }, principal],
    ['a list as Principal', { ...good, Principal: ['*'] }, principal],
    ['no kind of principal', { ...good, Principal: {} }, principal],
    ['no principal of a kind', { ...good, Principal: { AWS: [] } }, principal],
    ['another kind of principal', { ...good, Principal: { constructor: '*' } }, principal],
    ['a wildcard in a principal', { ...good, Principal: { AWS: 'arn:aws:iam::123456789012:user/*' } }, principal],
    ['a principal that is no ARN', { ...good, Principal: { AWS: 'alice' } }, principal],
    ['an ARN that is no principal', { ...good, Principal: { AWS: 'arn:aws:s3:::photos' } }, principal],
    ['a short canonical id', { ...good, Principal: { CanonicalUser: 'abc' } }, principal],
    ['an action nobody knows', { ...good, Action: 's3:DeletObject' }, action],
    ['a wildcard that no action fits', { ...good, Action: 's3:Fetch*' }, action],
    ['an action of another service', { ...good, Action: 'ec2:RunInstances' }, action],
    ['a variable in an action', { ...good, Action: 's3:GetObject$'.concat("{aws:x, ''}") }, action],
    ['no actions', { ...good, Action: [] }, action],
    ['another bucket', { ...good, Resource: 'arn:aws:s3:::videos/*' }, resource],
    ['a bucket that only begins alike', { ...good, Resource: 'arn:aws:s3:::photos2/*' }, resource],
    ['another bucket, not', { ...without('Resource'), NotResource: 'arn:aws:s3:::videos/*' }, resource],
    ['a resource that is no ARN', { ...good, Resource: 'photos/*' }, resource],
    ['a resource with an account', { ...good, Resource: 'arn:aws:s3:us-east-1:123456789012:photos/*' }, resource],
    ['no resources', { ...good, Resource: [] }, resource],
    ['a Condition that is none', { ...good, Condition: [] }, SYNTAX],
    ['null as Condition', { ...good, Condition: null }, SYNTAX],
    ['an operator without keys', { ...good, Condition: { Bool: 'x' } }, SYNTAX],
    ['a condition without values', { ...good, Condition: { StringNotEquals: { 'aws:Referer': [] } } }, SYNTAX],
    [
      'an unknown operator',
      { ...good, Condition: { StringMatches: { 'aws:Referer': 'x' } } },
      'Invalid Condition type : StringMatches',
    ],
    [
      'an unknown key',
      { ...good, Condition: { StringEquals: { 's3:x-acl': 'private' } } },
      'Policy has an invalid condition key',
    ],
    [
      'a key without its tag',
      { ...good, Condition: { StringEquals: { 's3:ExistingObjectTag/': 'x' } } },
      'Policy has an invalid condition key',
    ],
    [
      'a range that is none',
      { ...good, Condition: { IpAddress: { 'aws:SourceIp': '300.1.1.1/8' } } },
      'Invalid value in Condition IpAddress: 300.1.1.1/8',
    ],
  ])('%s', (_name, statement, message) => {
    expect(refusalOf(() => parse(statement))).toBe(message)
  })

  it('of an unknown version', () => {
    expect(refusalOf(() => parse(good, '2012-10-18'))).toBe('The policy must contain a valid version string')
    expect(refusalOf(() => parse(good, null))).toBe('The policy must contain a valid version string')
  })
})

describe('whatever comes', () => {
  it('nothing but MalformedPolicy is thrown at a text', () => {
    const object = fc.object().map((value) => JSON.stringify(value))
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), object), (text) => {
        refusalOf(() => parsePolicy(text, 'photos'))
      }),
      { numRuns: 1_000 },
    )
  })

  it('nothing but MalformedPolicy is thrown at what looks like a policy', () => {
    let accepted = 0
    fc.assert(
      fc.property(almostPolicy(), (statement) => {
        if (refusalOf(() => parse(statement)) === 'accepted') accepted++
      }),
      { numRuns: 2_000 },
    )
    expect(accepted).toBeGreaterThan(10)
  })
})

/** Elements that are right, mostly. */
function almostPolicy() {
  const word = fc.constantFrom(
    'Allow',
    '*',
    's3:*',
    'true',
    '1',
    '',
    '__proto__',
    '$',
    '$'.concat('{a}'),
    ':',
    '\ud800',
  )
  const wrong = fc.oneof(word, fc.array(word, { maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }))
  const mostly = <T>(right: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: wrong })
  const some = (...values: string[]) => mostly(fc.oneof(fc.constantFrom(...values), fc.subarray(values)))
  const conditions = fc.dictionary(
    fc.constantFrom('StringEquals', 'StringNotLike', 'ForAnyValue:StringLikeIfExists', 'Null', 'x'),
    mostly(fc.dictionary(fc.constantFrom('aws:SourceIp', 's3:prefix', 's3:ExistingObjectTag/a'), some('true', '*'))),
    { maxKeys: 2 },
  )
  const statement = fc.record(
    {
      Sid: mostly(fc.string()),
      Effect: mostly(fc.constantFrom('Allow', 'Deny')),
      Principal: mostly(fc.dictionary(fc.constantFrom('AWS', 'Service', 'toString'), some('*', '123456789012'))),
      Action: some('*', 's3:GetObject', 's3:Put*'),
      Resource: some('*', 'arn:aws:s3:::photos', 'arn:aws:s3:::photos/*'),
      Condition: mostly(conditions),
    },
    { requiredKeys: ['Effect', 'Principal', 'Action', 'Resource'] },
  )
  return mostly(fc.oneof(statement, fc.array(statement, { maxLength: 3 })))
}
