import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { sign } from 'aws4'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import Type from 'typebox'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Directory, Identity } from '#auth'
import { type AppOptions, createApp } from './app.ts'
import { loadConfig } from './config.ts'
import { GatewayError } from './gateway-error.ts'
import { createMetrics } from './metrics.ts'
import { type Call, defineOperation } from './operation.ts'
import { deleteObjects } from './operations/delete-objects.ts'
import { sessionsOf, tokensOf } from './operations/testing/call-operation.ts'
import { createMemoryNamespace } from './operations/testing/memory-namespace.ts'
import type { Reply } from './reply.ts'
import { sendRaw, send as sendTo } from './testing/http.ts'

const NOW = new Date()
const alice = identityOf('alice')
const bob = { ...identityOf('bob'), groups: ['staff'], posix: { uid: 1002, gid: 100, groups: [] } }

const Greeting = Type.Object({ Name: Type.String() })

/** What the operation under test does; each test sets it. */
let perform: (call: Call) => Promise<Reply>
let greeted: unknown
const done = async (): Promise<Reply> => ({ status: 200, content: { kind: 'text', type: 'text/plain', text: 'done' } })

const operations = [
  defineOperation({
    name: 'PutObject',
    match: { method: 'PUT', on: 'object' },
    action: 's3:PutObject',
    run: (call) => perform(call),
  }),
  defineOperation({
    name: 'CopyObject',
    match: { method: 'PUT', on: 'object', headers: ['x-amz-copy-source'] },
    action: 's3:PutObject',
    run: (call) => perform(call),
  }),
  defineOperation({
    name: 'GetObject',
    match: { method: 'GET', on: 'object' },
    action: 's3:GetObject',
    run: (call) => perform(call),
  }),
  defineOperation({
    name: 'HeadObject',
    match: { method: 'HEAD', on: 'object' },
    action: 's3:GetObject',
    run: (call) => perform(call),
  }),
  defineOperation({
    name: 'CreateBucket',
    match: { method: 'PUT', on: 'bucket' },
    action: 's3:CreateBucket',
    run: (call) => perform(call),
  }),
  defineOperation({
    name: 'Greet',
    match: { method: 'POST', on: 'bucket', query: ['greet'] },
    action: 's3:PutBucketTagging',
    body: { root: 'Greeting', shape: Greeting },
    run: async ({ body }) => {
      greeted = body
      return done()
    },
  }),
  defineOperation({
    name: 'GreetPerhaps',
    match: { method: 'PUT', on: 'bucket', query: ['greet'] },
    action: 's3:PutBucketTagging',
    body: { root: 'Greeting', shape: Greeting, optional: true },
    run: async ({ body }) => {
      greeted = body
      return done()
    },
  }),
  defineOperation({
    name: 'Tell',
    match: { method: 'PUT', on: 'bucket', query: ['policy'] },
    action: 's3:PutBucketPolicy',
    text: { maxBytes: 20, malformed: 'MalformedPolicy' },
    run: (call) => perform(call),
  }),
  defineOperation({
    name: 'Preflight',
    match: { method: 'OPTIONS', on: 'object' },
    action: undefined,
    run: (call) => perform(call),
  }),
]

let app: FastifyInstance
let lines: Record<string, unknown>[]

async function start(changes: Partial<AppOptions> = {}): Promise<FastifyInstance> {
  lines = []
  const store = createMemoryNamespace()
  await store.as(alice).buckets.create('photos', { ownership: { rule: 'BucketOwnerEnforced' } })
  await store.as(bob).buckets.create('secrets', { ownership: { rule: 'BucketOwnerEnforced' } })
  const anonymous = { canonicalId: '', displayName: '' }
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) }
  app = createApp({
    config: loadConfig(undefined, { listen: { domain: 's3.example.com' } }, {}),
    namespace: { as: (caller) => store.as(caller ?? anonymous) },
    directory: directoryOf(alice, bob),
    tokens: tokensOf(),
    sessions: sessionsOf(),
    operations,
    log: pino({ level: 'debug', base: null, formatters: { level: (level) => ({ level }) } }, sink),
    metrics: createMetrics({ worker: 0 }),
    now: () => NOW,
    ...changes,
  })
  await app.ready()
  return app
}

beforeEach(async () => {
  perform = done
  greeted = 'nothing'
  await start()
})

afterEach(() => app.close())

describe('a request', () => {
  it('in virtual-host style names the endpoint without the bucket', async () => {
    let endpoint = ''
    perform = async (call) => {
      endpoint = `${call.bucket} ${call.key} ${call.endpoint}`
      return done()
    }
    await signed({ method: 'GET', path: '/a/b', host: 'photos.s3.example.com:8443' })
    expect(endpoint).toBe('photos a/b http://s3.example.com:8443')
  })

  it.each(['', ';', 'text', 'text/plain; charset', '/', 'a/b, c/d', 'application/json'])(
    'with the Content-Type "%s" is stored as it is sent',
    async (type) => {
      perform = async ({ bytes, headers }) => {
        const pieces: Uint8Array[] = []
        for await (const piece of bytes.bytes) pieces.push(Buffer.from(piece))
        return {
          status: 200,
          headers: { 'x-type': headers.get('content-type'), 'x-length': Buffer.concat(pieces).length },
        }
      }
      const payload = Buffer.alloc(3_000_000, 'x')
      const answer = await signed({ method: 'PUT', path: '/photos/k', headers: { 'content-type': type }, payload })
      expect(answer.statusCode).toBe(200)
      expect(answer.headers).toMatchObject({ 'x-type': type, 'x-length': '3000000' })
    },
  )

  it('whose XML fits the shape reaches the operation as a value', async () => {
    await signed({ method: 'POST', path: '/photos?greet', payload: '<Greeting><Name> Ä </Name></Greeting>' })
    expect(greeted).toEqual({ Name: ' Ä ' })
  })

  it('whose XML does not fit is MalformedXML; an empty one too, unless it is optional', async () => {
    for (const payload of ['<Greeting/>', '<Other/>', 'no', '']) {
      const answer = await signed({ method: 'POST', path: '/photos?greet', payload })
      expect(codeOf(answer)).toBe('MalformedXML')
    }
    expect(greeted).toBe('nothing')
    expect(await signed({ method: 'PUT', path: '/photos?greet', payload: '' })).toMatchObject({ statusCode: 200 })
    expect(greeted).toBeUndefined()
  })

  it("of a user who has a uid calls the tree without it: with enforcement `service` all files are the service account's", async () => {
    const callers: unknown[] = []
    const store = createMemoryNamespace()
    await store.as(alice).buckets.create('photos', { ownership: { rule: 'BucketOwnerEnforced' } })
    await app.close()
    await start({
      namespace: {
        as(caller) {
          callers.push(caller)
          return store.as(caller ?? { canonicalId: '', displayName: '' })
        },
      },
      directory: directoryOf({ ...alice, posix: { uid: 1000, gid: 1000, groups: [100] } }),
    })
    expect(await signed({ method: 'GET', path: '/photos/k' })).toMatchObject({ statusCode: 200 })
    expect(callers).toEqual([{ canonicalId: alice.canonicalId, displayName: 'alice' }])
  })

  it('is a use of its key when its signature was right, whatever comes of it, and not before', async () => {
    await app.close()
    const used: string[] = []
    await start({ keyUsed: (accessKeyId) => used.push(accessKeyId) })
    const url = '/photos/k'
    await app.inject({ method: 'GET', url })
    // Signed for another key of the bucket.
    const { headers } = signatureOf({ method: 'GET', path: '/photos/other' }, alice)
    expect(codeOf(await app.inject({ method: 'GET', url, headers }))).toBe('SignatureDoesNotMatch')
    expect(used).toEqual([])
    await signed({ method: 'GET', path: url })
    perform = async () => {
      throw new GatewayError('SlowDown')
    }
    await signed({ method: 'GET', path: url })
    expect(used).toEqual([alice.accessKeyId, alice.accessKeyId])
  })

  it('that is a preflight needs no credentials, and wrong ones do not matter (P-026)', async () => {
    const url = '/photos/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00'
    expect(await app.inject({ method: 'OPTIONS', url })).toMatchObject({ statusCode: 200 })
  })
})

describe('a request with text', () => {
  const tell = (payload: string | Buffer) => signed({ method: 'PUT', path: '/photos?policy', payload })

  it('reaches the operation byte for byte', async () => {
    let told = ''
    perform = async ({ text }) => {
      told = text
      return done()
    }
    await tell('\ufeff {"a":\r\n"ä"} ')
    expect(told).toBe('\ufeff {"a":\r\n"ä"} ')
  })

  it('that is too long, or no UTF-8, is refused before the operation runs', async () => {
    perform = () => Promise.reject(new Error('it ran'))
    expect(codeOf(await tell('x'.repeat(21)))).toBe('EntityTooLarge')
    expect(codeOf(await tell(Buffer.from([0x7b, 0xff])))).toBe('MalformedPolicy')
  })
})

describe('a cross-origin request (P-197)', () => {
  const origin = { origin: 'https://example.com' }

  beforeEach(async () => {
    const store = createMemoryNamespace()
    await store.as(alice).buckets.create('photos', { ownership: { rule: 'BucketOwnerEnforced' } })
    const rules = [{ allowedMethods: ['GET'], allowedOrigins: ['https://*.com'] }]
    await store.as(alice).documents.write('photos', 'cors', { rules })
    await app.close()
    await start({ namespace: { as: (caller) => store.as(caller ?? { canonicalId: '', displayName: '' }) } })
  })

  it('has the headers of its rule on every answer: 200, 403 and 404', async () => {
    const answers = [
      await signed({ method: 'GET', path: '/photos/k', unsigned: origin }),
      await app.inject({ method: 'GET', url: '/photos/k', headers: origin }),
    ]
    perform = () => Promise.reject(new GatewayError('NoSuchKey'))
    answers.push(await signed({ method: 'GET', path: '/photos/k', unsigned: origin }))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 403, 404])
    for (const { headers } of answers)
      expect(headers).toMatchObject({
        'access-control-allow-origin': origin.origin,
        'access-control-allow-methods': 'GET',
      })
  })

  it('of another method, another origin or another bucket has none', async () => {
    for (const [method, url, from] of [
      ['PUT', '/photos/k', origin.origin],
      ['GET', '/photos/k', 'https://example.org'],
      ['GET', '/films/k', origin.origin],
      ['GET', '/', origin.origin],
    ] as const) {
      const { headers } = await app.inject({ method, url, headers: { origin: from } })
      expect(headers).not.toHaveProperty('access-control-allow-origin')
    }
  })
})

describe('every answer', () => {
  it('carries both request ids, and an error the same one in its XML (P-017)', async () => {
    const answers = [
      await signed({ method: 'GET', path: '/photos/k' }),
      await app.inject({ method: 'GET', url: '/photos/k' }),
      await app.inject({ method: 'HEAD', url: '/photos/k' }),
      await app.inject({ method: 'GET', url: '/photos/%zz' }),
      await app.inject({ method: 'PATCH', url: '/photos/k' }),
      // A method that Node knows and Fastify does not.
      await app.inject({ method: 'PROPFIND' as 'GET', url: '/photos/k' }),
    ]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 403, 403, 400, 405, 405])
    for (const { headers, body } of answers) {
      expect(headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/)
      expect(headers['x-amz-id-2']).toMatch(/^.{44}$/)
      expect(headers.date).toBeDefined()
      if (body.startsWith('<?xml')) expect(body).toContain(`<RequestId>${headers['x-amz-request-id']}</RequestId>`)
    }
    expect(new Set(answers.map(({ headers }) => headers['x-amz-request-id'])).size).toBe(answers.length)
  })

  it('to HEAD has no body, errors included (P-018)', async () => {
    const answer = await app.inject({ method: 'HEAD', url: '/photos/k' })
    expect(answer).toMatchObject({ statusCode: 403, body: '' })
  })

  it('to what nobody foresaw is InternalError without a word of why, and one error line with all of it', async () => {
    perform = () => Promise.reject(new Error('the secret path /mnt/x'))
    const answer = await signed({ method: 'GET', path: '/photos/k' })
    expect(codeOf(answer)).toBe('InternalError')
    expect(answer.body).not.toContain('secret')
    const errors = lines.filter(({ level }) => level === 'error')
    expect(errors).toMatchObject([{ operation: 'GetObject', requestId: answer.headers['x-amz-request-id'] }])
    expect(JSON.stringify(errors)).toContain('the secret path /mnt/x')
  })
})

describe('who may', () => {
  it('a missing bucket is 404 for everybody, before any word about rights (P-203)', async () => {
    expect(codeOf(await app.inject({ method: 'GET', url: '/missing/k' }))).toBe('NoSuchBucket')
    expect(codeOf(await signed({ method: 'GET', path: '/missing/k' }))).toBe('NoSuchBucket')
  })

  it('a wrong signature is refused before the bucket is looked for', async () => {
    const headers = {
      authorization:
        'AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00',
    }
    const answer = await app.inject({ method: 'GET', url: '/missing/k', headers })
    expect(codeOf(answer)).not.toBe('NoSuchBucket')
    expect(answer.statusCode).toBeGreaterThanOrEqual(400)
  })

  it('strangers and anonymous callers are denied, and the log says why at debug', async () => {
    let ran = false
    perform = async () => {
      ran = true
      return done()
    }
    expect(codeOf(await signed({ method: 'GET', path: '/photos/k' }, bob))).toBe('AccessDenied')
    expect(codeOf(await app.inject({ method: 'GET', url: '/photos/k' }))).toBe('AccessDenied')
    expect(ran).toBe(false)
    expect(lines.filter(({ msg }) => msg === 'denied')).toMatchObject([
      {
        level: 'debug',
        ...{ action: 's3:GetObject', bucket: 'photos', key: 'k' },
        ...{ accessKey: 'KEYbob', user: 'bob', groups: ['staff'] },
        posix: { uid: 1002, gid: 100, groups: [] },
        reason: 'bob does not own the bucket and nothing else allows s3:ListBucket',
      },
      { level: 'debug', reason: expect.stringContaining('anonymous') },
    ])
    expect(lines[0]).not.toHaveProperty('accessKeyId')
  })

  it('what is refused in spite of the decision is a denial in the log as well, once', async () => {
    const denials = () => lines.filter(({ msg }) => msg === 'denied')
    perform = () => Promise.reject(new GatewayError('AccessDenied', { message: 'It is locked.' }))
    await signed({ method: 'GET', path: '/photos/k' })
    expect(denials()).toMatchObject([{ user: 'alice', action: 's3:GetObject', key: 'k', reason: 'It is locked.' }])
    perform = () => Promise.reject(new GatewayError('NoSuchKey'))
    await signed({ method: 'GET', path: '/photos/k' })
    expect(denials()).toHaveLength(1)
    await signed({ method: 'GET', path: '/photos/k' }, bob)
    expect(denials()).toHaveLength(2)
  })

  it('with enforcement kernel the log says which file refuses, after the answer', async () => {
    const store = createMemoryNamespace()
    await store.as(alice).buckets.create('photos', { ownership: { rule: 'BucketOwnerEnforced' } })
    await app.close()
    const file = { path: '/t/photos/k', type: 'file', mode: 0o600, uid: 0, gid: 0, acl: undefined } as const
    await start({
      config: loadConfig(undefined, { identity: { enforcement: 'kernel' } }, {}),
      namespace: {
        as: (caller) => store.as(caller ?? { canonicalId: '', displayName: '' }),
        path: async () => ({ kind: 'whole', components: [file] }),
      },
      directory: directoryOf({ ...alice, posix: { uid: 1000, gid: 1000, groups: [] } }),
    })
    perform = () => Promise.reject(new GatewayError('AccessDenied'))
    await signed({ method: 'GET', path: '/photos/k' })
    await vi.waitFor(() =>
      expect(lines.filter(({ msg }) => msg === 'denied')).toMatchObject([
        { user: 'alice', files: { path: '/t/photos/k', mode: '-rw------- 0:0', text: 'other may not read' } },
      ]),
    )
  })

  it('a copy needs a right to its source as well', async () => {
    const copy = (source: string) =>
      signed({ method: 'PUT', path: '/photos/k', headers: { 'x-amz-copy-source': source } })
    expect(await copy('/photos/other')).toMatchObject({ statusCode: 200 })
    expect(codeOf(await copy('/secrets/other'))).toBe('AccessDenied')
    expect(codeOf(await copy('/secrets%2Fother'))).toBe('AccessDenied')
    expect(codeOf(await copy('/missing/other'))).toBe('NoSuchBucket')
  })

  it('any user may create a bucket, for which there is none to look at', async () => {
    expect(await signed({ method: 'PUT', path: '/new' })).toMatchObject({ statusCode: 200 })
    expect(codeOf(await app.inject({ method: 'PUT', url: '/new' }))).toBe('AccessDenied')
  })

  it('an expected bucket owner that is another is 403', async () => {
    const headers = { 'x-amz-expected-bucket-owner': bob.canonicalId }
    expect(codeOf(await signed({ method: 'GET', path: '/photos/k', headers }))).toBe('AccessDenied')
  })
})

describe('the request line of the log', () => {
  it('hides keys where that is configured', async () => {
    await app.close()
    await start({ config: loadConfig(undefined, { log: { keys: 'hash' } }, {}) })
    await signed({ method: 'GET', path: '/photos/a/b' })
    expect(lines.at(-1)?.key).toMatch(/^[0-9a-f]{16}$/)
    expect(JSON.stringify(lines)).not.toContain('a/b')
  })
})

describe('the audit file', () => {
  let audited: Record<string, unknown>[]
  const audit = { write: (line: object) => void audited.push(JSON.parse(JSON.stringify(line))) }

  beforeEach(async () => {
    audited = []
    await app.close()
    await start({ audit })
  })

  it('says who did what and which line allowed it', async () => {
    await app.listen({ port: 0, host: '127.0.0.1' })
    const path = '/photos/a%20b?versionId=null'
    const answer = await send({ method: 'GET', path, headers: presign(path) })
    await until(() => audited.length > 0)
    expect(audited).toEqual([
      {
        time: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
        requestId: answer.headers['x-amz-request-id'],
        ...{ user: 'alice', canonicalId: alice.canonicalId, accessKeyId: 'KEYalice', client: '127.0.0.1' },
        ...{ operation: 'GetObject', action: 's3:GetObjectVersion', resource: 'arn:aws:s3:::photos/a b' },
        ...{ versionId: 'null', verdict: 'allow', reason: 'alice owns the bucket' },
        ...{ status: 200, bytesIn: 0, bytesOut: 4, ms: expect.any(Number) },
      },
    ])
  })

  it("says which line denied it, with S3's code", async () => {
    await signed({ method: 'GET', path: '/photos/k' }, bob)
    expect(audited).toMatchObject([
      {
        ...{ user: 'bob', action: 's3:GetObject', resource: 'arn:aws:s3:::photos/k', verdict: 'deny' },
        reason: 'bob does not own the bucket and nothing else allows s3:ListBucket',
        ...{ status: 403, code: 'AccessDenied' },
      },
    ])
  })

  it('names both sides of a copy, the one that is denied first', async () => {
    const copy = (source: string) =>
      signed({ method: 'PUT', path: '/photos/k', headers: { 'x-amz-copy-source': source } })
    await copy('/photos/other')
    await copy('/secrets/other')
    const put = { action: 's3:PutObject', resource: 'arn:aws:s3:::photos/k', verdict: 'allow' }
    expect(audited).toMatchObject([
      { ...put, also: [{ action: 's3:GetObject', resource: 'arn:aws:s3:::photos/other', verdict: 'allow' }] },
      { action: 's3:GetObject', resource: 'arn:aws:s3:::secrets/other', verdict: 'deny', also: [put] },
    ])
  })

  it('has the code for the reason of what ended before a decision, or in spite of it', async () => {
    perform = () => Promise.reject(new GatewayError('AccessDenied'))
    await signed({ method: 'GET', path: '/missing/k' })
    await app.inject({ method: 'GET', url: '/photos/%zz' })
    await app.inject({ method: 'PATCH', url: '/photos/k' })
    await signed({ method: 'GET', path: '/photos/k' })
    perform = () => Promise.reject(new GatewayError('NoSuchKey'))
    await signed({ method: 'GET', path: '/photos/k' })
    expect(audited).toMatchObject([
      { action: 's3:GetObject', resource: 'arn:aws:s3:::missing/k', verdict: 'refuse', reason: 'NoSuchBucket' },
      { operation: 'unknown', verdict: 'refuse', reason: 'InvalidURI', status: 400 },
      { operation: 'unknown', verdict: 'refuse', reason: 'MethodNotAllowed' },
      { action: 's3:GetObject', user: 'alice', verdict: 'refuse', reason: 'AccessDenied' },
      { action: 's3:GetObject', verdict: 'allow', reason: 'alice owns the bucket', code: 'NoSuchKey', status: 404 },
    ])
    expect(audited[1]).not.toHaveProperty('resource')
  })

  it('names the access key whose signature does not fit, and never what is no access key', async () => {
    const secret = 'secret of alice'
    const headers = signatureOf({ method: 'GET', path: '/photos/k' }, alice).headers
    await app.inject({ method: 'GET', url: '/photos/other', headers })
    const swapped = String(headers.Authorization).replace('KEYalice', secret.replaceAll(' ', '-'))
    await app.inject({ method: 'GET', url: '/photos/k', headers: { ...headers, Authorization: swapped } })
    expect(audited).toMatchObject([
      { accessKeyId: 'KEYalice', verdict: 'refuse', reason: 'SignatureDoesNotMatch' },
      { verdict: 'refuse', reason: 'InvalidAccessKeyId' },
    ])
    expect(audited[0]).not.toHaveProperty('user')
    expect(audited[1]).not.toHaveProperty('accessKeyId')
  })

  it('has no secret, signature or token, wherever these stand', async () => {
    const query = 'X-Amz-Signature=the-signature&X-Amz-Security-Token=the-token&x-amz-meta-a=the-meta'
    await app.inject({ method: 'GET', url: `/photos/k?${query}` })
    await signed({ method: 'GET', path: '/photos/k', headers: { 'x-amz-security-token': 'the-token' } })
    await signed({ method: 'PUT', path: '/photos/k', headers: { 'x-amz-meta-a': 'the-meta' }, payload: 'the-payload' })
    const { headers } = signatureOf({ method: 'GET', path: '/photos/k' }, alice)
    await app.inject({ method: 'GET', url: '/photos/k', headers })
    expect(audited).toHaveLength(4)
    const signature = /Signature=([0-9a-f]{64})/.exec(String(headers.Authorization))?.[1]
    expect(signature).toBeDefined()
    for (const word of ['the-', 'secret of', signature]) expect(JSON.stringify(audited)).not.toContain(word)
  })

  it('has a line for each key of a DeleteObjects, with what became of it', async () => {
    await app.close()
    const store = createMemoryNamespace()
    await store.as(alice).buckets.create('photos', { ownership: { rule: 'BucketOwnerEnforced' } })
    const Statement = [
      { Effect: 'Allow', Principal: '*', Action: 's3:DeleteObject*', Resource: 'arn:aws:s3:::photos/*' },
      { Sid: 'Kept', Effect: 'Deny', Principal: '*', Action: 's3:DeleteObject', Resource: 'arn:aws:s3:::photos/b' },
    ]
    const text = JSON.stringify({ Version: '2012-10-17', Statement })
    await store.as(alice).documents.write('photos', 'policy', { text })
    await start({ audit, operations: [deleteObjects], namespace: { as: (caller) => store.as(caller ?? bob) } })
    const object = (key: string, more = '') => `<Object><Key>${key}</Key>${more}</Object>`
    const payload = `<Delete>${object('a')}${object('b')}${object('c', '<VersionId>no-id</VersionId>')}</Delete>`
    const sum = { 'content-md5': createHash('md5').update(payload).digest('base64') }
    const answer = await signed({ method: 'POST', path: '/photos?delete', headers: sum, payload }, bob)
    expect(answer.statusCode).toBe(200)
    const requestId = answer.headers['x-amz-request-id']
    const about = (key: string) => ({ requestId, user: 'bob', resource: `arn:aws:s3:::photos/${key}` })
    const says = (pattern: RegExp) => expect.stringMatching(pattern)
    expect(audited).toMatchObject([
      { requestId, resource: 'arn:aws:s3:::photos', verdict: 'deny', reason: '2 of 3 keys are allowed', status: 200 },
      { ...about('a'), action: 's3:DeleteObject', verdict: 'allow', reason: says(/ of the bucket policy allows$/) },
      {
        ...about('b'),
        action: 's3:DeleteObject',
        verdict: 'deny',
        reason: says(/Kept.* denies$/),
        code: 'AccessDenied',
      },
      { ...about('c'), action: 's3:DeleteObjectVersion', versionId: 'no-id', verdict: 'allow', code: 'NoSuchVersion' },
    ])
    expect(audited[1]).not.toHaveProperty('code')
  })

  it('has one line where nginx asks before the body: of the refusal, or of the request that follows', async () => {
    await app.close()
    await start({ audit, behindNginx: true })
    const precheck = { 'x-causeway-front': '0123456789abcdef https 203.0.113.9 precheck 5' }
    await app.inject({ method: 'PUT', url: '/missing/k', headers: precheck })
    expect(audited).toEqual([])
    await app.inject({ method: 'PUT', url: '/photos/k', headers: precheck })
    expect(audited).toMatchObject([{ requestId: '0123456789abcdef', client: '203.0.113.9', verdict: 'deny' }])
  })
})

describe('behind nginx', () => {
  const front = { 'x-causeway-front': '0123456789abcdef https 203.0.113.9' }

  it('id, scheme and client address are what nginx says', async () => {
    await app.close()
    await start({ behindNginx: true })
    let endpoint = ''
    perform = async (call) => {
      endpoint = call.endpoint
      return done()
    }
    const answer = await signed({ method: 'GET', path: '/photos/k', unsigned: front })
    expect(answer.headers['x-amz-request-id']).toBe('0123456789abcdef')
    expect(endpoint).toBe('https://s3.example.com')
    expect(lines.at(-1)).toMatchObject({ client: '203.0.113.9', requestId: '0123456789abcdef' })
  })

  it('without nginx nobody is believed', async () => {
    const answer = await signed({ method: 'GET', path: '/photos/k', unsigned: front })
    expect(answer.headers['x-amz-request-id']).not.toBe('0123456789abcdef')
    expect(lines.at(-1)?.client).not.toBe('203.0.113.9')
  })

  it('a pre-check says no before the body, or nothing at all; the operation does not run', async () => {
    await app.close()
    await start({ behindNginx: true })
    let ran = false
    perform = async () => {
      ran = true
      return done()
    }
    const precheck = { 'x-causeway-front': '0123456789abcdef https 203.0.113.9 precheck 5000000' }
    const refused = await app.inject({ method: 'PUT', url: '/photos/k', headers: precheck })
    expect(refused.statusCode).toBe(403)
    expect(refused.headers['x-causeway-refusal']).toMatch(/^<\?xml .*<Code>AccessDenied<\/Code>.*<\/Error>$/)
    expect(refused.headers['x-causeway-refusal']).toContain('<RequestId>0123456789abcdef</RequestId>')
    // Not found is for the real request to say.
    expect((await app.inject({ method: 'PUT', url: '/missing/k', headers: precheck })).statusCode).toBe(204)
    // Content-Length is signed, and not sent along by nginx.
    const allowed = await signed({
      method: 'PUT',
      path: '/photos/k',
      headers: { 'content-length': '5000000' },
      unsigned: precheck,
      drop: 'content-length',
    })
    expect(allowed.statusCode).toBe(204)
    expect(ran).toBe(false)
  })
})

describe('over a real socket', () => {
  let port: number
  const failures: unknown[] = []
  const note = (error: unknown) => failures.push(error)

  beforeEach(async () => {
    await app.listen({ port: 0, host: '127.0.0.1' })
    port = portOf()
    failures.length = 0
    process.on('unhandledRejection', note)
  })
  afterEach(() => {
    process.off('unhandledRejection', note)
    expect(failures).toEqual([])
  })

  it('the raw URL reaches the operation with nothing of the key lost', async () => {
    const calls: Call[] = []
    perform = async (call) => {
      calls.push(call)
      return done()
    }
    const keys = {
      '/a%2Fb//c;d': '/a/b//c;d',
      'a/./b/../%2e%2E/': 'a/./b/../../',
      'a%2Bb%20c': 'a+b c',
      'a%00b': 'a\0b',
      ['%C3%A4'.repeat(500)]: 'ä'.repeat(500),
    }
    for (const raw of Object.keys(keys)) {
      const path = `/photos/${raw}?x-id=GetObject`
      const answer = await send({ method: 'GET', path, headers: presign(path) })
      expect(answer).toMatchObject({ status: 200, body: 'done' })
    }
    expect(calls.map(({ key }) => key)).toEqual(Object.values(keys))
    expect(calls[0]).toMatchObject({ bucket: 'photos', identity: alice, now: NOW, s3: { region: 'us-east-1' } })
    expect(calls[0]?.query.names()).toEqual(['x-id'])
  })

  it('the log line says who did what, and no signature', async () => {
    const path = '/photos/a/b'
    const answer = await send({ method: 'GET', path, headers: presign(path) })
    await until(() => lines.length > 0)
    expect(lines).toEqual([
      {
        ...{ level: 'info', time: expect.any(Number), requestId: answer.headers['x-amz-request-id'] },
        ...{ operation: 'GetObject', bucket: 'photos', key: 'a/b', status: 200 },
        ...{ user: 'alice', accessKey: 'KEYalice', client: '127.0.0.1', bytesIn: 0, bytesOut: 4 },
        ...{ ms: expect.any(Number), authMs: expect.any(Number), runMs: expect.any(Number) },
      },
    ])
    await send({ method: 'GET', path: '/photos/%zz?X-Amz-Signature=secret&a=b' })
    expect(lines.at(-1)).toMatchObject({
      target: 'GET /photos/%zz?X-Amz-Signature=-&a=b',
      status: 400,
      code: 'InvalidURI',
    })
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it.each([
    ['garbage', 'no http at all\r\n\r\n', 400, 'BadRequest'],
    ['an unknown method', 'FOO / HTTP/1.1\r\nHost: h\r\n\r\n', 400, 'BadRequest'],
    ['Content-Length: -1', 'PUT /photos/k HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n', 400, 'BadRequest'],
    [
      'headers of 200 kB',
      `GET / HTTP/1.1\r\nHost: h\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`,
      400,
      'RequestHeaderSectionTooLarge',
    ],
  ])('%s is answered with S3 XML (P-008, P-012)', async (_name, text, status, code) => {
    const answer = await raw(text)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toContain(`<Code>${code}</Code>`)
    expect(answer).toMatch(/\r\nx-amz-request-id: [0-9A-F]{16}\r\n/)
  })

  it('headers of 120 kB reach the operation, which can say what is wrong with them (P-013)', async () => {
    let metadata = 0
    perform = async ({ headers }) => {
      metadata = headers.startingWith('x-amz-meta-').length
      return done()
    }
    const path = '/photos/k'
    const flood = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`x-amz-meta-${index}`, 'm'.repeat(4000)]),
    )
    const { headers } = signatureOf({ method: 'GET', path, headers: flood })
    expect(await send({ method: 'GET', path, headers })).toMatchObject({ status: 200 })
    expect(metadata).toBe(30)
  })

  it('no Host is no reason to answer without a body', async () => {
    expect(await raw('GET /photos/k HTTP/1.0\r\n\r\n')).toContain('<Code>AccessDenied</Code>')
  })

  it('a client that vanishes in the middle of its body ends the operation with an error', async () => {
    const ended = Promise.withResolvers<unknown>()
    perform = async ({ bytes }) => {
      try {
        for await (const _ of bytes.bytes);
        ended.resolve('read to the end')
      } catch (error) {
        ended.resolve(error)
        throw error
      }
      return done()
    }
    const socket = connect(port, '127.0.0.1')
    const { headers } = signatureOf({ method: 'PUT', path: '/photos/k', headers: { 'content-length': '1000000' } })
    socket.write(`PUT /photos/k HTTP/1.1\r\n${headerLines(headers)}\r\n${'x'.repeat(1000)}`)
    await sleep(100)
    socket.resetAndDestroy()
    expect(await ended.promise).toBeInstanceOf(Error)
    await until(() => lines.some(({ broken }) => broken === true))
    expect(lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('after an early error with an unread body the next request on the connection works (P-005)', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const payload = Buffer.alloc(5_000_000, 'x')
    const ports = new Set<number | undefined>()
    for (let round = 0; round < 3; round++) {
      const refused = await send({ method: 'PUT', path: '/photos/k', agent }, payload)
      expect(refused).toMatchObject({ status: 403, body: expect.stringContaining('AccessDenied') })
      ports.add(refused.clientPort)
    }
    const { headers } = signatureOf({ method: 'GET', path: '/photos/k' })
    const answered = await send({ method: 'GET', path: '/photos/k', agent, headers })
    expect(answered).toMatchObject({ status: 200, body: 'done' })
    expect(new Set([...ports, answered.clientPort]).size).toBe(1)
    agent.destroy()
  })

  it('an operation that fails half-way through the body is answered too', async () => {
    perform = async ({ bytes }) => {
      for await (const _ of bytes.bytes) throw new GatewayError('InvalidRequest', { message: 'enough' })
      return done()
    }
    const payload = Buffer.alloc(5_000_000, 'x')
    const { headers } = signatureOf({ method: 'PUT', path: '/photos/k', headers: { 'content-length': '5000000' } })
    const answer = await send({ method: 'PUT', path: '/photos/k', headers }, payload)
    expect(answer).toMatchObject({ status: 400, body: expect.stringContaining('enough') })
  })

  it('"Expect: 100-continue" is answered 403 before the body, and the connection closes (P-001, P-005)', async () => {
    const answer = await raw('PUT /photos/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1.1 403 /)
    expect(answer).toMatch(/\r\nConnection: close\r\n/i)
  })

  it('"Expect: 100-Continue" is answered 100 when the operation wants the body (P-004)', async () => {
    perform = async ({ bytes }) => {
      for await (const _ of bytes.bytes);
      return done()
    }
    const { headers } = signatureOf({ method: 'PUT', path: '/photos/k', headers: { 'content-length': '4' } })
    const head = `PUT /photos/k HTTP/1.1\r\n${headerLines({ ...headers, expect: '100-Continue', connection: 'close' })}\r\n`
    const answer = await raw(head, { waitFor: '100 Continue', follow: 'body' })
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
  })

  it('any other expectation is ignored (P-003)', async () => {
    for (const expectation of ['200', '']) {
      const answer = await raw(
        `GET /photos/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: ${expectation}\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1.1 403 /)
    }
  })
})

it('a worker that is leaving closes each connection with its answer', async () => {
  await app.close()
  let draining = false
  await start({ isDraining: () => draining })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const port = portOf()
  const { headers } = signatureOf({ method: 'GET', path: '/photos/k' })
  const ask = () => sendTo(port, { method: 'GET', path: '/photos/k', headers, agent: new Agent({ keepAlive: true }) })
  expect((await ask()).headers.connection).toBe('keep-alive')
  draining = true
  expect((await ask()).headers.connection).toBe('close')
  expect(
    (await sendTo(port, { method: 'GET', path: '/photos/k', agent: new Agent({ keepAlive: true }) })).headers
      .connection,
  ).toBe('close')
})

it('an overloaded worker answers SlowDown', async () => {
  await app.close()
  await start({ overloadDelayMs: 5 })
  const end = Date.now() + 2500
  while (Date.now() < end) {
    const busy = Date.now() + 100
    while (Date.now() < busy);
    await new Promise(setImmediate)
  }
  const answer = await app.inject({ method: 'GET', url: '/photos/k' })
  expect(answer.statusCode).toBe(503)
  expect(codeOf(answer)).toBe('SlowDown')
  expect(answer.headers['x-amz-request-id']).toBeDefined()
})

function identityOf(userName: string): Identity {
  const canonicalId = Buffer.from(userName).toString('hex').padEnd(64, '0')
  return { canonicalId, displayName: userName, userName, groups: [], accessKeyId: `KEY${userName}` }
}

function directoryOf(...identities: Identity[]): Directory {
  return {
    findByAccessKey: async (id) => {
      const identity = identities.find(({ accessKeyId }) => accessKeyId === id)
      return identity && { secret: `secret of ${identity.userName}`, identity }
    },
    authenticate: async () => undefined,
    findByCanonicalId: async () => undefined,
    findByEmail: async () => undefined,
    findByUid: async () => undefined,
    findByUserId: async () => undefined,
    close: async () => {},
  }
}

type Ask = {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly path: string
  readonly host?: string
  readonly headers?: Record<string, string>
  /** Added after signing. */
  readonly unsigned?: Record<string, string>
  /** Taken away after signing. */
  readonly drop?: string
  readonly payload?: string | Buffer
}

function signatureOf({ method, path, host = 's3.example.com', headers = {} }: Ask, who = alice) {
  const hash = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  const credentials = { accessKeyId: who.accessKeyId, secretAccessKey: `secret of ${who.userName}` }
  const options = { service: 's3', region: 'us-east-1', method, path, host, headers: { host, ...hash, ...headers } }
  const signedRequest = sign(options, credentials)
  return {
    headers: Object.fromEntries(
      Object.entries(signedRequest.headers ?? {}).map(([name, value]) => [name, String(value)]),
    ),
  }
}

/** Headers that sign exactly this target: aws4 takes dot segments out of paths, unless it is told not to. */
function presign(path: string): Record<string, string> {
  return signatureOf({ method: 'GET', path }).headers
}

async function signed(ask: Ask, who = alice) {
  const { headers } = signatureOf(ask, who)
  if (ask.drop !== undefined) delete headers[ask.drop]
  const payload = ask.payload === undefined ? {} : { payload: ask.payload }
  return app.inject({ method: ask.method, url: ask.path, headers: { ...headers, ...ask.unsigned }, ...payload })
}

const codeOf = ({ body }: { body: string }) => /<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? ''
const headerLines = (headers: Record<string, string>) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

const portOf = () => (app.server.address() as AddressInfo).port // it listens on TCP
const send = (options: Parameters<typeof sendTo>[1], payload?: Buffer) => sendTo(portOf(), options, payload)
const raw = (text: string, options?: Parameters<typeof sendRaw>[2]) => sendRaw(portOf(), text, options)

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass within five seconds')
    await sleep(20)
  }
}
