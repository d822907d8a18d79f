import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authenticateRequest } from './authenticate-request.ts'
import { AuthError } from './errors.ts'
import type { ReceivedRequest } from './request.ts'
import {
  alice,
  directory,
  encode,
  type Plain,
  presignWithAws4,
  presignWithSmithy,
  secret,
  sessions,
  signWithAws4,
  signWithSmithy,
} from './testing/signers.ts'

const at = '20130524T000000Z'
const now = new Date('2013-05-24T00:00:00Z')
const options = { directory, sessions, region: 'us-east-1', now }

const signers: readonly (readonly [string, (plain: Plain) => Promise<ReceivedRequest>])[] = [
  ['aws4 in headers', async (plain) => signWithAws4(plain, at)],
  ['aws4 presigned', async (plain) => presignWithAws4(plain, at)],
  ['@smithy/signature-v4 in headers', (plain) => signWithSmithy(plain, now)],
  ['@smithy/signature-v4 presigned', (plain) => presignWithSmithy(plain, now)],
]

const awkward = fc.constantFrom(
  ...[' ', '+', '%', '&', '=', '?', '#', '@', ':', ';', ',', '!', '(', ')', '*', "'", '"', '$', '~', '^', '|', '\\'],
  ...['\t', '\u0001', 'é', 'ß', '中', '🦊', '\u0301', '.', '..', '%2F', '%00', 'a', 'Z', '0', '-', '_'],
)
const text = fc.string({
  unit: fc.oneof({ weight: 2, arbitrary: awkward }, { weight: 1, arbitrary: fc.string() }),
  maxLength: 12,
})
const wellFormed = text.map((value) => value.toWellFormed())

/** Keys with empty segments, dots, and everything awkward. aws4 takes a leading `//` for a host, so a bucket comes first. */
const path = fc.array(wellFormed, { maxLength: 4 }).map((segments) => ['/bucket', ...segments.map(encode)].join('/'))

const parameterName = fc.oneof(
  fc.constantFrom('prefix', 'delimiter', 'uploads', 'acl', 'list-type', 'a', 'a-b', 'a.b', 'A', 'partNumber', 'x-id'),
  wellFormed.filter((name) => name !== '' && name !== '__proto__'),
)
/** Single values: aws4 takes only the first of several for S3; duplicates are tested with smithy below. */
const query = fc.dictionary(parameterName, wellFormed, { maxKeys: 5 })

/** What HTTP lets into a value, NBSP left out: aws4 takes it for white space while it signs, and sends it. */
const headerText = fc.string({
  unit: fc.constantFrom('a', 'B', '7', ' ', '  ', '\t', ',', ';', ':', '=', '"', '%41', '+', '/', '~', '\\'),
  maxLength: 12,
})
/** Latin-1 text, which both signers hash as UTF-8 and Node's http module sends as Latin-1. */
const latin1Text = fc.string({ unit: fc.constantFrom('a', ' ', 'é', 'ÿ', '¡', 'ß'), maxLength: 8 })
const headers = fc.dictionary(
  fc.constantFrom('x-amz-meta-one', 'x-amz-meta-a_b', 'x-amz-meta-a.b', 'x-amz-acl', 'content-type', 'range'),
  fc.oneof(headerText, latin1Text).map((value) => value.trim()),
  { maxKeys: 4 },
)

const payloadHash = fc.constantFrom(
  'UNSIGNED-PAYLOAD',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
)

const plainRequest: fc.Arbitrary<Plain> = fc
  .record({ method: fc.constantFrom('GET', 'PUT', 'HEAD', 'POST', 'DELETE'), path, query, headers, payloadHash })
  .map(({ payloadHash: hash, ...plain }) => ({ ...plain, headers: { ...plain.headers, 'x-amz-content-sha256': hash } }))

/** aws4 and smithy's presigner sign UNSIGNED-PAYLOAD whatever the header says. */
function unsignedPayload(plain: Plain): Plain {
  return { ...plain, headers: { ...plain.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }
}

async function codeOf(request: ReceivedRequest, from = options): Promise<string> {
  try {
    const { identity } = await authenticateRequest(request, from)
    return identity === undefined ? 'anonymous' : 'verified'
  } catch (error) {
    return error instanceof AuthError ? error.code : `crash: ${error}`
  }
}

describe.each(signers)('what %s signs', (name, signer) => {
  const signed = plainRequest.map((plain) => (name.includes('presigned') ? unsignedPayload(plain) : plain))

  it('verifies, whatever the key, the query and the headers', async () => {
    await fc.assert(
      fc.asyncProperty(signed, async (plain) => {
        const answer = await authenticateRequest(await signer(plain), options)
        expect(answer.identity).toEqual(alice)
        expect(answer.presigned).toBe(name.includes('presigned'))
      }),
      { numRuns: 300 },
    )
  })

  it('does not verify when one thing of it is changed', async () => {
    await fc.assert(
      fc.asyncProperty(signed, fc.nat(), fc.nat(), async (plain, which, where) => {
        const request = await signer(plain)
        const changed = mutations(request)
        const mutation = changed[which % changed.length]
        if (mutation === undefined) throw new Error('no mutation')
        const mutated = mutation(where)
        expect([await codeOf(mutated), mutated]).not.toContain('verified')
      }),
      { numRuns: 300 },
    )
  })

  it('does not verify with another secret', async () => {
    const request = await signer(unsignedPayload({ method: 'GET', path: '/bucket/key', query: {}, headers: {} }))
    const other = { ...directory, findByAccessKey: async () => ({ secret: `${secret}x`, identity: alice }) }
    expect(await codeOf(request)).toBe('verified')
    expect(await codeOf(request, { ...options, directory: other })).toBe('SignatureDoesNotMatch')
  })
})

it('duplicate parameters verify in any order, and every one of them counts', async () => {
  const values = fc.array(wellFormed, { minLength: 2, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(values, query, async (tags, others) => {
      const plain = unsignedPayload({ method: 'GET', path: '/bucket', query: { ...others, tag: tags }, headers: {} })
      const request = await signWithSmithy(plain, now)
      const reversed = request.rawQuery.split('&').reverse().join('&')
      expect(await codeOf({ ...request, rawQuery: reversed })).toBe('verified')
      expect(await codeOf({ ...request, rawQuery: request.rawQuery.replace(/tag=[^&]*&?/, '') })).not.toBe('verified')
    }),
    { numRuns: 100 },
  )
})

it('nothing that is sent instead of credentials crashes it', async () => {
  const anything = fc.string({
    unit: fc.constantFrom('A', 'W', 'S', '4', '-', '=', '/', ',', ';', ' ', '%', '&', ':'),
    maxLength: 40,
  })
  const authorization = fc.oneof(
    anything,
    anything.map((rest) => `AWS4-HMAC-SHA256 Credential=${rest}`),
    anything.map(
      (rest) =>
        `AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request,SignedHeaders=${rest},Signature=${rest}`,
    ),
  )
  const rawQuery = fc.oneof(
    anything,
    anything.map(
      (rest) => `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${rest}&X-Amz-Date=${rest}&X-Amz-Expires=1`,
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.option(authorization), rawQuery, anything, async (value, raw, rawPath) => {
      const list: [string, string][] = [
        ['host', 'h'],
        ['x-amz-date', at],
        ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
      ]
      if (value !== null) list.push(['authorization', value])
      const code = await codeOf({ method: 'GET', rawPath: `/${rawPath}`, rawQuery: raw, headers: list })
      expect(code).not.toMatch(/^crash|verified/)
    }),
    { numRuns: 300 },
  )
})

type Mutation = (where: number) => ReceivedRequest

/** Each changes the meaning of one thing that is signed. */
function mutations(request: ReceivedRequest): readonly Mutation[] {
  const { method, rawPath, rawQuery, headers } = request
  const list: Mutation[] = [
    () => ({ ...request, method: method === 'GET' ? 'HEAD' : 'GET' }),
    (where) => ({ ...request, rawPath: insert(rawPath, 1 + (where % rawPath.length), 'x') }),
    () => ({ ...request, rawPath: `${rawPath}/` }),
    () => ({ ...request, rawQuery: rawQuery === '' ? 'acl' : `${rawQuery}&acl` }),
    () => ({ ...request, headers: [...headers, ['x-amz-meta-added', 'x']] }),
  ]
  if (rawQuery !== '')
    list.push((where) => ({ ...request, rawQuery: insert(rawQuery, 1 + (where % rawQuery.length), 'x') }))
  const authorization = headers.find(([name]) => name === 'authorization')?.[1]
  const signedHeaders = /SignedHeaders=([^,]+)/.exec(authorization ?? decodeURIComponent(rawQuery))?.[1] ?? ''
  const names = (signedHeaders.split('&')[0] ?? '').split(';')
  headers.forEach(([name, value], index) => {
    if (name === 'authorization') {
      list.push((where) => withHeader(request, index, flipSignature(value, where)))
      list.push(() => withHeader(request, index, value.replace('/20130524/', '/20130525/')))
    } else if (names.includes(name)) {
      list.push((where) => withHeader(request, index, insert(value, where % (value.length + 1), 'x')))
      // An empty header and none are the same in the canonical request.
      if (value !== '') list.push(() => ({ ...request, headers: headers.filter((_, at) => at !== index) }))
    }
    if (name === 'x-amz-content-sha256' && authorization !== undefined) {
      list.push(() => withHeader(request, index, 'f'.repeat(64)))
    }
    if (name === 'x-amz-date') list.push(() => withHeader(request, index, '20130524T000001Z'))
  })
  return list
}

function withHeader(request: ReceivedRequest, index: number, value: string): ReceivedRequest {
  return { ...request, headers: request.headers.map((pair, at) => (at === index ? [pair[0], value] : pair)) }
}

function insert(value: string, at: number, what: string): string {
  return value.slice(0, at) + what + value.slice(at)
}

function flipSignature(value: string, where: number): string {
  const start = value.indexOf('Signature=') + 'Signature='.length
  const at = start + (where % 64)
  return value.slice(0, at) + (value[at] === '0' ? '1' : '0') + value.slice(at + 1)
}
