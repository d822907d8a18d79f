import type { IncomingMessage } from 'node:http'

const MAX_BYTES = 64 * 1024 * 1024
const MAX_MS = 30_000

/**
 * An answer was given before the body was read (403, 404 …). Closing now would reset the connection, and the client, still
 * sending, would see "connection reset" instead of the answer (P-005, P-021). So the rest is read and thrown away: nginx stops
 * sending once it has the answer, and so do most clients. Who goes on for 64 MiB or 30 seconds is cut off.
 */
export function discardUnreadBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  const before = socket.bytesRead
  const timer = setTimeout(() => socket.destroy(), MAX_MS)
  timer.unref()
  request.on('data', () => {
    if (socket.bytesRead - before > MAX_BYTES) socket.destroy()
  })
  request.on('error', () => {}) // it has gone: just what we wait for
  request.once('close', () => clearTimeout(timer))
  request.once('end', () => clearTimeout(timer))
  request.resume()
}
