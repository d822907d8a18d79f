import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { request as requestTls } from 'node:https'
import { connect, createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ConfigOverrides, loadConfig } from '../gateway/config.ts'
import { sendRaw, send as sendTo } from '../gateway/testing/http.ts'
import { atLeast, nginxFiles, renderNginx } from './template.ts'

const run = promisify(execFile)
const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path))

type Received = {
  readonly worker: number
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}
type Answer = (request: IncomingMessage, response: ServerResponse, received: Received) => void

/** A worker that writes down what reaches it. */
type Recorder = { readonly server: Server; readonly socket: string; connections: number }

let directory: string
let port: number
let tlsPort: number
let nginx: ChildProcess
let recorders: Recorder[]
let received: Received[]
let answer: Answer
let precheck: Answer

const plainAnswer: Answer = (_request, response, { body }) => response.end(`got ${body.length}`)

beforeAll(async () => {
  expect(NGINX, 'these tests run the real nginx: install the package nginx').toBeDefined()
  directory = mkdtempSync(join(tmpdir(), 'nginx-'))
  ;[port, tlsPort] = [await freePort(), await freePort()]
  mkdirSync(join(directory, 'state', 'sockets'), { recursive: true })
  await makeCertificate()
  const sockets = [0, 1].map((index) => join(directory, 'state', 'sockets', `worker-${index}.sock`))
  recorders = await Promise.all(sockets.map(startRecorder))
  nginx = await startNginx(overrides({}), sockets)
})

afterAll(async () => {
  if (nginx !== undefined && nginx.exitCode === null) {
    nginx.kill('SIGTERM')
    await once(nginx, 'exit')
  }
  for (const recorder of recorders ?? []) {
    recorder.server.closeAllConnections()
    recorder.server.close()
  }
  rmSync(directory, { recursive: true, force: true })
})

beforeEach(() => {
  received = []
  answer = plainAnswer
  precheck = (_request, response) => response.writeHead(204).end()
})

describe('what a worker sees', () => {
  it.each([
    '/b//a',
    '/b//',
    '//b',
    '/b/a%2Fb',
    '/b/a/../b',
    '/b/../x',
    '/b/a/../../x',
    '/b/..a/...',
    '/b/%252E%252E/%252E%252E/x',
    '/b/./a',
    '/b/%2e%2e/c',
    '/b/%2E/c',
    '/b/%ff%fe',
    '/b/a+b%20c',
    '/b/a;b',
    '/b/%3Fx?y=%3D&&z',
    '/b/k?versionId=',
    '/b/?list-type=2&prefix=a//b%2F..',
    '/?x-id=ListBuckets',
    '/b?a?b',
    `/b/${'%C3%A4'.repeat(500)}`,
  ])('is the target as it was sent: %s', async (target) => {
    for (const method of ['GET', 'PUT', 'HEAD', 'DELETE', 'POST', 'OPTIONS']) {
      await raw(
        `${method} ${target} HTTP/1.1\r\nHost: s3.example.com:8443\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
    }
    expect(received.map((one) => one.target)).toEqual(Array(6).fill(target))
    expect(received.map((one) => one.method)).toEqual(['GET', 'PUT', 'HEAD', 'DELETE', 'POST', 'OPTIONS'])
  })

  it('is the target of an upload that was asked about first, too', async () => {
    const answers = await raw(
      'PUT /b//a/../%2e?x=%2F HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n',
      { follow: 'x'.repeat(2000) },
    )
    expect(answers).toContain('HTTP/1.1 200 OK')
    expect(received).toMatchObject([{ target: '/b//a/../%2e?x=%2F', body: 'x'.repeat(2000) }])
  })

  it('is every header, names with "_" and "." and bytes beyond ASCII included (P-011, P-205)', async () => {
    await raw(
      'PUT /b/k HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nContent-Length: 0\r\nx-amz-meta-a_b: 1\r\nx-amz-meta-a.b: 2\r\nx-amz-meta-c: \xe4\r\nx-amz-meta-empty:\r\n\r\n',
    )
    const headers = received[0]?.headers
    expect(headers).toContainEqual(['x-amz-meta-a_b', '1'])
    expect(headers).toContainEqual(['x-amz-meta-a.b', '2'])
    expect(headers).toContainEqual(['x-amz-meta-c', '\xe4'])
    expect(headers).toContainEqual(['x-amz-meta-empty', ''])
    expect(headers).toContainEqual(['Host', 'h:1'])
  })

  it('is a large header whole: 11 kB of tags, 4 kB of token (P-012)', async () => {
    const [tags, token] = ['t'.repeat(11_000), 's'.repeat(4000)]
    await raw(
      `PUT /b/k?X-Amz-Security-Token=${token} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\nx-amz-tagging: ${tags}\r\nx-amz-security-token: ${token}\r\n\r\n`,
    )
    expect(received[0]?.headers).toContainEqual(['x-amz-tagging', tags])
    expect(received[0]?.target).toHaveLength('/b/k?X-Amz-Security-Token='.length + 4000)
  })

  // One of 40 kB is too long a line; AWS reads 8 kB of headers in all. The worker answers MetadataTooLarge (P-013).
  it.each([
    [1, 3000],
    [1, 9000],
    [1, 31_000],
    [10, 4000],
    [10, 9000],
    [900, 40],
  ])('is metadata of far too many bytes, so that it can say what is wrong: %i of %i', async (count, bytes) => {
    const lines = Array.from({ length: count }, (_, index) => `x-amz-meta-${index}: ${'m'.repeat(bytes)}\r\n`)
    await raw(`PUT /b/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n${lines.join('')}\r\n`)
    const metadata = received[0]?.headers.filter(([name]) => name.startsWith('x-amz-meta-'))
    expect(metadata).toHaveLength(count)
    expect(metadata?.every(([, value]) => value.length === bytes)).toBe(true)
  })

  it('is a chunked upload without Content-Length (P-006, P-007)', async () => {
    const body = 'y'.repeat(300_000)
    const sent = await send({ method: 'PUT', path: '/b/k', headers: { 'transfer-encoding': 'chunked' } }, body)
    expect(sent.body).toBe('got 300000')
  })

  it("says where the request is from, in a header that the client's own cannot replace", async () => {
    await send({
      method: 'GET',
      path: '/b/k',
      headers: { 'X-Causeway-Front': '0123456789abcdef https 9.9.9.9 precheck 1' },
    })
    const front = received[0]?.headers.filter(([name]) => name.toLowerCase() === 'x-causeway-front')
    expect(front).toHaveLength(1)
    expect(front?.[0]?.[1]).toMatch(/^[0-9a-f]{16} http 127\.0\.0\.1$/)
  })

  it('is not the Expect header, which would be answered twice (P-002)', async () => {
    await raw(
      'PUT /b/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
      { follow: 'x' },
    )
    expect(received[0]?.headers.map(([name]) => name.toLowerCase())).not.toContain('expect')
  })
})

describe('what a client gets', () => {
  it('is the answer of the worker, its errors included, with every header', async () => {
    answer = (_request, response) => {
      response.writeHead(404, {
        'content-type': 'application/xml',
        'x-amz-request-id': 'ABC',
        'x-amz-meta-a_b': '1',
        etag: '"x"',
      })
      response.end('<Error/>')
    }
    const sent = await send({ method: 'GET', path: '/b/k' })
    expect(sent).toMatchObject({ status: 404, body: '<Error/>' })
    expect(sent.headers).toMatchObject({ 'x-amz-request-id': 'ABC', 'x-amz-meta-a_b': '1', etag: '"x"' })
  })

  it('is a range and a 304 as the worker decides, never as nginx does (P-015)', async () => {
    answer = (_request, response) => {
      response.writeHead(200, {
        'content-length': 10,
        etag: '"x"',
        'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
        'accept-ranges': 'bytes',
      })
      response.end('0123456789')
    }
    const headers = {
      range: 'bytes=0-1',
      'if-none-match': '"x"',
      'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT',
      'accept-encoding': 'gzip',
    }
    expect(await send({ method: 'GET', path: '/b/k', headers })).toMatchObject({ status: 200, body: '0123456789' })
    const head = await send({ method: 'HEAD', path: '/b/k', headers })
    expect(head.headers).toMatchObject({ 'content-length': '10', etag: '"x"' })
  })

  it('is headers of 60 kB', async () => {
    answer = (_request, response) => response.writeHead(200, { 'x-amz-meta-big': 'm'.repeat(60_000) }).end()
    const sent = await send({ method: 'GET', path: '/b/k', maxHeaderSize: 100_000 })
    expect(sent.headers['x-amz-meta-big']).toHaveLength(60_000)
  })

  it('arrives while it is being made, without buffering', async () => {
    answer = async (_request, response) => {
      response.write('first')
      await sleep(300)
      response.end('second')
    }
    const started = Date.now()
    const [first, whole] = await new Promise<[number, string]>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/b/k', agent: false }, (response) => {
        const chunks: string[] = []
        let first = 0
        response.on('data', (chunk) => {
          first ||= Date.now() - started
          chunks.push(String(chunk))
        })
        response.on('end', () => resolve([first, chunks.join('')]))
      })
        .on('error', reject)
        .end()
    })
    expect(whole).toBe('firstsecond')
    expect(first).toBeLessThan(250)
  })

  it('is the early answer to an upload that goes on, not a reset connection (P-021)', async () => {
    answer = (_request, response) => response.writeHead(403).end('<Error/>')
    recordBodies = false
    try {
      const sent = await send({ method: 'PUT', path: '/b/k' }, 'z'.repeat(20_000_000))
      expect(sent).toMatchObject({ status: 403, body: '<Error/>' })
    } finally {
      recordBodies = true
    }
  })
})

describe('what nginx answers itself is S3 XML with a request id (P-008)', () => {
  it.each([
    ['Content-Length: -1', 'PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n', 400, 'BadRequest'],
    ['an empty Content-Length', 'PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n', 400, 'BadRequest'],
    ['%00 in a path', 'GET /b/a%00b HTTP/1.1\r\nHost: h\r\n\r\n', 400, 'BadRequest'],
    ['a path above the root', 'GET /../../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n', 400, 'BadRequest'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'BadRequest'],
    [
      'a header line of 40 kB',
      `GET / HTTP/1.1\r\nHost: h\r\nx: ${'h'.repeat(40_000)}\r\n\r\n`,
      400,
      'RequestHeaderSectionTooLarge',
    ],
    [
      'headers of 300 kB',
      `GET / HTTP/1.1\r\nHost: h\r\n${`x: ${'h'.repeat(30_000)}\r\n`.repeat(10)}\r\n`,
      400,
      'RequestHeaderSectionTooLarge',
    ],
    ['a request line of 40 kB', `GET /${'k'.repeat(40_000)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414, 'RequestURITooLong'],
    [
      'an unknown transfer coding',
      'PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n',
      501,
      'NotImplemented',
    ],
    ['TRACE', 'TRACE / HTTP/1.1\r\nHost: h\r\n\r\n', 405, 'MethodNotAllowed'],
  ])('%s', async (_name, text, status, code) => {
    const answer = await raw(text)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expectXml(answer, code)
    expect(received).toEqual([])
  })

  // nginx resolves a path while it reads the request line, before any header and any directive. So it cannot pass such a key on, though
  // AWS takes it literally: README.md says what clients can do.
  it.each([
    '/b/../../x',
    '/b/a/../../../x',
    '/b/%2E%2E/%2e%2e/x',
    '/b/..%2F..%2Fx',
    '/b/.%2e/../x?X-Amz-Signature=0',
    'http://h/b/../../x',
  ])('a key that climbs above the root, however it is written: %s', async (target) => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await raw(`${method} ${target} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody`)
      expect(answer).toMatch(/^HTTP\/1.1 400 /)
      expectXml(answer, 'BadRequest')
    }
    expect(received).toEqual([])
  })

  it('the internal places cannot be asked for', async () => {
    for (const path of ['/../write', '/../error/400', '/../precheck', '/%2e%2e/write', '/..%2fwrite']) {
      expectXml(await raw(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`), 'BadRequest')
    }
    expect(received).toEqual([])
  })

  it('http:// on the port of https://', async () => {
    const answer = await raw('GET / HTTP/1.1\r\nHost: h\r\n\r\n', { port: tlsPort })
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
    expectXml(answer, 'BadRequest')
  })

  it('a worker that dies before it has answered: 502 for a write, which no other worker gets', async () => {
    answer = (request) => request.socket.destroy()
    for (const method of ['PUT', 'POST', 'DELETE']) {
      received = []
      const answer = await raw(
        `${method} /b/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody`,
      )
      expect(answer).toMatch(/^HTTP\/1.1 502 /)
      expectXml(answer, 'ServiceUnavailable')
      expect(received).toHaveLength(1)
    }
  })

  it('a worker that dies is tried once more for a read, and no worker counts as down afterwards', async () => {
    answer = (request, response) => (received.length === 1 ? request.socket.destroy() : response.end('second'))
    expect(await send({ method: 'GET', path: '/b/k' })).toMatchObject({ status: 200, body: 'second' })
    answer = (request) => request.socket.destroy()
    for (let round = 0; round < 10; round++) await send({ method: 'GET', path: '/b/k' })
    received = []
    answer = plainAnswer
    for (let round = 0; round < 10; round++)
      expect(await send({ method: 'PUT', path: '/b/k' })).toMatchObject({ status: 200 })
    expect(new Set(received.map((one) => one.worker))).toEqual(new Set([0, 1]))
  })
})

describe('Expect: 100-continue', () => {
  const headers = (length: number, expectation = '100-continue', method = 'PUT') =>
    `${method} /b/k HTTP/1.1\r\nHost: h\r\nExpect: ${expectation}\r\nContent-Length: ${length}\r\n\r\n`
  const refuse: Answer = (_request, response) =>
    response
      .writeHead(403, { 'x-causeway-refusal': '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>' })
      .end()

  it('of a large body is answered by the worker before the body: a refusal at once', async () => {
    precheck = refuse
    const answer = await raw(headers(5000), { waitMs: 3000 })
    expect(answer).toMatch(/^HTTP\/1.1 403 /)
    expect(answer).toMatch(/\r\nContent-Type: application\/xml\r\n/i)
    expect(answer).toMatch(/\r\nx-amz-request-id: [0-9a-f]{16}\r\n/)
    expect(answer).toContain('<Error><Code>AccessDenied</Code></Error>')
    // The client may send its body or not: what comes next on this connection would be taken for it (P-005).
    expect(answer).toMatch(/\r\nConnection: close\r\n/i)
    expect(received).toEqual([])
  })

  it('of a large body that may come is answered 100, in whatever case it was asked (P-004)', async () => {
    let asked: IncomingMessage | undefined
    precheck = (request, response) => {
      asked = request
      response.writeHead(204).end()
    }
    const answer = await raw(headers(5000, '100-Continue'), {
      follow: 'x'.repeat(5000),
      waitFor: '100 Continue',
      waitMs: 3000,
    })
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
    expect(asked).toMatchObject({ method: 'PUT', url: '/b/k' })
    expect(asked?.headers['x-causeway-front']).toMatch(/^[0-9a-f]{16} http 127\.0\.0\.1 precheck 5000$/)
    expect(received).toMatchObject([{ method: 'PUT', target: '/b/k', body: 'x'.repeat(5000) }])
  })

  it('of a small body is answered 100 without asking', async () => {
    precheck = refuse
    const answer = await raw(headers(999), { follow: 'x'.repeat(999), waitFor: '100 Continue', waitMs: 3000 })
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
  })

  it('a worker that fails while it is asked is an S3 error too', async () => {
    precheck = (request) => request.socket.destroy()
    expectXml(await raw(headers(5000), { waitMs: 3000 }), 'InternalError')
  })

  it.each(['200', ''])('"%s" is no such expectation and ignored (P-003)', async (expectation) => {
    precheck = refuse
    expect(await raw(headers(4, expectation), { follow: 'body', waitMs: 3000 })).toMatch(/HTTP\/1.1 200 OK/)
  })

  it('numbers are compared as numbers', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000_000_000 }), fc.nat({ max: 10_000_000_000 }), (minimum, value) => {
        const pattern = new RegExp(atLeast(minimum).slice(2, -1))
        expect(pattern.test(String(value))).toBe(value >= minimum)
        expect(pattern.test(String(minimum))).toBe(true)
      }),
    )
  })
})

describe('connections', () => {
  it('10 requests use one connection of the client and few to the workers', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (const recorder of recorders) recorder.connections = 0
    const ports = new Set<number | undefined>()
    for (let round = 0; round < 10; round++) {
      const sent = await send({ method: round % 2 ? 'PUT' : 'GET', path: '/b/k', agent }, round % 2 ? 'abc' : '')
      expect(sent.status).toBe(200)
      ports.add(sent.clientPort)
    }
    expect(ports.size).toBe(1)
    expect(recorders.reduce((sum, recorder) => sum + recorder.connections, 0)).toBeLessThanOrEqual(4)
    agent.destroy()
  })

  it('listings of one prefix go to one worker, all else to both', async () => {
    for (let round = 0; round < 10; round++) await send({ method: 'GET', path: `/b?list-type=2&prefix=a&x=${round}` })
    expect(new Set(received.map((one) => one.worker)).size).toBe(1)
    received = []
    for (let round = 0; round < 20; round++) await send({ method: 'GET', path: `/b${round}/?prefix=p` })
    expect(new Set(received.map((one) => one.worker)).size).toBe(2)
  })

  it('speak TLS 1.2 and 1.3, not 1.1', async () => {
    const ca = readFileSync(join(directory, 'certificate.pem'))
    const version = async (name: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') => {
      const socket = connectTls({
        port: tlsPort,
        ca,
        servername: 'localhost',
        minVersion: name,
        maxVersion: name,
        ciphers: 'ALL:@SECLEVEL=0',
      })
      await once(socket, 'secureConnect')
      const protocol = socket.getProtocol()
      socket.destroy()
      return protocol
    }
    expect(await version('TLSv1.2')).toBe('TLSv1.2')
    expect(await version('TLSv1.3')).toBe('TLSv1.3')
    await expect(version('TLSv1.1')).rejects.toThrow()
    const status = await new Promise((resolve, reject) => {
      requestTls({ port: tlsPort, ca, servername: 'localhost', path: '/b/k' }, (response) =>
        resolve(response.resume().statusCode),
      )
        .on('error', reject)
        .end()
    })
    expect(status).toBe(200)
    expect(received[0]?.headers.find(([name]) => name === 'X-Causeway-Front')?.[1]).toContain(' https ')
  })
})

describe('the access log', () => {
  it('has one JSON line per request with the id that the client got, and no signature or token', async () => {
    answer = (_request, response) => response.setHeader('x-amz-request-id', 'ANSWERED').end()
    await send({ method: 'GET', path: '/b/k?X-Amz-Signature=secret1&versionId=%22&X-Amz-Security-Token=secret2&z=1' })
    await send({
      method: 'GET',
      path: '/b/k?Signature=secret3&AWSAccessKeyId=AK',
      headers: { authorization: 'secret4' },
    })
    await raw('PUT /b/../.. HTTP/1.1\r\nHost: h\r\n\r\n')
    precheck = (_request, response) => response.writeHead(403).end()
    await raw('PUT /b/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n')
    await sleep(100)
    const text = readFileSync(join(directory, 'state', 'access.log'), 'utf8')
    expect(text).not.toMatch(/secret/)
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.at(-4)).toMatchObject({
      requestId: 'ANSWERED',
      method: 'GET',
      target: '/b/k?X-Amz-Signature=-&versionId=%22&X-Amz-Security-Token=-&z=1',
      status: 200,
      client: '127.0.0.1',
    })
    expect(lines.at(-3)).toMatchObject({ target: '/b/k?Signature=-&AWSAccessKeyId=AK' })
    expect(lines.at(-1)).toMatchObject({ method: 'PUT', target: '/b/k', status: 403 })
    expect(lines.at(-2)).toMatchObject({ status: 400, requestId: expect.stringMatching(/^[0-9a-f]{16}$/) })
  })
})

describe('a password in a query (AssumeRoleWithLDAPIdentity)', () => {
  const logs = () =>
    ['access.log', 'nginx/error.log'].map((name) => readFileSync(join(directory, 'state', name), 'utf8')).join('')

  it.each([
    ['as it is', '/?Action=A&LDAPUsername=alice&LDAPPassword=hidden&x=1'],
    ['twice', '/?LDAPPassword=hidden&LDAPPassword=hidden'],
    ['in another spelling', '/?%4cDAP%50%61ssword=hidden'],
    ['with its equals sign encoded', '/?LDAPPassword%3Dhidden'],
    ['behind a path', '/b/k?LDAPPassword=hidden'],
    ['in absolute form', 'http://h/?LDAPPassword=hidden'],
  ])('%s reaches the worker and no log', async (_, target) => {
    for (const method of ['POST', 'GET', 'PUT'])
      await raw(`${method} ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    await sleep(50)
    const path = target.replace('http://h', '')
    expect(received.map((one) => `${one.method} ${one.target}`)).toEqual([`POST ${path}`, `GET ${path}`, `PUT ${path}`])
    expect(logs()).not.toContain('hidden')
    expect(logs()).toContain(`"target":"${path.replace(/[?].*/, '?-')}"`)
  })

  it('is in no complaint about a worker either', async () => {
    answer = (request) => void request.socket.destroy()
    const before = logs().length
    const answered = await raw('POST /?LDAPPassword=hidden HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n')
    expect(answered).toMatch(/^HTTP\/1.1 50/)
    await raw('POST /?seen HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n')
    await sleep(50)
    expect(logs()).not.toContain('hidden')
    // That nginx complains at all.
    expect(logs().slice(before)).toMatch(/upstream prematurely closed .*seen/)
  })
})

describe('other configurations', () => {
  it('a client address has a limit of connections; over it the answer is SlowDown', async () => {
    const other = await freePort()
    const limited = await startNginx(
      overrides({
        listen: { https: '', http: `127.0.0.1:${other}` },
        limits: { connections_per_client: 2 },
        state: { directory: join(directory, 'limited') },
      }),
      recorders.map(({ socket }) => socket),
    )
    try {
      answer = () => {} // never
      const held = [0, 1].map(() => connect(other).on('error', () => {}))
      for (const socket of held) socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n')
      await until(() => received.length === 2)
      const answered = await raw('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n', { port: other })
      expect(answered).toMatch(/^HTTP\/1.1 503 /)
      expectXml(answered, 'SlowDown')
      for (const socket of held) socket.destroy()
    } finally {
      limited.kill('SIGTERM')
      await once(limited, 'exit')
    }
  })

  it('a body that stalls is given up, and the worker is told', async () => {
    const other = await freePort()
    const impatient = await startNginx(
      overrides({
        listen: { https: '', http: `127.0.0.1:${other}` },
        limits: { body_timeout_seconds: 1 },
        state: { directory: join(directory, 'impatient') },
      }),
      recorders.map(({ socket }) => socket),
    )
    try {
      const aborted = Promise.withResolvers<void>()
      recordBodies = false
      answer = (request) => request.resume().once('close', () => aborted.resolve())
      const socket = connect(other, '127.0.0.1').on('error', () => {})
      socket.write(`PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(70_000)}`)
      const ended = new Promise((resolve) => socket.once('close', resolve))
      const started = Date.now()
      socket.resume()
      await aborted.promise
      await ended
      expect(Date.now() - started).toBeLessThan(5000)
    } finally {
      recordBodies = true
      impatient.kill('SIGTERM')
      await once(impatient, 'exit')
    }
  })

  it('behind a load balancer the address is what a trusted one says, by header or by PROXY protocol', async () => {
    const other = await freePort()
    for (const proxy_protocol of [false, true]) {
      received = []
      const listen = { https: '', http: `127.0.0.1:${other}`, trusted_proxies: ['127.0.0.0/8'], proxy_protocol }
      const behind = await startNginx(
        overrides({ listen, state: { directory: join(directory, `behind-${proxy_protocol}`) } }),
        recorders.map(({ socket }) => socket),
      )
      try {
        const prefix = proxy_protocol ? 'PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n' : ''
        const header = proxy_protocol ? '' : 'X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n'
        await raw(`${prefix}GET /b/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${header}\r\n`, { port: other })
        expect(received[0]?.headers.find(([name]) => name === 'X-Causeway-Front')?.[1]).toMatch(/ 203\.0\.113\.7$/)
      } finally {
        behind.kill('SIGTERM')
        await once(behind, 'exit')
      }
    }
  })

  it.each<[string, ConfigOverrides]>([
    ['HTTP/2, IPv6 and a domain', { listen: { https: '[::]:18443', http2: true, domain: 's3.example.com' } }],
    ['paths with blanks, quotes and dollars', { state: { directory: join(tmpdir(), 'a "b" c') } }],
    ['a pre-check for every size', { s3: { precheck_min_bytes: 0 } }],
  ])('%s: nginx takes it', async (_name, changes) => {
    const config = loadConfig(undefined, overrides(changes), {})
    const files = nginxFiles(config)
    mkdirSync(files.directory, { recursive: true })
    writeFileSync(files.configFile, renderNginx(config, { workerSockets: ['/tmp/w.sock'], hostId: 'x=' }))
    try {
      const { stderr } = await run(NGINX ?? '', [...files.arguments, '-t'])
      expect(stderr).toContain('test is successful')
    } finally {
      rmSync(config.state.directory, { recursive: true })
    }
  })
})

let recordBodies = true

async function startRecorder(socket: string, worker: number): Promise<Recorder> {
  const server = createServer({ maxHeaderSize: 200_000 }, async (request, response) => {
    if (/ precheck \d*$/.test(String(request.headers['x-causeway-front']))) {
      precheck(request, response, {
        worker,
        method: request.method ?? '',
        target: request.url ?? '',
        headers: [],
        body: '',
      })
      return
    }
    const chunks: Buffer[] = []
    if (recordBodies) for await (const chunk of request) chunks.push(chunk)
    const headers = request.rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [[name, request.rawHeaders[index + 1] ?? ''] as const] : [],
    )
    const one = {
      worker,
      method: request.method ?? '',
      target: request.url ?? '',
      headers,
      body: Buffer.concat(chunks).toString(),
    }
    received.push(one)
    answer(request, response, one)
  })
  const recorder: Recorder = { server, socket, connections: 0 }
  server.keepAliveTimeout = 60_000
  server.on('connection', () => recorder.connections++)
  server.listen(socket)
  await once(server, 'listening')
  return recorder
}

function overrides(changes: ConfigOverrides): ConfigOverrides {
  return {
    ...changes,
    listen: { https: `127.0.0.1:${tlsPort}`, http: `127.0.0.1:${port}`, ...changes.listen },
    tls: { certificate: join(directory, 'certificate.pem'), key: join(directory, 'certificate.key') },
    namespace: { root: join(directory, 'tree') },
    s3: { precheck_min_bytes: 1000, ...changes.s3 },
    state: { directory: join(directory, 'state'), ...changes.state },
  }
}

async function startNginx(changes: ConfigOverrides, workerSockets: readonly string[]): Promise<ChildProcess> {
  const config = loadConfig(undefined, changes, {})
  const files = nginxFiles(config)
  mkdirSync(files.directory, { recursive: true, mode: 0o750 })
  const user = process.getuid?.() === 0 ? 'root' : undefined
  writeFileSync(files.configFile, renderNginx(config, { workerSockets, hostId: 'host+id/==', user }))
  await run(NGINX ?? '', [...files.arguments, '-t'])
  const child = spawn(NGINX ?? '', [...files.arguments], { stdio: 'inherit' })
  const ports = [config.listen.http, config.listen.https].flatMap((address) => address.split(':')[1] ?? [])
  for (const listening of ports) await until(() => answers(Number(listening)))
  return child
}

async function makeCertificate(): Promise<void> {
  const [certificate, key] = [join(directory, 'certificate.pem'), join(directory, 'certificate.key')]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
  ])
}

const send = (options: Parameters<typeof sendTo>[1], body = '') => sendTo(port, options, body)

const raw = (
  text: string,
  { port: other = port, ...options }: Parameters<typeof sendRaw>[2] & { port?: number } = {},
) => sendRaw(other, text, options)

function expectXml(answer: string, code: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head).toMatch(/\r\nContent-Type: application\/xml(\r\n|$)/i)
  const id = /\r\nx-amz-request-id: ([0-9a-f]{16})(\r\n|$)/i.exec(head)?.[1]
  expect(id).toBeDefined()
  expect(head).toMatch(/\r\nx-amz-id-2: host\+id\/==(\r\n|$)/i)
  expect(head).toMatch(/\r\nDate: /i)
  expect(body).toContain(`<Code>${code}</Code>`)
  expect(body).toContain(`<RequestId>${id}</RequestId>`)
  expect(body).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?><Error>.*<\/Error>$/)
}

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}

async function answers(listening: number): Promise<boolean> {
  const socket = connect(listening, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass within ten seconds')
    await sleep(20)
  }
}
