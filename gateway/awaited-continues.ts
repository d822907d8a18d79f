import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Requests whose client waits for 100 Continue; only without nginx, which answers that itself. */
export type AwaitedContinues = {
  has(request: IncomingMessage): boolean
  /** Asks the client for its body, where it waits to be asked (P-001). */
  answer(request: IncomingMessage, response: ServerResponse): void
}

/** Both events replace Node's own answers: 100 at once (we authorize first), and 417 for any other expectation (P-003). */
export function awaitedContinues(server: Server): AwaitedContinues {
  const waiting = new WeakSet<IncomingMessage>()
  server.on('checkContinue', (request, response) => {
    waiting.add(request)
    server.emit('request', request, response)
  })
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  return {
    has: (request) => waiting.has(request),
    answer(request, response) {
      if (waiting.delete(request)) response.writeContinue()
    },
  }
}
