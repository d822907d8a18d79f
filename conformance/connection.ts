/**
 * One TLS connection, byte by byte: for requests that no HTTP client would send, and to see that answers never fall out of step. Reads
 * answers strictly: bytes that belong to none are an error of the next one.
 */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { Instance } from './instance.ts'
import { type Credentials, type Signed, sign } from './sign.ts'

export type Answer = {
  readonly status: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  readonly text: string
  /** Of an S3 error, else ''. */
  readonly code: string
  readonly requestId: string
}

export type Connection = {
  readonly socket: TLSSocket
  /** Strings are Latin-1. Resolves when the bytes are with the kernel, or the connection has ended. */
  write(bytes: Uint8Array | string): Promise<void>
  /** The next answer; `method` of its request decides whether it has a body. Throws when the connection ends first. */
  read(method?: string, timeoutMs?: number): Promise<Answer>
  /** true when the server ends the connection within the time. */
  ends(timeoutMs?: number): Promise<boolean>
  /** At once, without a word: the client has vanished. */
  destroy(): void
}

export async function openConnection(instance: Instance): Promise<Connection> {
  const socket = connect({ host: '127.0.0.1', port: instance.port, ca: instance.authority, servername: 'localhost' })
  await once(socket, 'secureConnect')
  socket.setNoDelay(true)
  // Joined only when somebody looks: joining each piece to a large body would copy it a thousand times.
  let [pieces, waiting]: [Buffer[], number] = [[], 0]
  let ended = false
  let wake = () => {}
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece)
    waiting += piece.length
    wake()
  })
  const finish = () => {
    ended = true
    wake()
  }
  socket.on('end', finish).on('close', finish).on('error', finish)

  /** What `find` finds in the bytes so far; waits for more of them. */
  async function take<Found>(find: () => Found | undefined, what: string, timeoutMs: number): Promise<Found> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (ended) throw new Error(`the connection ended ${what}`)
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`no answer within ${timeoutMs} ms, ${what}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  function joined(): Buffer {
    const [first, ...more] = pieces
    if (first === undefined) return Buffer.alloc(0)
    if (more.length > 0) pieces = [Buffer.concat(pieces)]
    return pieces[0] ?? first
  }

  function cut(length: number): Buffer {
    const bytes = joined()
    pieces = length < bytes.length ? [bytes.subarray(length)] : []
    waiting -= length
    return bytes.subarray(0, length)
  }

  async function readChunked(timeoutMs: number): Promise<Buffer> {
    const chunks: Buffer[] = []
    for (;;) {
      const line = await take(() => line1(joined()), 'in a chunk size', timeoutMs)
      const size = Number.parseInt(cut(line).toString('latin1'), 16)
      if (!Number.isSafeInteger(size)) throw new Error('a chunk size is none')
      const whole = await take(() => (waiting >= size + 2 ? size + 2 : undefined), 'in a chunk', timeoutMs)
      chunks.push(cut(whole).subarray(0, size))
      if (size === 0) return Buffer.concat(chunks)
    }
  }

  return {
    socket,
    async write(bytes) {
      if (ended) return
      await new Promise<void>((resolve) => {
        const done = () => {
          socket.off('close', done)
          resolve()
        }
        socket.once('close', done)
        if (typeof bytes === 'string') socket.write(bytes, 'latin1', done)
        else socket.write(bytes, done)
      })
    },
    async read(method = 'GET', timeoutMs = 10_000) {
      for (;;) {
        const length = await take(
          () => {
            const at = joined().indexOf('\r\n\r\n')
            return at < 0 ? undefined : at + 4
          },
          'before an answer was whole',
          timeoutMs,
        )
        const { status, headers } = parseHead(cut(length).toString('latin1'))
        if (status === 100) continue
        const empty = method === 'HEAD' || status === 204 || status === 304
        const size = Number(headers.get('content-length') ?? '0')
        const body = empty
          ? Buffer.alloc(0)
          : headers.get('transfer-encoding') === 'chunked'
            ? await readChunked(timeoutMs)
            : cut(await take(() => (waiting >= size ? size : undefined), 'in a body', timeoutMs))
        return answerOf(status, headers, Buffer.from(body))
      }
    },
    async ends(timeoutMs = 10_000) {
      const deadline = Date.now() + timeoutMs
      while (!ended && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
      return ended
    },
    destroy: () => socket.destroy(),
  }
}

function line1(bytes: Buffer): number | undefined {
  const at = bytes.indexOf('\r\n')
  return at < 0 ? undefined : at + 2
}

function parseHead(text: string): { status: number; headers: Map<string, string> } {
  const [first = '', ...lines] = text.slice(0, -4).split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]
  if (status === undefined) throw new Error(`out of step: ${JSON.stringify(first.slice(0, 200))}`)
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { status: Number(status), headers: new Map(headers) }
}

export function answerOf(status: number, headers: ReadonlyMap<string, string>, body: Buffer): Answer {
  const text = body.length < 1_000_000 ? body.toString('utf8') : ''
  const isError = status >= 300 && text.includes('<Error>')
  return {
    status,
    headers,
    body,
    text,
    code: (isError ? /<Code>([^<]*)<\/Code>/.exec(text)?.[1] : undefined) ?? '',
    requestId: headers.get('x-amz-request-id') ?? '',
  }
}

export type RawRequest = {
  readonly method: string
  /** As on the wire. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Default: the instance's own. */
  readonly credentials?: Credentials
  readonly region?: string
  readonly date?: Date
  /** x-amz-content-sha256. */
  readonly payload?: string
  /** Headers that go on the wire and are not signed; `undefined` takes one away. */
  readonly after?: Readonly<Record<string, string | undefined>>
}

/** A signed request as text, with Content-Length where it has a body. */
export function requestText(
  instance: Instance,
  request: RawRequest,
): { readonly text: string; readonly signed: Signed } {
  const { method, target, body } = request
  const length = typeof body === 'string' ? Buffer.byteLength(body, 'latin1') : body?.length
  const signed = sign({
    method,
    target,
    headers: { host: `127.0.0.1:${instance.port}`, ...request.headers },
    credentials: request.credentials ?? instance.credentials,
    region: request.region ?? instance.region,
    ...(request.date === undefined ? {} : { date: request.date }),
    ...(request.payload === undefined ? {} : { payload: request.payload }),
  })
  const headers = {
    ...signed.headers,
    ...(length === undefined ? {} : { 'content-length': String(length) }),
    ...request.after,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  )
  return { text: `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, signed }
}

/** One signed request on a connection of its own. */
export async function sendOnce(instance: Instance, request: RawRequest, timeoutMs?: number): Promise<Answer> {
  const connection = await openConnection(instance)
  try {
    return await sendOn(connection, instance, request, timeoutMs)
  } finally {
    connection.destroy()
  }
}

/** Headers, then the body while the answer is awaited already: it may come before the body has gone. */
export async function sendOn(
  connection: Connection,
  instance: Instance,
  request: RawRequest,
  timeoutMs?: number,
): Promise<Answer> {
  const { text } = requestText(instance, request)
  const { body } = request
  const whole = body === undefined || body.length > 65_536 ? text : Buffer.concat([latin1(text), latin1(body)])
  const written = connection
    .write(whole)
    .then(() => (body === undefined || body.length <= 65_536 ? undefined : connection.write(body)))
  const answer = await connection.read(request.method, timeoutMs)
  await Promise.race([written, connection.ends(5000)])
  return answer
}

const latin1 = (bytes: Uint8Array | string) => (typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
