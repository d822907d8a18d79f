import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { authenticateForm } from './authenticate-form.ts'
import { signingKey } from './sigv4/signing-key.ts'
import { accessKeyId, alice, directory, secret, sessions } from './testing/signers.ts'

const now = new Date('2015-12-29T12:00:00Z')
const options = { directory, sessions, region: 'us-east-1', now, bucket: 'photos', signatureVersion2: false }
const credential = `${accessKeyId}/20151229/us-east-1/s3/aws4_request`
const signers = {
  'x-amz-algorithm': 'AWS4-HMAC-SHA256',
  'x-amz-credential': credential,
  'x-amz-date': '20151229T000000Z',
}
/** What a policy must say for the fields that every form here has. */
const always: readonly unknown[] = [
  { bucket: 'photos' },
  ['starts-with', '$key', ''],
  ...Object.entries(signers).map(([name, value]) => ({ [name]: value })),
]
const expiration = '2015-12-30T12:00:00.000Z'

type Fields = Readonly<Record<string, string | undefined>>

function form(policy: unknown, changes: Fields = {}): Map<string, string> {
  const text = typeof policy === 'string' ? policy : JSON.stringify(policy)
  const base64 = Buffer.from(text).toString('base64')
  const key = signingKey(secret, { date: '20151229', region: 'us-east-1', service: 's3' })
  const signature = createHmac('sha256', key).update(base64).digest('hex')
  return fieldsOf({ key: 'a.jpg', ...signers, policy: base64, 'x-amz-signature': signature, ...changes })
}

function oldForm(changes: Fields = {}): Map<string, string> {
  const policy = Buffer.from(
    JSON.stringify({ expiration, conditions: [{ bucket: 'photos' }, { key: 'a.jpg' }] }),
  ).toString('base64')
  const signature = createHmac('sha1', secret).update(policy).digest('base64')
  return fieldsOf({ key: 'a.jpg', awsaccesskeyid: accessKeyId, policy, signature, ...changes })
}

function fieldsOf(fields: Fields): Map<string, string> {
  return new Map(Object.entries(fields).filter((each): each is [string, string] => each[1] !== undefined))
}

const withConditions = (...conditions: readonly unknown[]) => ({
  expiration,
  conditions: [...always, ...conditions],
})

it("accepts the form of AWS's documentation", async () => {
  // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
  const policy =
    'eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9'
  const fields = fieldsOf({
    ...signers,
    key: 'user/user1/a.jpg',
    acl: 'public-read',
    success_action_redirect: 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html',
    'content-type': 'image/jpeg',
    'x-amz-meta-uuid': '14365123651274',
    'x-amz-server-side-encryption': 'AES256',
    policy,
    'x-amz-signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
  })
  const authenticated = await authenticateForm(fields, { ...options, bucket: 'sigv4examplebucket' })
  expect(authenticated).toEqual({ identity: alice, sizeRange: undefined })
})

it('takes a form without any field of authentication for anonymous (P-064)', async () => {
  const fields = fieldsOf({ key: 'a.jpg', acl: 'public-read', 'x-amz-meta-a': 'b' })
  expect(await authenticateForm(fields, options)).toEqual({ identity: undefined, sizeRange: undefined })
})

it.each(['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'])(
  'says which field is missing: %s (P-064)',
  async (name) => {
    const refused = authenticateForm(form(withConditions(), { [name]: undefined }), options)
    const error = await refused.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'InvalidArgument' })
    expect(String(error).toLowerCase()).toContain(`must contain a field named '${name}'`)
  },
)

it.each<[string, Fields, string]>([
  ['another signature', { 'x-amz-signature': '0'.repeat(64) }, 'SignatureDoesNotMatch'],
  ['no signature worth the name', { 'x-amz-signature': '' }, 'SignatureDoesNotMatch'],
  ['another policy', { policy: Buffer.from('{}').toString('base64') }, 'SignatureDoesNotMatch'],
  ['an unknown key', { 'x-amz-credential': credential.replace('AKIA', 'AKIB') }, 'InvalidAccessKeyId'],
  ['another region', { 'x-amz-credential': credential.replace('us-east-1', 'eu-west-1') }, 'InvalidArgument'],
  ['another day', { 'x-amz-date': '20151228T000000Z' }, 'InvalidArgument'],
  ['no day', { 'x-amz-date': 'today' }, 'InvalidArgument'],
  ['another algorithm', { 'x-amz-algorithm': 'AWS4-HMAC-SHA512' }, 'InvalidArgument'],
  ['half a credential', { 'x-amz-credential': accessKeyId }, 'InvalidArgument'],
  ['a session token', { 'x-amz-security-token': 'token' }, 'InvalidToken'],
])('refuses a form with %s', async (_what, changes, code) => {
  await expect(authenticateForm(form(withConditions(), changes), options)).rejects.toMatchObject({ code })
})

it.each<[string, unknown]>([
  ['no JSON', 'policy'],
  ['a list', []],
  ['null', 'null'],
  ['no expiration', { conditions: always }],
  ['EXPIRATION', { EXPIRATION: expiration, conditions: always }],
  ['no conditions', { expiration }],
  ['CONDITIONS', { expiration, CONDITIONS: always }],
  ['conditions that are no list', { expiration, conditions: {} }],
  ['a date of another form', { expiration: '2015-12-30 12:00:00+00:00', conditions: always }],
  ['a date that is none', { expiration: '2015-13-30T12:00:00Z', conditions: always }],
  ['a number for a date', { expiration: 1451476800, conditions: always }],
  ['an empty condition', withConditions({})],
  ['a condition of two properties', withConditions({ acl: 'private', tagging: '' })],
  ['a condition that is a string', withConditions('acl')],
  ['a condition that is null', withConditions(null)],
  ['a value that is a number', withConditions({ success_action_status: 201 })],
  ['an unknown operator', withConditions(['ends-with', '$key', 'jpg'])],
  ['a field without its dollar', withConditions(['eq', 'acl', 'private'])],
  ['a condition that is an empty list', withConditions([])],
  ['a length of one argument', withConditions(['content-length-range', 0])],
  ['a negative length', withConditions(['content-length-range', -1, 0])],
  ['a length in words', withConditions(['content-length-range', 'none', 'all'])],
  ['a broken length', withConditions(['content-length-range', 0.5, 1])],
])('calls a policy with %s InvalidPolicyDocument (P-060, P-062, P-063)', async (_what, policy) => {
  await expect(authenticateForm(form(policy), options)).rejects.toMatchObject({ code: 'InvalidPolicyDocument' })
})

it.each<[string, readonly unknown[], Fields]>([
  ['is equal', [{ acl: 'private' }], { acl: 'private' }],
  ['is equal, in the long form', [['eq', '$acl', 'private']], { acl: 'private' }],
  ['begins so', [['starts-with', '$acl', 'pri']], { acl: 'private' }],
  ['may be anything', [['starts-with', '$acl', '']], { acl: 'private' }],
  ['has names in any case', [['StArTs-WiTh', '$aCL', 'pri']], { acl: 'private' }],
  ['is a list of types', [['starts-with', '$Content-Type', 'image/']], { 'content-type': 'image/a, image/b' }],
  ['has a dollar escaped', [], { key: '\\$a.jpg' }],
  ['needs no condition: x-ignore-', [], { 'x-ignore-me': 'b' }],
  ['needs no condition: a checksum (P-068)', [], { 'x-amz-checksum-sha256': 'b' }],
])('accepts a field that %s', async (_what, conditions, fields) => {
  expect((await authenticateForm(form(withConditions(...conditions), fields), options)).identity).toEqual(alice)
})

it.each<[string, readonly unknown[], Fields, string]>([
  ['is another', [{ acl: 'private' }], { acl: 'public-read' }, 'Policy Condition failed: ["eq", "$acl", "private"]'],
  ['has another case', [{ acl: 'private' }], { acl: 'PRIVATE' }, 'Policy Condition failed'],
  ['begins otherwise', [['starts-with', '$key', 'user/']], {}, 'Policy Condition failed'],
  ['is missing', [['starts-with', '$x-amz-meta-foo', 'bar']], {}, 'Policy Condition failed'],
  ['is not empty', [['eq', '$x-amz-meta-foo', '']], { 'x-amz-meta-foo': 'bar' }, 'Policy Condition failed'],
  ['is no condition (P-061)', [], { 'x-amz-meta-foo': 'bar' }, 'Extra input fields: x-amz-meta-foo'],
  [
    'is a list with another type',
    [['starts-with', '$Content-Type', 'image/']],
    { 'content-type': 'image/a,text/b' },
    'Policy Condition failed',
  ],
])('denies a field that %s', async (_what, conditions, fields, sentence) => {
  const refused = authenticateForm(form(withConditions(...conditions), fields), options)
  await expect(refused).rejects.toMatchObject({ code: 'AccessDenied' })
  await expect(refused).rejects.toThrow(`Invalid according to Policy: ${sentence}`)
})

it('asks for the bucket of the request, whatever the form says', async () => {
  const fields = form(withConditions(), { bucket: 'photos' })
  await expect(authenticateForm(fields, { ...options, bucket: 'secrets' })).rejects.toMatchObject({
    code: 'AccessDenied',
  })
  const withoutBucket = form({ expiration, conditions: always.slice(1) })
  await expect(authenticateForm(withoutBucket, options)).rejects.toThrow('Extra input fields: bucket')
})

it('denies an expired policy (P-063)', async () => {
  const refused = authenticateForm(form(withConditions()), { ...options, now: new Date(expiration) })
  await expect(refused).rejects.toThrow('Invalid according to Policy: Policy expired.')
  await expect(refused).rejects.toMatchObject({ code: 'AccessDenied' })
})

it('answers the narrowest range of lengths', async () => {
  const ranges = [
    ['content-length-range', 0, 100],
    ['content-length-range', '10', '1000'],
  ]
  const { sizeRange } = await authenticateForm(form(withConditions(...ranges)), options)
  expect(sizeRange).toEqual({ minBytes: 10, maxBytes: 100 })
})

it("reads AWS's two escapes that JSON does not have", async () => {
  const text = JSON.stringify(withConditions(['starts-with', '$key', 'DOLLAR'], ['eq', '$acl', 'BACKSLASH']))
  const policy = text.replace('DOLLAR', '\\$\\v').replace('BACKSLASH', '\\\\$')
  const { identity } = await authenticateForm(form(policy, { key: '$\u000ba', acl: '\\$' }), options)
  expect(identity).toEqual(alice)
})

it('refuses version 2 unless the configuration lets it in', async () => {
  const version2 = { ...options, signatureVersion2: true }
  expect((await authenticateForm(oldForm(), version2)).identity).toEqual(alice)
  const cases: readonly (readonly [Fields, string])[] = [
    [{ signature: 'AAAA' }, 'SignatureDoesNotMatch'],
    [{ signature: undefined }, 'InvalidArgument'],
    [{ awsaccesskeyid: undefined }, 'InvalidArgument'],
    [{ policy: undefined }, 'InvalidArgument'],
    [{ awsaccesskeyid: 'foo' }, 'InvalidAccessKeyId'],
    [{ acl: 'private' }, 'AccessDenied'],
  ]
  for (const [changes, code] of cases) {
    await expect(authenticateForm(oldForm(changes), version2)).rejects.toMatchObject({ code })
  }
  await expect(authenticateForm(oldForm(), options)).rejects.toMatchObject({ code: 'InvalidRequest' })
})
