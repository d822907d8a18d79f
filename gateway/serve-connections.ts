import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export type Connections = {
  add(socket: Socket): void
  /**
   * Resolves when every connection has gone. `stop` closes idle ones at once. `drain` leaves them to the other side, which is about to
   * reuse one at any moment: each ends with its next answer, or idle a second before `graceMs` is over.
   */
  end(how: 'drain' | 'stop', graceMs: number): Promise<void>
}

/** Serves connections that another process has accepted. */
export function serveConnections(server: Server): Connections {
  // Node begins to watch header and idle time-outs when a server listens; this one never does itself.
  server.emit('listening')
  const open = new Set<Socket>()
  let emptied: (() => void) | undefined
  return {
    add(socket) {
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        if (open.size === 0) emptied?.()
      })
      server.emit('connection', socket)
      // It was accepted paused, so that not a byte was read on the way here.
      socket.resume()
    },
    async end(how, graceMs) {
      if (open.size === 0) return
      const empty = new Promise<void>((resolve) => {
        emptied = resolve
      })
      const closeIdle = () => server.closeIdleConnections()
      const timer = setTimeout(closeIdle, how === 'stop' ? 0 : Math.max(0, graceMs - 1000))
      await empty
      clearTimeout(timer)
    },
  }
}
