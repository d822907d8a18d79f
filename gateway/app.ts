/**
 * Fastify as a thin edge: one wildcard route, limits, and one way out for every error. Knows no operation by name.
 * `serve` is the road of a request, top to bottom; each step is a call to its file.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import underPressure from '@fastify/under-pressure'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Logger } from 'pino'
import type { Directory, Identity, Payload, SealedTokens, Sessions } from '#auth'
import type { Caller, Namespace } from '#namespace'
import { admitForm } from './admit-form.ts'
import type { AuditFile } from './audit-file.ts'
import { auditLines, type Decided } from './audit-lines.ts'
import { authenticate } from './authenticate.ts'
import { authorize, type TellDecision } from './authorize.ts'
import { type ObjectBody, objectBody, readSmallBody } from './body/pipeline.ts'
import { readUploadForm } from './body/upload-form.ts'
import { findBucketDocument } from './bucket-documents.ts'
import type { Config } from './config.ts'
import { corsHeaders } from './cors.ts'
import { type Denial, denialLine, denialWithoutDecision } from './denial-line.ts'
import { errorReply } from './error-response.ts'
import { clientHeaders, type Front, REFUSAL_HEADER, readFront } from './front.ts'
import { GatewayError } from './gateway-error.ts'
import { loggedKey, loggedTarget } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Call, Operation } from './operation.ts'
import { passwordTrials } from './password-trials.ts'
import type { Reply } from './reply.ts'
import { hostId, newRequestId } from './request-id.ts'
import { createRouter } from './router.ts'
import { isServiceForm, parseS3Request, type S3Request, withForm } from './s3-request.ts'
import { sendReply } from './s3-response.ts'
import { startSession, type TrialOutcome } from './start-session.ts'
import { discardUnreadBody } from './unread-body.ts'
import { readXml } from './xml.ts'

export type AppOptions = {
  readonly config: Pick<Config, 'identity' | 'listen' | 'limits' | 's3' | 'log' | 'namespace'>
  /** `as(undefined)`: anonymous. */
  readonly namespace: { as(caller: Caller | undefined, options: { readonly forOneRequest: true }): Namespace }
  readonly directory: Directory
  /** Sealed with the tree's master key, so that any worker opens what another one made. */
  readonly tokens: SealedTokens
  /** Of the same key: temporary credentials. */
  readonly sessions: Sessions
  readonly operations: readonly Operation[]
  readonly log: Logger
  readonly metrics: Metrics
  /** undefined: nothing is gathered for one. */
  readonly audit?: Pick<AuditFile, 'write'> | undefined
  /** Only nginx can reach this app, so its header is believed. */
  readonly behindNginx?: boolean
  /** The worker is leaving: each answer asks its client to close the connection. */
  readonly isDraining?: () => boolean
  /** Told of each request whose signature was right. */
  readonly keyUsed?: (accessKeyId: string) => void
  readonly now?: () => Date
  /** How late timers may run before requests are refused with SlowDown. Default 2 s. */
  readonly overloadDelayMs?: number
}

/** XML bodies; DeleteObjects with 1,000 keys of 1,024 escaped bytes and CompleteMultipartUpload with 10,000 parts fit. */
const XML_BODY_MAX_BYTES = 8 * 1024 * 1024
/** A form that is posted to the service, read before anybody is known: the longest session policy, each character of it escaped, is 12 KiB. */
const SERVICE_FORM_MAX_BYTES = 32 * 1024
/** Node's idle time-out: above nginx's for idle connections to a worker, else nginx sends into a connection just closed. */
const KEEP_ALIVE_MS = 75_000
const OVERLOAD_DELAY_MS = 2000

/** Byte for byte: a mark at the beginning stays, and what is no UTF-8 is refused. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What is known of a request so far; filled in step by step, read by the log line. */
type Exchange = {
  readonly front: Front
  readonly startedMs: number
  readonly bytesReadBefore: number
  request?: S3Request
  operation?: Operation
  identity?: Identity | undefined
  authMs?: number
  runMs?: number
  /** Every decision so far; undefined where nobody keeps them. */
  readonly decided: Decided[] | undefined
  /** The log has said why. */
  denied?: boolean
  /** What made it fail. */
  error?: unknown
}

type Outcome = {
  readonly status: number
  readonly bytesOut: number
  readonly code?: string
  /** The client has gone, or was cut off in the middle of the answer. */
  readonly broken?: boolean
}

export function createApp(options: AppOptions): FastifyInstance {
  const { config, namespace, directory, sessions, log, metrics, audit } = options
  const now = options.now ?? (() => new Date())
  const behindNginx = options.behindNginx ?? false
  const { encryptedAtRest } = config.namespace
  const { sessionSecondsMax } = config.identity
  const s3Config = { ...config.s3, encryptedAtRest, sessionSecondsMax }
  const trials = passwordTrials(config.limits.passwordTrialsPerMinute)
  const route = createRouter(options.operations)
  const silenceMs = config.limits.bodyTimeoutSeconds * 1000
  /** Requests whose client waits for 100 Continue; only without nginx, which answers that itself. */
  const waiting = new WeakSet<IncomingMessage>()

  async function serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const exchange = begin(request.raw)
    try {
      const outcome = await answer(request.raw, reply, exchange)
      end(request.raw, exchange, outcome)
    } catch (error) {
      await fail(request.raw, reply, exchange, error)
    }
  }

  /** The road. */
  async function answer(raw: IncomingMessage, reply: FastifyReply, exchange: Exchange): Promise<Outcome> {
    const { front } = exchange
    const time = now()
    const headers = clientHeaders(raw, front)
    const { method = '', url = '' } = raw
    const received = parseS3Request({ method, rawUrl: url, headers, domain: config.listen.domain })
    exchange.request = received
    const s3 = front.precheck === undefined ? await readServiceForm(raw, reply, received) : received

    const operation = route(s3)
    exchange.operation = operation

    const known = { directory, sessions, region: config.s3.region, now: time }
    const { identity, payload } = await authenticate(operation, s3, known)
    exchange.identity = identity
    if (identity !== undefined) options.keyUsed?.(identity.accessKeyId)
    const treeOf = (who: Identity | undefined) => namespace.as(who && callerOf(who), { forOneRequest: true })
    const tree = treeOf(identity)
    const decided: TellDecision = (action, resource, decision) => {
      exchange.decided?.push({ action, resource, decision })
      if (decision.allow) return
      exchange.denied = true
      const { requestId } = front
      tellDenial({ requestId, identity: exchange.identity, action, resource, reason: decision.reason })
    }
    const circumstances = { clientAddress: front.client, scheme: front.scheme, now: time }
    const access = await authorize({
      operation,
      request: s3,
      identity,
      namespace: tree,
      circumstances,
      s3: config.s3,
      decided,
    })
    exchange.authMs = elapsed(exchange)

    if (front.precheck !== undefined) return allowBody(reply)
    const body = await readBody(raw, reply, operation, s3, payload)
    const text = await readText(raw, reply, operation, s3, payload)
    let bytes: ObjectBody | undefined
    const call: Call<unknown> = {
      bucket: s3.bucket,
      key: s3.key,
      query: s3.query,
      headers: s3.headers,
      body,
      text,
      // Made when an operation asks for it: only those that take bytes may refuse a request for lacking them.
      get bytes() {
        continueBody(raw, reply)
        bytes ??= objectBody({ payload, headers: s3.headers, source: raw, silenceMs })
        return bytes
      },
      readForm() {
        continueBody(raw, reply)
        return readUploadForm({ contentType: s3.headers.get('content-type'), source: raw, silenceMs })
      },
      admitForm(form) {
        const actAs = (who: Identity | undefined) => {
          exchange.identity = who
          if (who !== undefined) options.keyUsed?.(who.accessKeyId)
          return treeOf(who)
        }
        const asked = { operation, request: s3, identity, circumstances, decided }
        return admitForm(form, { ...asked, directory, sessions, s3: s3Config, now: time, actAs })
      },
      startSession(asked) {
        const started = (who: Identity) => {
          exchange.identity = who
        }
        const tried = (outcome: TrialOutcome) => {
          metrics.passwordTried(outcome)
          if (outcome !== 'right')
            log.warn({ requestId: front.requestId, client: front.client, outcome }, 'a password was refused')
        }
        return startSession(asked, { directory, sessions, trials, client: front.client, tried, started })
      },
      namespace: tree,
      identity,
      access,
      failed(resource, code) {
        const about = exchange.decided?.find((each) => each.resource === resource)
        if (about !== undefined) about.code = code
      },
      directory,
      s3: s3Config,
      tokens: options.tokens,
      requestId: front.requestId,
      now: time,
      endpoint: `${front.scheme}://${hostOf(s3, config.listen.domain)}`,
    }
    // The body has passed this very operation's schema, which is what its type stands for (defineOperation).
    const result = await operation.run(call as Call)
    exchange.runMs = elapsed(exchange) - exchange.authMs
    const crossOrigin = s3.headers.get('origin') === undefined ? undefined : await crossOriginHeaders(s3)
    const answered = crossOrigin === undefined ? result : { ...result, headers: { ...result.headers, ...crossOrigin } }

    closeIfLeaving(raw, reply)
    const sent = await sendReply(answered, { reply, method, requestId: front.requestId, hostId })
    if (sent.broken) log.info({ requestId: front.requestId, err: sent.cause }, 'an answer was broken off')
    return { status: sent.status, bytesOut: sent.bodyBytes, broken: sent.broken }
  }

  /** What asks STS says so in the body. */
  async function readServiceForm(raw: IncomingMessage, reply: FastifyReply, request: S3Request): Promise<S3Request> {
    if (!isServiceForm(request)) return request
    continueBody(raw, reply)
    const input = { payload: { kind: 'unsigned' }, headers: request.headers, source: raw, silenceMs } as const
    return withForm(request, await readSmallBody(input, SERVICE_FORM_MAX_BYTES))
  }

  async function readBody(
    raw: IncomingMessage,
    reply: FastifyReply,
    { body }: Operation,
    { headers }: S3Request,
    payload: Payload,
  ): Promise<unknown> {
    if (body?.shape === undefined) return undefined
    continueBody(raw, reply)
    const input = { payload, headers, source: raw, silenceMs, ignoreChecksum: body.checksumOfObject ?? false }
    const bytes = await readSmallBody(input, body.maxBytes ?? XML_BODY_MAX_BYTES)
    if (bytes.length === 0 && body.optional) return undefined
    return readXml(bytes, body.root, body.shape)
  }

  async function readText(
    raw: IncomingMessage,
    reply: FastifyReply,
    { text }: Operation,
    { headers }: S3Request,
    payload: Payload,
  ): Promise<string> {
    if (text === undefined) return ''
    continueBody(raw, reply)
    const bytes = await readSmallBody({ payload, headers, source: raw, silenceMs }, text.maxBytes)
    try {
      return utf8.decode(bytes)
    } catch {
      throw new GatewayError(text.malformed)
    }
  }

  function begin(raw: IncomingMessage): Exchange {
    metrics.requestBegan()
    const bytesReadBefore = raw.socket?.bytesRead ?? 0
    const decided = audit && []
    return { front: readFront(raw, behindNginx), startedMs: performance.now(), bytesReadBefore, decided }
  }

  /** Every answer to a cross-origin request has them, 403 and 404 too (P-197); a preflight answers for itself. Never throws. */
  async function crossOriginHeaders(request: S3Request | undefined): Promise<NonNullable<Reply['headers']>> {
    const origin = request?.headers.get('origin')
    if (request === undefined || origin === undefined || request.bucket === '' || request.method === 'OPTIONS')
      return {}
    const { headers, bucket } = request
    const tree = namespace.as(undefined, { forOneRequest: true })
    // Without rules that can be read nothing is allowed; what is wrong with the bucket is said by the answer itself.
    const document = await findBucketDocument(tree, bucket, 'cors').catch(() => undefined)
    const method = headers.get('access-control-request-method') ?? request.method
    const requestHeaders = headers.get('access-control-request-headers')
    return corsHeaders(document?.rules ?? [], { origin, method, requestHeaders }) ?? {}
  }

  /** The one way out for errors: S3 XML, or nothing where the answer has begun. */
  async function fail(raw: IncomingMessage, reply: FastifyReply, exchange: Exchange, error: unknown): Promise<void> {
    const { requestId, precheck } = exchange.front
    const { method = '', url = '' } = raw
    exchange.error = error
    const resource = exchange.request?.rawPath ?? url.split('?', 1)[0] ?? ''
    const { service } = exchange.operation ?? {}
    const context = { requestId, hostId, resource, method, service }
    const { status, headers, body, code, unexpected } = errorReply(error, context)
    if (unexpected)
      log.error({ requestId, operation: exchange.operation?.name, err: error }, 'a request failed unexpectedly')
    if (reply.raw.headersSent || raw.socket?.destroyed) {
      reply.raw.destroy()
      return end(raw, exchange, { status, bytesOut: 0, code, broken: true })
    }
    if (precheck !== undefined) return end(raw, exchange, refuseBody(reply, status, code, body))
    const crossOrigin = await crossOriginHeaders(exchange.request)
    closeIfLeaving(raw, reply)
    // A client that was never told to continue may send its body or not: nobody can tell what the next bytes mean (P-005).
    if (waiting.has(raw)) reply.raw.shouldKeepAlive = false
    // As bytes: with a string Node would write the headers as UTF-8 too, and they are Latin-1.
    reply
      .code(status)
      .headers({ ...headers, ...crossOrigin })
      .send(body === undefined ? undefined : Buffer.from(body))
    end(raw, exchange, { status, bytesOut: Buffer.byteLength(body ?? ''), code })
  }

  function end(raw: IncomingMessage, exchange: Exchange, outcome: Outcome): void {
    const { front, request, operation, identity } = exchange
    const bytesIn = bodyBytesRead(raw, exchange)
    const ms = elapsed(exchange)
    discardUnreadBody(raw)
    const name = front.precheck === undefined ? (operation?.name ?? 'unknown') : 'precheck'
    const { status, bytesOut } = outcome
    metrics.requestEnded({ operation: name, status, seconds: ms / 1000, bytesIn, bytesOut })
    if (audit !== undefined) {
      for (const line of auditLines(exchange, { ...outcome, ended: now(), bytesIn, ms })) audit.write(line)
    }
    if (outcome.code === 'AccessDenied' && !exchange.denied) tellDenial(denialWithoutDecision(exchange))
    const { requestId, client } = front
    log.info({
      requestId,
      operation: name,
      bucket: request?.bucket || undefined,
      key: loggedKey(request?.key ?? '', config.log.keys),
      // Where no operation was found, the line says at least what was asked.
      target: operation === undefined ? `${raw.method} ${loggedTarget(raw.url ?? '')}` : undefined,
      status,
      code: outcome.code,
      user: identity?.userName,
      accessKey: identity?.accessKeyId,
      client,
      bytesIn,
      bytesOut,
      ms: round(ms),
      authMs: round(exchange.authMs),
      runMs: round(exchange.runMs),
      broken: outcome.broken || undefined,
    })
  }

  function tellDenial(denial: Denial): void {
    if (log.isLevelEnabled('debug')) log.debug(denialLine(denial, config.log.keys), 'denied')
  }

  /** For the client that asked and was not answered by nginx (P-001). */
  function continueBody(raw: IncomingMessage, reply: FastifyReply): void {
    if (waiting.delete(raw)) reply.raw.writeContinue()
  }

  function closeIfLeaving(raw: IncomingMessage, reply: FastifyReply): void {
    if (options.isDraining?.() || waiting.has(raw)) reply.raw.shouldKeepAlive = false
  }

  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: Number.MAX_SAFE_INTEGER,
    forceCloseConnections: 'idle',
    keepAliveTimeout: KEEP_ALIVE_MS,
    // nginx times out slow bodies; 0, since a 5 GiB part may take hours.
    requestTimeout: 0,
    http: {
      maxHeaderSize: config.limits.headerBytes,
      headersTimeout: config.limits.headerTimeoutSeconds * 1000,
      // HTTP/1.0 without Host is legal, and Node's own refusal has no body.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: config.limits.headerBytes, querystringParser: () => ({}) },
    frameworkErrors: (error, request, reply) => void fail(request.raw, reply, begin(request.raw), error),
    clientErrorHandler: answerMalformed,
  })

  // One parser for all types: none. The body stays in the socket until an operation reads it.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  app.addHook('onRequest', (request, _reply, done) => {
    // Fastify answers 415 to a Content-Type that is not well-formed; S3 keeps whatever it is given. Ours is in rawHeaders.
    delete request.raw.headers['content-type']
    done()
  })
  app.setErrorHandler((error, request, reply) => fail(request.raw, reply, begin(request.raw), error))
  app.setNotFoundHandler((request, reply) =>
    fail(request.raw, reply, begin(request.raw), new GatewayError('MethodNotAllowed', { Method: request.raw.method })),
  )
  app.register(underPressure, {
    maxEventLoopDelay: options.overloadDelayMs ?? OVERLOAD_DELAY_MS,
    async pressureHandler() {
      throw new GatewayError('SlowDown', { 'retry-after': 1 })
    },
  })
  app.register(async (routes) => {
    routes.route({ method: routes.supportedMethods, url: '/*', handler: serve })
  })

  // Both events replace Node's own answers: 100 at once (we authorize first), and 417 for any other expectation (P-003).
  app.server.on('checkContinue', (request, response) => {
    waiting.add(request)
    app.server.emit('request', request, response)
  })
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  return app
}

/** nginx may let the body come; whatever else is wrong with the request is said when it has come. */
function allowBody(reply: FastifyReply): Outcome {
  reply.code(204).send()
  return { status: 204, bytesOut: 0 }
}

/** auth_request passes 403 on and takes anything else that is not 2xx for a failure of ours. */
function refuseBody(reply: FastifyReply, status: number, code: string, body: string | undefined): Outcome {
  if (status !== 403) return allowBody(reply)
  const xml = (body ?? '')
    .replaceAll('\n', '')
    .replace(/[^ -~]/gu, (character) => `&#x${character.codePointAt(0)?.toString(16)};`)
  reply.code(403).header(REFUSAL_HEADER, xml).send()
  return { status, bytesOut: 0, code }
}

/** What Node's parser refuses never becomes a request; S3 clients want their XML all the same (P-008, P-012). */
function answerMalformed(error: Error & { code?: string }, socket: Duplex): void {
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

/** Without `posix`: with enforcement `service` one account owns all files, whatever uid the directory knows of a user. */
function callerOf({ canonicalId, displayName }: Identity): Caller {
  return { canonicalId, displayName }
}

/** Path style, which works on every name: "photos.s3.example.com:8443" → "s3.example.com:8443". */
function hostOf({ host, bucket }: S3Request, domain: string | undefined): string {
  const isVirtual = domain !== undefined && host.toLowerCase().startsWith(`${bucket}.${domain}`)
  return isVirtual && bucket !== '' ? host.slice(bucket.length + 1) : host
}

/** The length that was announced where the body has come whole, else what came through the connection meanwhile. */
function bodyBytesRead(raw: IncomingMessage, { bytesReadBefore }: Exchange): number {
  const announced = Number(raw.headers['content-length'] ?? 0)
  if (raw.complete && Number.isSafeInteger(announced) && announced > 0) return announced
  return (raw.socket?.bytesRead ?? 0) - bytesReadBefore
}

const elapsed = ({ startedMs }: Exchange) => performance.now() - startedMs
const round = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * 10) / 10)
