/** Temporary credentials, as headers, URLs and forms carry them. */
import { createHash, createHmac } from 'node:crypto'
import aws4 from 'aws4'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authenticateForm } from './authenticate-form.ts'
import { type AuthenticateOptions, authenticateRequest } from './authenticate-request.ts'
import type { Directory } from './directory/directory.ts'
import { openSessions, type SessionCredentials } from './keys/sessions.ts'
import type { ReceivedRequest } from './request.ts'
import { signingKey } from './sigv4/signing-key.ts'
import { accessKeyId, alice, directory, host, masterKeyOf, secret, sessions } from './testing/signers.ts'

const at = '20130524T000000Z'
const now = new Date('2013-05-24T00:00:00Z')
const expires = new Date(now.getTime() + 3_600_000)
const options: AuthenticateOptions = { directory, sessions, region: 'us-east-1', now }
const whose = { userId: 'id of alice', canonicalId: alice.canonicalId, expires, policy: undefined }
const session = sessions.create(whose)
const permanent = { accessKeyId, secret, token: '' }

type Kind = 'headers' | 'URL'
type Sent = { readonly kind?: Kind; readonly service?: string; readonly body?: string }

function signed(
  credentials: SessionCredentials,
  { kind = 'headers', service = 's3', body }: Sent = {},
): ReceivedRequest {
  const isUrl = kind === 'URL'
  const headers = isUrl || service !== 's3' ? {} : { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  const request = {
    method: body === undefined ? 'GET' : 'POST',
    host,
    path: body === undefined ? `/bucket/key${isUrl ? `?X-Amz-Date=${at}&X-Amz-Expires=300` : ''}` : '/',
    service,
    region: 'us-east-1',
    signQuery: isUrl,
    headers: { ...headers, ...(isUrl ? {} : { 'X-Amz-Date': at }) },
    ...(body === undefined ? {} : { body }),
  }
  const token = credentials.token === '' ? {} : { sessionToken: credentials.token }
  const done = aws4.sign(request, {
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secret,
    ...token,
  })
  const [rawPath = '', rawQuery = ''] = (done.path ?? '').split('?')
  return {
    method: request.method,
    rawPath,
    rawQuery,
    headers: Object.entries(done.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
    ...(body === undefined ? {} : { bodySha256: createHash('sha256').update(body).digest('hex') }),
  }
}

async function codeOf(request: ReceivedRequest, changes: Partial<AuthenticateOptions> = {}): Promise<unknown> {
  return authenticateRequest(request, { ...options, ...changes }).then(
    () => 'accepted',
    (error: unknown) => Reflect.get(Object(error), 'code'),
  )
}

const directoryWith = (findByUserId: Directory['findByUserId']): Directory => ({ ...directory, findByUserId })

describe.each<Kind>(['headers', 'URL'])('temporary credentials in %s', (kind) => {
  it('are their user, with the key id of the session', async () => {
    const { identity } = await authenticateRequest(signed(session, { kind }), options)
    expect(identity).toEqual({ ...alice, accessKeyId: session.accessKeyId, sessionPolicy: undefined })
  })

  it('bring their policy along', async () => {
    const policy = JSON.stringify({ Statement: { Sid: 'Read', Effect: 'Allow', Action: 's3:Get*', Resource: '*' } })
    const { identity } = await authenticateRequest(signed(sessions.create({ ...whose, policy }), { kind }), options)
    expect(identity?.sessionPolicy?.statements).toMatchObject([{ name: "statement 'Read'", effect: 'Allow' }])
  })

  it('hold to the end of their time and not a millisecond longer', async () => {
    const ends = { ...whose, expires: new Date(now.getTime() + 1) }
    const request = signed(sessions.create(ends), { kind })
    expect(await codeOf(request)).toBe('accepted')
    expect(await codeOf(request, { now: ends.expires })).toBe('ExpiredToken')
  })

  it('need their token, and no other one', async () => {
    const other = sessions.create(whose)
    expect(await codeOf(signed({ ...session, token: '' }, { kind }))).toBe('InvalidAccessKeyId')
    expect(await codeOf(signed({ ...session, token: other.token }, { kind }))).toBe('InvalidToken')
    expect(await codeOf(signed({ ...session, token: 'a' }, { kind }))).toBe('InvalidToken')
    expect(await codeOf(signed({ ...permanent, token: session.token }, { kind }))).toBe('InvalidToken')
  })

  it('need their secret', async () => {
    expect(await codeOf(signed({ ...session, secret }, { kind }))).toBe('SignatureDoesNotMatch')
  })

  it('end with their user, and are not those of another one who came by the same id', async () => {
    const request = signed(session, { kind })
    expect(await codeOf(request, { directory: directoryWith(() => undefined) })).toBe('InvalidAccessKeyId')
    const another = { ...alice, canonicalId: 'f'.repeat(64), accessKeyId: '' }
    expect(await codeOf(request, { directory: directoryWith(async () => another) })).toBe('InvalidAccessKeyId')
  })

  it('open with the master key of the tree in any process, and with no other', async () => {
    const request = signed(session, { kind })
    expect(await codeOf(request, { sessions: openSessions(masterKeyOf(1)) })).toBe('accepted')
    expect(await codeOf(request, { sessions: openSessions(masterKeyOf(2)) })).toBe('InvalidToken')
  })
})

it('a token that was changed in any byte is refused', async () => {
  const policy = JSON.stringify({ Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' } })
  const made = sessions.create({ ...whose, policy })
  const bytes = Buffer.from(made.token, 'base64url')
  for (const index of bytes.keys()) {
    const changed = Buffer.from(bytes)
    changed.writeUInt8((changed.readUInt8(index) + 1 + (index % 255)) % 256, index)
    const token = changed.toString('base64url')
    expect(await codeOf(signed({ ...made, token })), `byte ${index}`).toBe('InvalidToken')
  }
})

it('a token with anything else done to it is refused', async () => {
  const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. %'
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.nat(3),
      fc.string({ unit: fc.constantFrom(...characters), maxLength: 4 }),
      async (where, taken, put) => {
        const position = where % session.token.length
        const token = session.token.slice(0, position) + put + session.token.slice(position + taken)
        fc.pre(token !== session.token && token === token.trim())
        expect(['InvalidToken', 'InvalidAccessKeyId']).toContain(await codeOf(signed({ ...session, token })))
      },
    ),
    { numRuns: 300 },
  )
})

describe('a form', () => {
  const conditions = [{ bucket: 'photos' }, { key: 'a.jpg' }, ['starts-with', '$x-amz-security-token', '']]
  const fieldsWith = (token: string | undefined) => {
    const text = JSON.stringify({ expiration: '2013-05-25T00:00:00Z', conditions: [...conditions, ...others] })
    const policy = Buffer.from(text).toString('base64')
    const key = signingKey(session.secret, { date: '20130524', region: 'us-east-1', service: 's3' })
    return new Map([
      ...Object.entries(fields),
      ['policy', policy],
      ['x-amz-signature', createHmac('sha256', key).update(policy).digest('hex')],
      ...(token === undefined ? [] : [['x-amz-security-token', token] as const]),
    ])
  }
  const fields = {
    key: 'a.jpg',
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${session.accessKeyId}/20130524/us-east-1/s3/aws4_request`,
    'x-amz-date': at,
  }
  const others = Object.entries(fields).map(([name, value]) => ({ [name]: value }))
  const accept = { ...options, bucket: 'photos', signatureVersion2: false }

  it('carries the token in a field', async () => {
    const { identity } = await authenticateForm(fieldsWith(session.token), accept)
    expect(identity).toMatchObject({ userName: 'alice', accessKeyId: session.accessKeyId })
    await expect(authenticateForm(fieldsWith(undefined), accept)).rejects.toMatchObject({ code: 'InvalidAccessKeyId' })
    const other = sessions.create(whose).token
    await expect(authenticateForm(fieldsWith(other), accept)).rejects.toMatchObject({ code: 'InvalidToken' })
    const late = authenticateForm(fieldsWith(session.token), { ...accept, now: expires })
    await expect(late).rejects.toMatchObject({ code: 'ExpiredToken' })
  })
})

describe('what is signed for STS', () => {
  const body = 'Action=GetCallerIdentity&Version=2011-06-15'
  const services = ['sts', 's3']

  it.each([
    ['a permanent key', permanent],
    ['a temporary one', session],
  ])('is accepted where the operation is of STS, with %s, over the body as it was read', async (_, credentials) => {
    const request = signed(credentials, { service: 'sts', body })
    expect(request.headers.map(([name]) => name)).not.toContain('x-amz-content-sha256')
    expect(await codeOf(request, { services })).toBe('accepted')
    const changed = createHash('sha256').update(`${body}0`).digest('hex')
    expect(await codeOf({ ...request, bodySha256: changed }, { services })).toBe('SignatureDoesNotMatch')
  })

  it('may be signed for s3, whose header is held against the body', async () => {
    const request = signed(session, { body })
    expect(await codeOf(request, { services })).toBe('accepted')
    const digest = ['x-amz-content-sha256', '0'.repeat(64)] as const
    const headers = request.headers.filter(([name]) => name !== digest[0])
    expect(await codeOf({ ...request, headers: [...headers, digest] }, { services })).toBe('SignatureDoesNotMatch')
  })

  it('is refused everywhere else, at once', async () => {
    expect(await codeOf(signed(session, { service: 'sts', body }))).toBe('AccessDenied')
    expect(await codeOf(signed(session, { service: 'iam', body }), { services })).toBe('AccessDenied')
    expect(await codeOf(signed(session, { service: 'ec2', body }), { services })).toBe('AuthorizationHeaderMalformed')
  })
})
