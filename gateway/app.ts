/**
 * The road of a request: `answer` is it, top to bottom, and each step is a call to its file; `fail` is the one way out for every error.
 * Knows no operation by name.
 */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Logger } from 'pino'
import type { Directory, Identity, SealedTokens, Sessions } from '#auth'
import type { Caller, Namespace, OpenNamespace } from '#namespace'
import { answerError } from './answer-error.ts'
import type { AuditFile } from './audit-file.ts'
import { authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { awaitedContinues } from './awaited-continues.ts'
import { type Incoming, readServiceForm, requestBody } from './body/request-body.ts'
import type { Config } from './config.ts'
import { crossOriginHeaders } from './cross-origin-headers.ts'
import { createEdge } from './edge.ts'
import { type Exchange, elapsedMs, type Outcome } from './exchange.ts'
import { exchangeLog } from './exchange-log.ts'
import { clientHeaders } from './front.ts'
import type { Metrics } from './metrics.ts'
import type { Call, Operation } from './operation.ts'
import { type CallOptions, operationCall } from './operation-call.ts'
import { passwordTrials } from './password-trials.ts'
import { allowBody } from './precheck-answer.ts'
import { refusalByFiles } from './refusal-by-files.ts'
import { hostId } from './request-id.ts'
import { createRouter } from './router.ts'
import { parseS3Request, type S3Request } from './s3-request.ts'
import { sendReply } from './s3-response.ts'
import { discardUnreadBody } from './unread-body.ts'

export type AppOptions = {
  readonly config: Pick<Config, 'identity' | 'listen' | 'limits' | 's3' | 'log' | 'namespace'>
  /** `as(undefined)`: anonymous. */
  readonly namespace: {
    as(caller: Caller | undefined, options: { readonly forOneRequest: true }): Namespace
    /** To say which file refuses, with enforcement `kernel`. */
    readonly path?: OpenNamespace['path']
  }
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

export function createApp(options: AppOptions): FastifyInstance {
  const { config, namespace, directory, sessions, tokens, log, metrics, audit } = options
  const { behindNginx = false, now = () => new Date() } = options
  const { limits, listen, identity, s3 } = config
  const refusing = refusalByFiles(identity, namespace.path)
  const exchanges = exchangeLog({
    log,
    metrics,
    audit,
    keys: config.log.keys,
    behindNginx,
    now,
    refusalByFiles: refusing,
  })
  const route = createRouter(options.operations)
  const callerOf = callersOf(identity.enforcement)
  const treeOf = (who: Identity | undefined) => namespace.as(who && callerOf(who), { forOneRequest: true })
  const forCalls: CallOptions = {
    directory,
    sessions,
    tokens,
    log,
    metrics,
    s3: { ...s3, encryptedAtRest: config.namespace.encryptedAtRest, sessionSecondsMax: identity.sessionSecondsMax },
    domain: listen.domain,
    trials: passwordTrials(limits.passwordTrialsPerMinute),
    treeOf,
    signedBy,
  }
  const forErrors = { log, mayKeepAlive, crossOriginHeaders: corsOf }

  async function serve(raw: IncomingMessage, reply: FastifyReply): Promise<void> {
    const exchange = exchanges.began(raw)
    try {
      end(raw, exchange, await answer(raw, reply, exchange))
    } catch (error) {
      await fail(raw, reply, exchange, error)
    }
  }

  /** The road. */
  async function answer(raw: IncomingMessage, reply: FastifyReply, exchange: Exchange): Promise<Outcome> {
    const { front } = exchange
    const time = now()
    const { method = '', url = '' } = raw
    const wanted = () => continues.answer(raw, reply.raw)
    const source: Incoming = { source: raw, silenceMs: limits.bodyTimeoutSeconds * 1000, wanted }

    const received = parseS3Request({ method, rawUrl: url, headers: clientHeaders(raw, front), domain: listen.domain })
    exchange.request = received
    const request = front.precheck === undefined ? await readServiceForm(source, received) : received

    const operation = route(request)
    exchange.operation = operation

    const { identity, payload } = await authenticate(operation, request, {
      directory,
      sessions,
      region: s3.region,
      now: time,
    })
    signedBy(exchange, identity)

    const circumstances = { clientAddress: front.client, scheme: front.scheme, now: time }
    const decided = exchanges.decisionsOf(exchange)
    const asked = { operation, request, identity, namespace: treeOf(identity), directory, circumstances, decided }
    const access = await authorize({ ...asked, s3 })
    exchange.authMs = elapsedMs(exchange)

    if (front.precheck !== undefined) return allowBody(reply)
    const incoming = requestBody(source, { headers: request.headers, payload })
    const body = await incoming.readXml(operation.body)
    const text = await incoming.readText(operation.text)
    const call = operationCall(exchange, { ...asked, access, incoming, body, text }, forCalls)
    // The body has passed this very operation's schema, which is what its type stands for (defineOperation).
    const result = await operation.run(call as Call)
    exchange.runMs = elapsedMs(exchange) - exchange.authMs

    const crossOrigin = await corsOf(request)
    const answered = crossOrigin === undefined ? result : { ...result, headers: { ...result.headers, ...crossOrigin } }
    if (!mayKeepAlive(raw)) reply.raw.shouldKeepAlive = false
    const sent = await sendReply(answered, { reply, method, requestId: front.requestId, hostId })
    if (sent.broken) log.info({ requestId: front.requestId, err: sent.cause }, 'an answer was broken off')
    return { status: sent.status, bytesOut: sent.bodyBytes, broken: sent.broken }
  }

  async function refuse(raw: IncomingMessage, reply: FastifyReply, error: unknown): Promise<void> {
    await fail(raw, reply, exchanges.began(raw), error)
  }

  async function fail(raw: IncomingMessage, reply: FastifyReply, exchange: Exchange, error: unknown): Promise<void> {
    exchange.error = error
    end(raw, exchange, await answerError(raw, reply, exchange, forErrors))
  }

  function end(raw: IncomingMessage, exchange: Exchange, outcome: Outcome): void {
    discardUnreadBody(raw)
    exchanges.ended(raw, exchange, outcome)
  }

  function signedBy(exchange: Exchange, identity: Identity | undefined): void {
    exchange.identity = identity
    if (identity !== undefined) options.keyUsed?.(identity.accessKeyId)
  }

  function corsOf(request: S3Request | undefined) {
    return crossOriginHeaders(request, () => treeOf(undefined))
  }

  /** A client that was never told to continue may send its body or not: nobody can tell what the next bytes mean (P-005). */
  function mayKeepAlive(raw: IncomingMessage): boolean {
    return !options.isDraining?.() && !continues.has(raw)
  }

  const edge = createEdge({ limits, overloadDelayMs: options.overloadDelayMs, serve, refuse })
  const continues = awaitedContinues(edge.server)
  return edge
}

/** With enforcement `service` one account owns all files, whatever uid the directory knows of a user: then without `posix`. */
const callersOf =
  (enforcement: Config['identity']['enforcement']) =>
  ({ canonicalId, displayName, posix }: Identity): Caller => ({
    canonicalId,
    displayName,
    ...(enforcement === 'kernel' && { posix }),
  })
