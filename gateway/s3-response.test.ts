import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type FastifyInstance, fastify } from 'fastify'
import Type from 'typebox'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Files, type ObjectStat, type OpenObject, openPosixFiles } from '#namespace'
import type { Reply } from './reply.ts'
import { type Sent, sendReply } from './s3-response.ts'

const MIB = 1024 * 1024
const bytes = randomBytes(5 * MIB)

let directory: string
let files: Files
let app: FastifyInstance
let answer: () => Promise<Reply>
let sent: (Sent | undefined)[]
let closed: number
let sockets: Socket[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-response-'))
  await writeFile(join(directory, 'file'), bytes)
  files = openPosixFiles(directory, { threads: 2 })
  sent = []
  closed = 0
  sockets = []
  app = fastify()
  app.all('/*', async (request, reply) => {
    sent.push(await sendReply(await answer(), { reply, method: request.method, requestId: 'R1', hostId: 'H1' }))
  })
})

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await app.close()
  files.close()
  await rm(directory, { recursive: true })
})

const stat = (sizeBytes: number): ObjectStat => ({
  bucket: 'b',
  key: 'k',
  sizeBytes,
  eTag: 'e',
  lastModified: new Date(),
  versionId: undefined,
  checksum: undefined,
  parts: undefined,
  owner: { canonicalId: 'o', displayName: 'O' },
  foreign: false,
  headers: {},
  metadata: {},
})

/** A file as the namespace opens it. */
async function openFile(): Promise<OpenObject> {
  const calls = files.as(undefined)
  const descriptor = await calls.open('file', 'read')
  return {
    stat: stat(bytes.length),
    small: undefined,
    read: (offset, lengthBytes) => Readable.from([bytes.subarray(offset, offset + lengthBytes)]),
    async send(socketDescriptor, offset, lengthBytes) {
      const socket = socketDescriptor()
      return socket === undefined ? 0 : calls.sendFile(socket, descriptor, offset, lengthBytes)
    },
    async close() {
      closed += 1
      await calls.close(descriptor)
    },
  }
}

function smallObject(content: Buffer): OpenObject {
  return {
    stat: stat(content.length),
    small: content,
    read: () => Readable.from([content]),
    send: () => Promise.reject(new Error('a small object has no descriptor')),
    async close() {
      closed += 1
    },
  }
}

const objectReply = (object: OpenObject, offset = 0, lengthBytes = object.stat.sizeBytes): Reply => ({
  status: 200,
  headers: { etag: '"e"', 'x-amz-version-id': undefined },
  content: { kind: 'object', object, offset, lengthBytes },
})

async function open(): Promise<Socket> {
  if (app.server.address() === null) await app.listen({ port: 0, host: '127.0.0.1' })
  // A TCP server's address is an object.
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {})
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

/** One response from a connection that may carry more: status line and headers, and the body by its Content-Length. */
async function exchange(socket: Socket, method = 'GET') {
  const pieces: Buffer[] = []
  let wanted = Number.POSITIVE_INFINITY
  let head = ''
  const done = new Promise<void>((resolve, reject) => {
    const onData = (piece: Buffer) => {
      pieces.push(piece)
      if (head === '') {
        const all = Buffer.concat(pieces)
        const end = all.indexOf('\r\n\r\n')
        if (end === -1) return
        head = all.toString('latin1', 0, end)
        wanted = end + 4 + (method === 'HEAD' ? 0 : Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0))
      }
      if (pieces.reduce((sum, each) => sum + each.length, 0) >= wanted) finish()
    }
    const finish = () => {
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.once('close', () => reject(new Error('closed')))
  })
  socket.write(`${method} /b/k HTTP/1.1\r\nHost: h\r\n\r\n`)
  await done
  const all = Buffer.concat(pieces)
  return { head, body: all.subarray(all.indexOf('\r\n\r\n') + 4), rest: all.length - wanted }
}

/** What sendReply made of the request, which may come after the client has it all. */
async function untilSent(count = 1): Promise<Sent | undefined> {
  while (sent.length < count) await new Promise((resolve) => setTimeout(resolve, 10))
  return sent[0]
}

describe('XML, text and nothing', () => {
  test('an XML reply has its type, length, request id and date', async () => {
    answer = async () => ({ status: 200, content: { kind: 'xml', root: 'A', shape: Type.String(), value: 'ü&' } })
    const { head, body } = await exchange(await open())
    expect(body.toString()).toContain('>ü&amp;</A>')
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(head).toContain(`content-length: ${body.length}`)
    for (const line of [
      'content-type: application/xml',
      'x-amz-request-id: R1',
      'x-amz-id-2: H1',
      'server: Causeway',
      'Date: ',
    ]) {
      expect(head).toContain(line)
    }
    expect(await untilSent()).toEqual({ status: 200, bodyBytes: body.length, broken: false })
  })

  test('P-130: header values go out as Latin-1, byte for byte, whatever the body is', async () => {
    const utf8 = Buffer.from('grüße', 'utf8').toString('latin1')
    answer = async () => ({
      status: 200,
      headers: { 'x-amz-meta-a': utf8 },
      content: { kind: 'text', type: 'text/plain', text: 'ü' },
    })
    const { head, body } = await exchange(await open())
    expect(head).toContain(`x-amz-meta-a: ${utf8}`)
    expect(body.toString()).toBe('ü')
  })

  test('nothing has Content-Length 0; 204 has none', async () => {
    answer = async () => ({ status: 200, headers: { etag: '"e"' } })
    const socket = await open()
    expect((await exchange(socket)).head).toContain('content-length: 0')
    answer = async () => ({ status: 204 })
    expect((await exchange(socket)).head).not.toMatch(/content-length|transfer-encoding/i)
  })

  test("HEAD has the GET's length and no body, on a connection that stays in step", async () => {
    const socket = await open()
    answer = async () => ({ status: 200, headers: { 'content-length': 1234 } })
    expect((await exchange(socket, 'HEAD')).head).toContain('content-length: 1234')
    answer = async () => objectReply(await openFile())
    expect((await exchange(socket, 'HEAD')).head).toContain(`content-length: ${bytes.length}`)
    answer = async () => ({ status: 200 })
    expect((await exchange(socket, 'HEAD')).head).not.toMatch(/transfer-encoding/i)
    answer = async () => ({ status: 200, content: { kind: 'text', type: 't/t', text: 'hello' } })
    expect((await exchange(socket)).body.toString()).toBe('hello')
    expect(closed).toBe(1)
  })

  test('a header that HTTP cannot carry throws while nothing is out', async () => {
    let thrown: unknown
    app.setErrorHandler((error, _request, reply) => {
      thrown = error
      reply.code(500).send('caught')
    })
    answer = async () => ({ ...objectReply(await openFile()), headers: { 'x-amz-meta-a': '\n' } })
    const { body } = await exchange(await open())
    expect(body.toString()).toBe('caught')
    expect(thrown).toMatchObject({ code: 'ERR_INVALID_CHAR' })
    expect(closed).toBe(1)
  })
})

describe('objects', () => {
  test('a file goes out whole, and the connection goes on', async () => {
    const socket = await open()
    for (let round = 0; round < 3; round++) {
      answer = async () => objectReply(await openFile())
      const { head, body, rest } = await exchange(socket)
      expect(head).toContain(`content-length: ${bytes.length}`)
      expect(body.equals(bytes)).toBe(true)
      expect(rest).toBe(0)
      answer = async () => ({ status: 200, content: { kind: 'text', type: 't/t', text: 'between' } })
      expect((await exchange(socket)).body.toString()).toBe('between')
    }
    expect(closed).toBe(3)
    expect(sent.filter((each) => each?.broken)).toEqual([])
  })

  test('many of them on one connection leave nothing listening to it', async () => {
    answer = async () => objectReply(await openFile(), 0, 1000)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const listening: number[] = []
    app.server.once('connection', (each: Socket) => each.on('data', () => listening.push(each.listenerCount('close'))))
    const connection = await open()
    for (let count = 0; count < 4; count += 1) await exchange(connection)
    expect(new Set(listening.slice(1)).size).toBe(1)
  })

  test('P-130: the header values of a file go out as Latin-1, too', async () => {
    const file = await openFile()
    const reply = objectReply(file)
    answer = async () => ({ ...reply, headers: { ...reply.headers, 'x-amz-meta-name': 'Andr\xe9' } })
    const { head, body } = await exchange(await open())
    expect(head).toContain('x-amz-meta-name: Andr\xe9\r\n')
    expect(body.equals(bytes)).toBe(true)
  })

  test('a range of it', async () => {
    answer = async () => objectReply(await openFile(), 1_000_003, 2_000_001)
    expect((await exchange(await open())).body.equals(bytes.subarray(1_000_003, 3_000_004))).toBe(true)
  })

  test('over a unix socket too', async () => {
    const path = join(directory, 'socket')
    await app.listen({ path })
    const socket = connect(path)
    sockets.push(socket)
    answer = async () => objectReply(await openFile())
    expect((await exchange(socket)).body.equals(bytes)).toBe(true)
  })

  test('a small one comes from memory, any part of it', async () => {
    answer = async () => objectReply(smallObject(Buffer.from('0123456789')), 2, 3)
    expect((await exchange(await open())).body.toString()).toBe('234')
    const outcome = await untilSent()
    expect([closed, outcome]).toEqual([1, { status: 200, bodyBytes: 3, broken: false }])
  })

  test('an empty one needs no file', async () => {
    answer = async () => objectReply(await openFile(), 0, 0)
    expect((await exchange(await open())).head).toContain('content-length: 0')
    expect(closed).toBe(1)
  })

  test('without a socket (inject) it streams through JavaScript', async () => {
    answer = async () => objectReply(await openFile(), 10, 100_000)
    const response = await app.inject({ method: 'GET', url: '/b/k' })
    expect(response.rawPayload.equals(bytes.subarray(10, 100_010))).toBe(true)
    const outcome = await untilSent()
    expect([closed, outcome]).toEqual([1, { status: 200, bodyBytes: 100_000, broken: false }])
  })

  test('pipelined requests are answered in order', async () => {
    const socket = await open()
    let count = 0
    answer = async () => {
      count += 1
      return count % 2 === 1
        ? objectReply(await openFile(), 0, MIB)
        : { status: 200, content: { kind: 'text', type: 't/t', text: 'between' } }
    }
    const received: Buffer[] = []
    socket.on('data', (piece) => received.push(piece))
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(4))
    while (!Buffer.concat(received).toString('latin1').endsWith('between') || count < 4) await once(socket, 'data')
    const text = Buffer.concat(received).toString('latin1')
    const [, ...bodies] = text.split(/HTTP\/1.1 200 OK\r\n.*?\r\n\r\n/s)
    expect(bodies.map((body) => body.length)).toEqual([MIB, 7, MIB, 7])
    expect(bodies[2]).toBe(bytes.toString('latin1', 0, MIB))
  })

  test('one asked for before the answer to another has ended goes by sendfile all the same', async () => {
    const socket = await open()
    let streams = 0
    answer = async () => {
      const object = await openFile()
      const read: OpenObject['read'] = (...range) => {
        streams += 1
        return object.read(...range)
      }
      return objectReply({ ...object, read }, 0, MIB)
    }
    let receivedBytes = 0
    socket.on('data', (piece) => {
      receivedBytes += piece.length
    })
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(4))
    while (receivedBytes < 4 * MIB) await once(socket, 'data')
    await untilSent(4)
    expect([streams, closed]).toEqual([0, 4])
  })

  test('one that waits for its turn when the client goes away is closed, and sends nothing', async () => {
    const socket = await open()
    const first = Promise.withResolvers<void>()
    let asked = 0
    answer = async () => {
      asked += 1
      if (asked === 1) await first.promise
      return objectReply(await openFile(), 0, MIB)
    }
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(2))
    while (asked < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    socket.destroy()
    expect(await untilSent()).toEqual({ status: 200, bodyBytes: 0, broken: true })
    first.resolve()
    await untilSent(2)
    expect(closed).toBe(2)
  })
})

describe('what goes wrong after the first byte', () => {
  test('a file that has become shorter ends the connection, and is not padded', async () => {
    answer = async () => {
      const object = await openFile()
      await truncate(join(directory, 'file'), MIB)
      return objectReply(object)
    }
    const socket = await open()
    let received = 0
    socket.on('data', (piece) => {
      received += piece.length
    })
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n')
    await once(socket, 'close')
    expect(received).toBeGreaterThan(MIB - 1)
    expect(received).toBeLessThan(MIB + 1000)
    expect(await untilSent()).toEqual({ status: 200, bodyBytes: MIB, broken: true })
    expect(closed).toBe(1)
  })

  test('a send that fails ends the connection and says why', async () => {
    const cause = new Error('EIO')
    answer = async () => {
      const object = await openFile()
      return objectReply({ ...object, send: () => Promise.reject(cause) })
    }
    const socket = await open()
    socket.resume()
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n')
    await once(socket, 'close')
    expect(await untilSent()).toEqual({ status: 200, bodyBytes: 0, broken: true, cause })
    expect(closed).toBe(1)
  })

  test('a send that was given up ends the connection, though a thread that hangs has a copy of its socket', async () => {
    const cause = new Error('ETIMEDOUT')
    let thread: ChildProcess | undefined
    answer = async () => {
      const object = await openFile()
      return objectReply({
        ...object,
        async send(descriptor) {
          thread = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', descriptor()] })
          await once(thread, 'spawn')
          throw cause
        },
      })
    }
    const socket = await open()
    socket.resume()
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n')
    try {
      await Promise.race([once(socket, 'end'), once(socket, 'close')])
    } finally {
      thread?.kill('SIGKILL')
    }
    expect(await untilSent()).toEqual({ status: 200, bodyBytes: 0, broken: true, cause })
  })

  test('a stream that fails does the same', async () => {
    const cause = new Error('EIO')
    answer = async () => {
      const object = await openFile()
      async function* broken() {
        yield bytes.subarray(0, 1000)
        throw cause
      }
      return objectReply({ ...object, read: () => Readable.from(broken()) })
    }
    await expect(app.inject({ method: 'GET', url: '/b/k' })).rejects.toThrow()
    expect(await untilSent()).toMatchObject({ status: 200, broken: true, cause })
    expect(closed).toBe(1)
  })

  test('a client that goes away in the middle leaves nothing open', async () => {
    const large = Buffer.alloc(64 * MIB)
    await writeFile(join(directory, 'file'), large)
    answer = async () => objectReply(await openFile(), 0, large.length)
    const socket = await open()
    socket.write('GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    const result = await untilSent()
    expect(result?.broken).toBe(true)
    expect(result?.bodyBytes).toBeLessThan(large.length)
    expect(closed).toBe(1)
  })
})
