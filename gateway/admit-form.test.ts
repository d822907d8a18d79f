/** Upload forms through the whole app: over a real port, with the signature in the fields. */

import { createHmac } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Directory } from '#auth'
import type { Caller } from '#namespace'
import { createApp } from './app.ts'
import { type ConfigOverrides, loadConfig } from './config.ts'
import { createMetrics } from './metrics.ts'
import { postObject } from './operations/post-object.ts'
import { alice, bob, sessionsOf, tokensOf } from './operations/testing/call-operation.ts'
import { createMemoryNamespace } from './operations/testing/memory-namespace.ts'
import { send, sendRaw } from './testing/http.ts'

const NOW = new Date('2026-11-20T12:00:00Z')
const DAY = '20261120'
const type = 'multipart/form-data; boundary=line'

const directory: Directory = {
  findByAccessKey: async (id) => {
    const identity = [alice, bob].find(({ accessKeyId }) => accessKeyId === id)
    return identity && { secret: `secret of ${identity.userName}`, identity }
  },
  findByCanonicalId: async () => undefined,
  findByEmail: async () => undefined,
  findByUid: async () => undefined,
  findByUserId: async () => undefined,
  authenticate: async () => undefined,
  close: async () => {},
}

type Fields = Readonly<Record<string, string>>

let app: FastifyInstance
let namespace: ReturnType<typeof createMemoryNamespace>
let lines: Record<string, unknown>[]
let used: string[]

async function start(s3: ConfigOverrides['s3'] = {}): Promise<void> {
  namespace = createMemoryNamespace(() => NOW)
  await namespace.as(alice).buckets.create('photos')
  const anonymous: Caller = { canonicalId: '', displayName: '' }
  lines = []
  used = []
  app = createApp({
    config: loadConfig(undefined, { s3, limits: { body_timeout_seconds: 1 } }, {}),
    namespace: { as: (caller) => namespace.as(caller ?? anonymous) },
    directory,
    tokens: tokensOf(),
    sessions: sessionsOf(),
    operations: [postObject],
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    metrics: createMetrics({ worker: 0 }),
    now: () => NOW,
    keyUsed: (accessKeyId) => used.push(accessKeyId),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
}

beforeEach(() => start())
afterEach(() => app.close())

describe('a signed form', () => {
  it('is stored for whoever signed it', async () => {
    expect(await post(signed({ key: 'cat.jpg' }))).toMatchObject({ status: 204 })
    expect(await stat('cat.jpg')).toMatchObject({ sizeBytes: 4, owner: { canonicalId: alice.canonicalId } })
    expect(lines.at(-1)).toMatchObject({ operation: 'PostObject', user: 'alice', accessKey: 'AKALICE', status: 204 })
    expect(used).toEqual(['AKALICE'])
  })

  it('lets nobody do what their key may not', async () => {
    const answer = await post(signed({ key: 'cat.jpg' }, { who: bob }))
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('<Code>AccessDenied</Code>') })
    await expect(stat('cat.jpg')).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it('is held against its policy', async () => {
    const { key: _key, ...fields } = signed({ key: 'cat.jpg' })
    expect((await post({ ...fields, key: 'dog.jpg' })).body).toContain('Policy Condition failed')
    const limited = signed({ key: 'cat.jpg' }, { conditions: [['content-length-range', 0, 3]] })
    expect((await post(limited)).body).toContain('<Code>EntityTooLarge</Code>')
    await expect(stat('cat.jpg')).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it('of version 2 is accepted where the configuration says so', async () => {
    expect((await post(signedVersion2({ key: 'cat.jpg' }))).body).toContain('<Code>InvalidRequest</Code>')
    await app.close()
    await start({ sigv2_post: true })
    expect(await post(signedVersion2({ key: 'cat.jpg' }))).toMatchObject({ status: 204 })
  })

  it('says NoSuchBucket', async () => {
    const fields = signed({ key: 'cat.jpg' }, { bucket: 'nowhere' })
    expect((await post(fields, { path: '/nowhere' })).body).toContain('<Code>NoSuchBucket</Code>')
  })
})

it('a form without credentials is anonymous', async () => {
  expect((await post({ key: 'cat.jpg' })).body).toContain('<Code>AccessDenied</Code>')
  expect(lines.at(-1)).not.toHaveProperty('user')
})

it('a post of anything else is told what a form is (P-058)', async () => {
  const answer = await send(port(), { method: 'POST', path: '/photos', headers: { 'content-type': 'text/plain' } }, 'a')
  expect(answer.status).toBe(412)
  expect(answer.body).toContain('<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>')
})

describe('a form that breaks', () => {
  const whole = () => bodyOf(signed({ key: 'cat.jpg' })).toString('latin1')
  const head = (lengthBytes: number) =>
    `POST /photos HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: ${lengthBytes}\r\n\r\n`

  it.each([
    ['in its fields', (body: string) => body.slice(0, 100)],
    ['in its file', (body: string) => body.slice(0, -14)],
  ])('off %s, and says nothing more, is told so and leaves nothing', async (_where, cut) => {
    const body = whole()
    const answer = await sendRaw(port(), head(body.length) + cut(body))
    expect(answer).toContain('<Code>RequestTimeout</Code>')
    await expect(stat('cat.jpg')).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it('off with its connection leaves nothing', async () => {
    const body = whole()
    await sendRaw(port(), head(body.length) + body.slice(0, -14), { waitMs: 100 })
    await expect.poll(() => lines.at(-1)).toMatchObject({ operation: 'PostObject', code: 'IncompleteBody' })
    await expect(stat('cat.jpg')).rejects.toMatchObject({ code: 'NoSuchKey' })
  })

  it('its limits is answered at once', async () => {
    const answer = await post({ ...signed({ key: 'cat.jpg' }), note: 'x'.repeat(1_000_000) })
    expect(answer.body).toContain('<Code>MaxPostPreDataLengthExceededError</Code>')
  })
})

const port = () => (app.server.address() as AddressInfo).port // it listens on TCP
const stat = (key: string) => namespace.as(alice).objects.stat({ bucket: 'photos', key })

function post(fields: Fields, { path = '/photos' } = {}) {
  return send(port(), { method: 'POST', path, headers: { 'content-type': type } }, bodyOf(fields))
}

function bodyOf(fields: Fields): Buffer {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--line\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const file = '--line\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\nmeow\r\n--line--'
  return Buffer.from(`${parts.join('')}${file}`)
}

function policyOf(fields: Fields, bucket: string, conditions: readonly unknown[]): string {
  const each = Object.entries(fields).map(([name, value]) => ({ [name]: value }))
  const document = { expiration: '2026-11-20T13:00:00Z', conditions: [{ bucket }, ...each, ...conditions] }
  return Buffer.from(JSON.stringify(document)).toString('base64')
}

/** The four steps of the documentation, written out, so that nothing of ours signs. */
function signed(
  fields: Fields,
  { who = alice, bucket = 'photos', conditions = [] as readonly unknown[] } = {},
): Fields {
  const all = {
    ...fields,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${who.accessKeyId}/${DAY}/us-east-1/s3/aws4_request`,
    'X-Amz-Date': `${DAY}T000000Z`,
  }
  const policy = policyOf(all, bucket, conditions)
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const dayKey = hmac(`AWS4secret of ${who.userName}`, DAY)
  const signingKey = hmac(hmac(hmac(dayKey, 'us-east-1'), 's3'), 'aws4_request')
  return { ...all, Policy: policy, 'X-Amz-Signature': hmac(signingKey, policy).toString('hex') }
}

function signedVersion2(fields: Fields): Fields {
  const policy = policyOf(fields, 'photos', [])
  const signature = createHmac('sha1', `secret of ${alice.userName}`).update(policy).digest('base64')
  return { ...fields, AWSAccessKeyId: alice.accessKeyId, policy, signature }
}
