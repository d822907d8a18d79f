import type { Duplex } from 'node:stream'
import { errorReply } from './error-response.ts'
import { GatewayError } from './gateway-error.ts'
import { hostId, newRequestId } from './request-id.ts'

/** What Node's parser refuses never becomes a request; S3 clients want their XML all the same (P-008, P-012). */
export function answerMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const requestId = newRequestId()
  // Node's own codes that no table knows (HPE_*) are the client's mistakes, not ours.
  const known = errorReply(error, { requestId, hostId, resource: '', method: '' })
  const reply = known.unexpected
    ? errorReply(new GatewayError('BadRequest'), { requestId, hostId, resource: '', method: '' })
    : known
  const headers = { ...reply.headers, date: new Date().toUTCString(), connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${reply.status} Bad Request\r\n${lines.join('')}\r\n${reply.body ?? ''}`)
}
