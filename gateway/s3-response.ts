/**
 * Reply value → HTTP. Everything is written to the raw response, so that headers stay Latin-1 and a file can go by sendfile(2).
 *
 * The rule of the road: until the first header is out, an error is thrown and the app answers it; after that there is no error
 * response, the socket is destroyed. Content-Length is always the truth or the connection ends: short files are never padded. An object is
 * closed on every path.
 */

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { FastifyReply } from 'fastify'
import type { OpenObject } from '#namespace'
import type { Content, Reply } from './reply.ts'
import { writeXml } from './xml.ts'

export type ReplyTarget = {
  /** It is hijacked: Fastify's own `send` and its onSend hooks do not run. */
  readonly reply: FastifyReply
  readonly method: string
  readonly requestId: string
  readonly hostId: string
}

export type Sent = {
  readonly status: number
  /** Body bytes handed to the socket. */
  readonly bodyBytes: number
  /** The connection ended in the middle of the answer; `cause` says why, undefined when the client just went away. */
  readonly broken: boolean
  readonly cause?: unknown
}

type HeaderValues = Record<string, string | number>
type ObjectContent = Extract<Content, { kind: 'object' }>

/**
 * Writes a reply. Resolves when the last byte is with the kernel or the connection is gone; rejects only while nothing has been sent.
 * HEAD sends the headers only (P-015).
 */
export async function sendReply(answer: Reply, target: ReplyTarget): Promise<Sent> {
  const { content } = answer
  if (content?.kind === 'object') return sendObject(answer, content, target)
  const body = content === undefined ? undefined : bufferOf(content)
  const headers = headersOf(answer, target)
  if (body !== undefined && content !== undefined) {
    headers['content-type'] ??= content.kind === 'text' ? content.type : 'application/xml'
    headers['content-length'] = body.length
  }
  return sendBuffer(answer.status, headers, body, target)
}

const SERVER = 'Causeway'

function bufferOf(content: Exclude<Content, ObjectContent>): Buffer {
  if (content.kind === 'text') return Buffer.from(content.text)
  const { root, shape, value, namespace } = content
  return Buffer.from(writeXml(root, shape, value, namespace))
}

/** Date is Node's (P-020); the request id is on every answer (P-017). */
function headersOf(answer: Reply, target: ReplyTarget): HeaderValues {
  const headers: HeaderValues = {
    server: SERVER,
    'x-amz-request-id': target.requestId,
    'x-amz-id-2': target.hostId,
  }
  for (const [name, value] of Object.entries(answer.headers ?? {})) if (value !== undefined) headers[name] = value
  return headers
}

/** A body in one piece. It is always a Buffer: with a string Node would encode headers and body together, as UTF-8. */
async function sendBuffer(
  status: number,
  headers: HeaderValues,
  body: Buffer | undefined,
  target: ReplyTarget,
): Promise<Sent> {
  const { raw } = target.reply
  const sendsBody = body !== undefined && target.method !== 'HEAD'
  if (body === undefined && mayHaveLength(status, target.method)) headers['content-length'] ??= 0
  begin(status, headers, target)
  if (sendsBody) raw.end(body)
  else raw.end()
  const whole = await settled(raw)
  return { status, bodyBytes: whole && sendsBody ? body.length : 0, broken: !whole }
}

/** 204 and 304 have no length; that of a HEAD is the GET's, which the operation knows. */
function mayHaveLength(status: number, method: string): boolean {
  return status !== 204 && status !== 304 && method !== 'HEAD'
}

async function sendObject(answer: Reply, content: ObjectContent, target: ReplyTarget): Promise<Sent> {
  const { object, offset, lengthBytes } = content
  try {
    const headers = headersOf(answer, target)
    headers['content-length'] = lengthBytes
    if (target.method === 'HEAD' || lengthBytes === 0)
      return await sendBuffer(answer.status, headers, undefined, target)
    if (object.small !== undefined) {
      const bytes = object.small.subarray(offset, offset + lengthBytes)
      return await sendBuffer(answer.status, headers, bytes, target)
    }
    begin(answer.status, headers, target)
    const { bodyBytes, cause } = await sendBytes(content, target.reply.raw)
    return {
      status: answer.status,
      bodyBytes,
      broken: bodyBytes < lengthBytes,
      ...(cause === undefined ? {} : { cause }),
    }
  } finally {
    await close(object)
  }
}

/** The headers are out: from here on no error leaves but as a broken connection. */
async function sendBytes(content: ObjectContent, raw: ServerResponse): Promise<{ bodyBytes: number; cause?: unknown }> {
  const socket = await socketOf(raw)
  if (raw.destroyed || socket === null) return { bodyBytes: 0 }
  try {
    if (descriptorOf(socket) !== undefined) return { bodyBytes: await sendFile(content, raw, socket) }
    return { bodyBytes: await sendStream(content, raw) }
  } catch (cause) {
    raw.destroy()
    return { bodyBytes: 0, cause }
  }
}

/**
 * The response's socket; null once the connection has gone. nginx takes an answer for whole at its last byte and sends its next request on
 * the same connection, often before this process has noticed that the last byte was out. Node has read that request then, but gives its
 * response no socket until the answer before it has ended: within the millisecond, and without it the bytes would go through JavaScript.
 */
function socketOf(raw: ServerResponse): Promise<Socket | null> {
  const connection = raw.req.socket
  if (raw.socket !== null || connection === null || connection.destroyed) return Promise.resolve(raw.socket)
  return new Promise((resolve) => {
    const settle = () => {
      raw.off('socket', settle)
      connection.off('close', settle)
      resolve(raw.socket)
    }
    raw.once('socket', settle)
    connection.once('close', settle)
  })
}

/**
 * Headers by Node, the bytes by sendfile(2) into the very same socket, the end by Node again, which then reads the next request. The
 * socket must be empty in between, or bytes would overtake each other.
 */
async function sendFile(
  { object, offset, lengthBytes }: ObjectContent,
  raw: ServerResponse,
  socket: Socket,
): Promise<number> {
  // Corked here, or Node would cork it until its next turn: the headers are mostly with the kernel when this returns.
  socket.cork()
  // Not flushHeaders: it sends them as UTF-8, and header values are Latin-1.
  raw.write('', 'latin1')
  socket.uncork()
  if (!(await flushed(socket))) return 0
  const sentBytes = await sentOrCut(
    object.send(() => descriptorOf(socket), offset, lengthBytes),
    socket,
  )
  if (sentBytes < lengthBytes) {
    // The file is shorter than it was, or the client has gone. Either way the promised length cannot be kept.
    socket.destroy()
    return sentBytes
  }
  raw.end()
  await settled(raw)
  return sentBytes
}

/**
 * A send that was given up, since the file's mount hangs, has a copy of the socket until it comes back: closing ours would tell the client
 * nothing, and it would wait as long. All before it is with the kernel, so this takes no time.
 */
async function sentOrCut(sending: Promise<number>, socket: Socket): Promise<number> {
  try {
    return await sending
  } catch (error) {
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      socket.end(() => resolve())
    })
    throw error
  }
}

/** The way through JavaScript: TLS in this process, pipelined requests, responses without a socket (inject). */
async function sendStream({ object, offset, lengthBytes }: ObjectContent, raw: ServerResponse): Promise<number> {
  let sentBytes = 0
  const source = object.read(offset, lengthBytes)
  source.on('data', (piece: Buffer) => {
    sentBytes += piece.length
  })
  // The pipeline stops listening when the client goes away: a read that fails after that must not end the whole worker.
  source.on('error', () => {})
  try {
    await pipeline(source, raw)
    if (sentBytes === lengthBytes) return sentBytes
  } catch (error) {
    // A client that goes away is no failure of ours.
    if (!isClosed(error)) throw error
  }
  raw.destroy()
  return Math.min(sentBytes, lengthBytes - 1)
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** Throws while nothing is out yet: a header value that HTTP cannot carry. */
function begin(status: number, headers: HeaderValues, { reply }: ReplyTarget): void {
  reply.raw.writeHead(status, headers)
  reply.hijack()
}

/**
 * The kernel's descriptor of a plain socket (TCP or unix). undefined for TLS, where Node encrypts, and once the client has gone: then
 * libuv's handle is null, and its old number may already be somebody else's.
 */
function descriptorOf(socket: Socket): number | undefined {
  if (socket.destroyed || 'encrypted' in socket) return undefined
  // `_handle` is not in Node's types; it is the only way to the descriptor.
  const handle = (socket as { readonly _handle?: { readonly fd?: number } | null })._handle
  const descriptor = handle?.fd
  return descriptor !== undefined && descriptor >= 0 ? descriptor : undefined
}

/** true when all that Node was given is with the kernel; false when the connection is gone. */
async function flushed(socket: Socket): Promise<boolean> {
  if (socket.writableLength > 0 && !socket.destroyed) {
    // An empty write is called back when everything before it has been written.
    await new Promise<void>((resolve) => {
      const settle = () => {
        socket.off('close', settle) // the connection outlives the answer
        resolve()
      }
      socket.once('close', settle)
      socket.write(Buffer.alloc(0), settle)
    })
  }
  return !socket.destroyed
}

/** true when the response went out whole, false when the connection ended first. Asked right after `end()`. */
function settled(raw: ServerResponse): Promise<boolean> {
  if (raw.writableFinished || raw.destroyed) return Promise.resolve(raw.writableFinished)
  return new Promise((resolve) => {
    raw.once('finish', () => resolve(true))
    raw.once('close', () => resolve(raw.writableFinished))
  })
}

/** A file that cannot be closed was read all the same. */
async function close(object: OpenObject): Promise<void> {
  try {
    await object.close()
  } catch {
    // Nothing can be done about it, and the answer is out.
  }
}
