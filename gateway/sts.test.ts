/** STS on the S3 endpoint: from a password to what may be done with it, through the whole app. */
import { sign } from 'aws4'
import { XMLValidator } from 'fast-xml-parser'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Directory } from '#auth'
import { type AppOptions, createApp } from './app.ts'
import { loadConfig } from './config.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { operations } from './operations/index.ts'
import { alice, sessionsOf, tokensOf } from './operations/testing/call-operation.ts'
import { createMemoryNamespace } from './operations/testing/memory-namespace.ts'

const NOW = new Date()
const FORM = 'application/x-www-form-urlencoded; charset=utf-8'
const STS = 'https://sts.amazonaws.com/doc/2011-06-15/'
const password = 'open +sesame&=ä'
const permanent = { accessKeyId: alice.accessKeyId, secretAccessKey: 'secret of alice' }
const who = { LDAPUsername: 'alice', LDAPPassword: password }

let app: FastifyInstance
let lines: Record<string, unknown>[]
let clock: Date
let isThere: boolean
let metrics: Metrics

const directory: Directory = {
  findByAccessKey: async (id) =>
    id === alice.accessKeyId ? { secret: 'secret of alice', identity: alice } : undefined,
  findByUserId: async (id) => (id === '7' && isThere ? { ...alice, accessKeyId: '' } : undefined),
  authenticate: async (name, given) =>
    name === 'alice' && given === password ? { userId: '7', identity: { ...alice, accessKeyId: '' } } : undefined,
  findByCanonicalId: async () => undefined,
  findByEmail: async () => undefined,
  findByUid: async () => undefined,
  close: async () => {},
}

async function start(changes: Partial<AppOptions> = {}) {
  const store = createMemoryNamespace()
  for (const name of ['photos', 'films']) await store.as(alice).buckets.create(name)
  lines = []
  metrics = createMetrics({ worker: 0 })
  app = createApp({
    config: loadConfig(undefined, {}, {}),
    namespace: { as: (caller) => store.as(caller ?? { canonicalId: '', displayName: '' }) },
    directory,
    tokens: tokensOf(),
    sessions: sessionsOf(),
    operations,
    log: pino({ level: 'debug', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    metrics,
    now: () => clock,
    ...changes,
  })
  await app.ready()
}

beforeEach(async () => {
  clock = NOW
  isThere = true
  await start()
})
afterEach(() => app.close())

type Fields = Readonly<Record<string, string>>

const assumeFields = (fields: Fields = {}) => ({
  Action: 'AssumeRoleWithLDAPIdentity',
  Version: '2011-06-15',
  ...who,
  ...fields,
})
const formOf = (fields: Fields) => new URLSearchParams(fields).toString()

const post = (payload: string, headers: Fields = {}, url = '/') =>
  app.inject({ method: 'POST', url, headers: { host: 'localhost', 'content-type': FORM, ...headers }, payload })
const assume = (fields?: Fields) => post(formOf(assumeFields(fields)))

const textOf = (body: string, name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''

async function credentials(fields?: Fields) {
  const { statusCode, body } = await assume(fields)
  expect({ statusCode, body }).toMatchObject({ statusCode: 200 })
  return {
    accessKeyId: textOf(body, 'AccessKeyId'),
    secretAccessKey: textOf(body, 'SecretAccessKey'),
    sessionToken: textOf(body, 'SessionToken'),
  }
}

type Key = { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }

/** As botocore and the SDKs do: for S3 with a digest in a header, for STS without. */
function signed(key: Key, service: string, method: string, path: string, body = '') {
  const ofS3 = service === 's3' ? { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' } : {}
  const ofForm = method === 'POST' ? { 'Content-Type': FORM } : {}
  const date = clock.toISOString().replace(/[-:]|\.\d+/g, '')
  const headers = { 'X-Amz-Date': date, ...ofS3, ...ofForm }
  const request = sign({ host: 'localhost', service, region: 'us-east-1', method, path, headers, body }, { ...key })
  return Object.fromEntries(Object.entries(request.headers ?? {}).map(([name, value]) => [name, String(value)]))
}

const CALLER = formOf({ Action: 'GetCallerIdentity', Version: '2011-06-15' })
const callerIdentity = (key: Key, service = 'sts') => post(CALLER, signed(key, service, 'POST', '/', CALLER))
const get = (key: Key, url: string) => app.inject({ method: 'GET', url, headers: signed(key, 's3', 'GET', url) })
const codeOf = ({ body }: { body: string }) => textOf(body, 'Code')

/** As boto3 parses it, and every other client of the query protocol. */
function expectStsError(answer: { statusCode: number; body: string }, status: number, code: string, type = 'Sender') {
  expect(XMLValidator.validate(answer.body)).toBe(true)
  const error = `<Error><Type>${type}</Type><Code>${code}</Code><Message>[^<]+</Message></Error>`
  expect(answer.body).toMatch(
    new RegExp(`^<\\?xml[^>]*>\\n<ErrorResponse xmlns="${STS}">${error}<RequestId>\\w+</RequestId></ErrorResponse>$`),
  )
  expect(answer.statusCode).toBe(status)
}

describe('AssumeRoleWithLDAPIdentity', () => {
  it('answers credentials that do what their user may do', async () => {
    const key = await credentials()
    const answer = await get(key, '/')
    expect(answer.body).toContain('<Name>photos</Name>')
    expect(lines.at(-1)).toMatchObject({ operation: 'ListBuckets', user: 'alice', accessKey: key.accessKeyId })
  })

  it('takes form and query alike, with or without a body', async () => {
    const query = formOf(assumeFields())
    const answers = await Promise.all([
      post(query),
      post('', {}, `/?${query}`),
      app.inject({ method: 'POST', url: `/?${query}`, headers: { host: 'localhost' } }),
      post(formOf(who), {}, '/?Action=AssumeRoleWithLDAPIdentity&Version=2011-06-15'),
      post(query, { 'transfer-encoding': 'chunked' }),
    ])
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200])
  })

  it('gives no more than the session policy', async () => {
    const Statement = { Effect: 'Allow', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::photos' }
    const key = await credentials({ Policy: JSON.stringify({ Version: '2012-10-17', Statement }) })
    expect((await get(key, '/photos?list-type=2')).statusCode).toBe(200)
    for (const url of ['/films?list-type=2', '/films/key', '/photos?acl', '/'])
      expect(codeOf(await get(key, url)), url).toBe('AccessDenied')
    expect(lines.find(({ msg }) => msg === 'denied')).toMatchObject({
      action: 's3:ListBucket',
      reason: 'the session policy of alice does not allow s3:ListBucket',
    })
    expect((await callerIdentity(key)).statusCode).toBe(200)
  })

  it('is over when its time is, and when its user is gone', async () => {
    const key = await credentials({ DurationSeconds: '900' })
    isThere = false
    expect(codeOf(await get(key, '/photos'))).toBe('InvalidAccessKeyId')
    expectStsError(await callerIdentity(key), 403, 'InvalidClientTokenId')
    isThere = true
    expect((await get(key, '/photos')).statusCode).toBe(200)
    clock = new Date(NOW.getTime() + 900_000)
    expect(codeOf(await get(key, '/photos'))).toBe('ExpiredToken')
    expectStsError(await callerIdentity(key), 403, 'ExpiredToken')
  })

  it('says of a wrong password and an unknown user the same, to the letter', async () => {
    const answers = [await assume({ LDAPPassword: 'wrong' }), await assume({ LDAPUsername: 'nobody' })]
    for (const answer of answers) expectStsError(answer, 403, 'AccessDenied')
    const [one, other] = answers.map(({ body }) => body.replace(/<RequestId>\w+/, ''))
    expect(one).toBe(other)
  })

  it('tries so many wrong passwords of an address and no more', async () => {
    await app.close()
    await start({ config: loadConfig(undefined, { limits: { password_trials_per_minute: 3 } }, {}) })
    for (let times = 0; times < 3; times++) expectStsError(await assume({ LDAPPassword: 'x' }), 403, 'AccessDenied')
    expectStsError(await assume({ LDAPPassword: 'x' }), 400, 'Throttling')
    expectStsError(await assume(), 400, 'Throttling')
    const counted = (await metrics.collect()).find(({ name }) => name === 'causeway_password_trials_total')
    expect(counted).toMatchObject({
      values: [
        { labels: { outcome: 'wrong' }, value: 3 },
        { labels: { outcome: 'throttled client' }, value: 2 },
      ],
    })
    expect(lines.filter(({ msg }) => msg === 'a password was refused').map(({ outcome }) => outcome)).toEqual([
      ...['wrong', 'wrong', 'wrong'],
      ...['throttled client', 'throttled client'],
    ])
  })

  it.each([
    [{ LDAPPassword: '' }, 400, 'MissingParameter'],
    [{ LDAPUsername: '' }, 400, 'MissingParameter'],
    [{ DurationSeconds: '1' }, 400, 'ValidationError'],
    [{ Policy: '{}' }, 400, 'MalformedPolicyDocument'],
  ])('%j is refused in words of STS', async (fields, status, code) => {
    expectStsError(await assume(fields), status, code)
  })

  it('is not fooled by a signature that is none', async () => {
    const body = formOf(assumeFields())
    const headers = signed({ ...permanent, secretAccessKey: 'wrong' }, 'sts', 'POST', '/', body)
    expectStsError(await post(body, headers), 403, 'SignatureDoesNotMatch')
  })

  it('leaves no trace of password, secret and token in the log', async () => {
    const { sessionToken, secretAccessKey } = await credentials()
    await assume({ LDAPPassword: `${password}x` })
    await app.inject({ method: 'PUT', url: `/?${formOf(assumeFields())}` })
    await app.inject({ method: 'POST', url: `/?${formOf(assumeFields())}&LDAPPassword=twice` })
    await app.inject({ method: 'PUT', url: `/?${formOf(assumeFields()).replace('LDAPPassword', '%4cDAP%50assword')}` })
    const log = JSON.stringify(lines)
    expect(lines.length).toBeGreaterThan(4)
    for (const secret of ['sesame', 'twice', sessionToken, secretAccessKey]) expect(log).not.toContain(secret)
  })
})

describe('GetCallerIdentity', () => {
  it.each(['sts', 's3'])('says who signed, be it for %s', async (service) => {
    const session = await credentials()
    for (const key of [permanent, session]) {
      const answer = await callerIdentity(key, service)
      expect(answer.statusCode).toBe(200)
      expect(textOf(answer.body, 'Arn')).toBe(`arn:aws:iam::${alice.canonicalId}:user/alice`)
      expect(lines.at(-1)).toMatchObject({ operation: 'GetCallerIdentity', user: 'alice', accessKey: key.accessKeyId })
    }
  })

  it('holds the signature against the body that came', async () => {
    const other = formOf({ Version: '2011-06-15', Action: 'GetCallerIdentity' })
    expectStsError(await post(other, signed(permanent, 'sts', 'POST', '/', CALLER)), 403, 'SignatureDoesNotMatch')
  })

  it('refuses in words of STS', async () => {
    expectStsError(await post(CALLER), 403, 'MissingAuthenticationToken')
    const unknown = { accessKeyId: 'AKNOBODY', secretAccessKey: 'x' }
    expectStsError(await callerIdentity(unknown), 403, 'InvalidClientTokenId')
    expectStsError(await callerIdentity({ ...permanent, secretAccessKey: 'x' }), 403, 'SignatureDoesNotMatch')
    expectStsError(await callerIdentity({ ...permanent, sessionToken: 'x' }), 403, 'InvalidClientTokenId')
  })
})

describe('whatever else is posted to the service', () => {
  const list = formOf({ Action: 'ListRoles', Version: '2010-05-08' })

  it('is refused in words that clients of STS and IAM understand', async () => {
    const token = formOf({ Action: 'GetSessionToken', Version: '2011-06-15' })
    const answers = [await post(token), await post(token, signed(permanent, 'sts', 'POST', '/', token))]
    for (const answer of answers) expectStsError(answer, 501, 'NotImplemented', 'Receiver')
    expectStsError(await post(list, signed(permanent, 'iam', 'POST', '/', list)), 403, 'AccessDenied')
  })

  it('is refused at once: the teardown of s3-tests asks IAM (P-214)', async () => {
    const headers = signed(permanent, 'iam', 'POST', '/', list)
    const authorization = headers.Authorization?.replace('/us-east-1/iam/', '//iam/') ?? ''
    expect(await post(list, { ...headers, Authorization: authorization })).toMatchObject({ statusCode: 403 })
    expect(await post(list, headers)).toMatchObject({ statusCode: 403 })
    expect(await post(list)).toMatchObject({ statusCode: 501 })
  })

  it.each([
    formOf({ Action: 'AssumeRole', Version: '2011-06-15' }),
    formOf(assumeFields({ Version: '2010-05-08' })),
    '',
    '%',
    '&&=&',
    'Action',
  ])('is refused: %s', async (form) => {
    const { statusCode } = await post(form)
    expect([400, 501]).toContain(statusCode)
  })

  it('is not read where it is no form, and not to the end where it is too long', async () => {
    const json = await post(JSON.stringify(assumeFields()), { 'content-type': 'application/json' })
    expect(json.statusCode).toBe(501)
    const long = await assume({ LDAPUsername: 'x'.repeat(40_000) })
    expect([long.statusCode, codeOf(long)]).toEqual([400, 'EntityTooLarge'])
  })
})
