/** HTTP as a client speaks it, for tests over a real port of this machine: nothing of the target is changed, nothing is followed or retried. */
import { once } from 'node:events'
import { type Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type Sent = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Of the connection: the same one means that it was kept. */
  readonly clientPort: number | undefined
}

/** One request, on a connection of its own unless there is an `agent`. */
export function send(
  port: number,
  options: {
    readonly method: string
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
    readonly agent?: Agent
    /** Of the answer, in bytes. */
    readonly maxHeaderSize?: number
  },
  body: string | Buffer = '',
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, agent: false, ...options }, async (response) => {
      const clientPort = response.socket.localPort
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      const { statusCode: status = 0, headers } = response
      resolve({ status, headers, body: Buffer.concat(chunks).toString(), clientPort })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/**
 * Sends `text` as it is, one byte a character; `follow` comes at once, or after `waitFor` was read. Answers all that came until an answer
 * was whole, the connection ended or `waitMs` were over.
 */
export async function sendRaw(
  port: number,
  text: string,
  { follow, waitFor, waitMs = 10_000 }: { follow?: string; waitFor?: string; waitMs?: number } = {},
): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  let got = ''
  let rest = follow
  const goOn = () => {
    if (rest === undefined || (waitFor !== undefined && !got.includes(waitFor))) return
    socket.write(rest, 'latin1')
    rest = undefined
  }
  socket.on('data', (chunk) => {
    got += chunk.toString('latin1')
    goOn()
    if (isWhole(got)) socket.end()
  })
  socket.write(text, 'latin1')
  goOn()
  await Promise.race([once(socket, 'close'), sleep(waitMs, undefined, { ref: false })])
  socket.destroy()
  return got
}

/** An answer that says how long it is, on a connection that may stay open. */
function isWhole(got: string): boolean {
  const [head = '', body = ''] = got.replace(/^HTTP\/1.1 100 Continue\r\n\r\n/, '').split('\r\n\r\n')
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  return head.startsWith('HTTP/1.1 ') && length !== undefined && body.length >= Number(length)
}
