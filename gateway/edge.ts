import type { IncomingMessage } from 'node:http'
import underPressure from '@fastify/under-pressure'
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import { answerMalformed } from './answer-malformed.ts'
import type { Config } from './config.ts'
import { GatewayError } from './gateway-error.ts'

export type EdgeOptions = {
  readonly limits: Pick<Config['limits'], 'headerBytes' | 'headerTimeoutSeconds'>
  /** How late timers may run before requests are refused with SlowDown. Default 2 s. */
  readonly overloadDelayMs: number | undefined
  readonly serve: (raw: IncomingMessage, reply: FastifyReply) => Promise<void>
  /** Answers what never came to `serve`. */
  readonly refuse: (raw: IncomingMessage, reply: FastifyReply, error: unknown) => Promise<void>
}

/** Node's idle time-out: above nginx's for idle connections to a worker, else nginx sends into a connection just closed. */
const KEEP_ALIVE_MS = 75_000
const OVERLOAD_DELAY_MS = 2000

/** Fastify, thin: one wildcard route, no body parser, limits. */
export function createEdge({ limits, overloadDelayMs, serve, refuse }: EdgeOptions): FastifyInstance {
  const edge = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: Number.MAX_SAFE_INTEGER,
    forceCloseConnections: 'idle',
    keepAliveTimeout: KEEP_ALIVE_MS,
    // nginx times out slow bodies; 0, since a 5 GiB part may take hours.
    requestTimeout: 0,
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headerTimeoutSeconds * 1000,
      // HTTP/1.0 without Host is legal, and Node's own refusal has no body.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: limits.headerBytes, querystringParser: () => ({}) },
    frameworkErrors: (error, { raw }, reply) => void refuse(raw, reply, error),
    clientErrorHandler: answerMalformed,
  })
  // One parser for all types: none. The body stays in the socket until an operation reads it.
  edge.removeAllContentTypeParsers()
  edge.addContentTypeParser('*', (_request, _payload, done) => done(null))
  edge.addHook('onRequest', ({ raw }, _reply, done) => {
    // Fastify answers 415 to a Content-Type that is not well-formed; S3 keeps whatever it is given. Ours is in rawHeaders.
    delete raw.headers['content-type']
    done()
  })
  edge.setErrorHandler((error, { raw }, reply) => refuse(raw, reply, error))
  edge.setNotFoundHandler(({ raw }, reply) =>
    refuse(raw, reply, new GatewayError('MethodNotAllowed', { Method: raw.method })),
  )
  edge.register(underPressure, {
    maxEventLoopDelay: overloadDelayMs ?? OVERLOAD_DELAY_MS,
    async pressureHandler() {
      throw new GatewayError('SlowDown', { 'retry-after': 1 })
    },
  })
  edge.register(async (routes) => {
    routes.route({ method: routes.supportedMethods, url: '/*', handler: ({ raw }, reply) => serve(raw, reply) })
  })
  return edge
}
