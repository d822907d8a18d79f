/** What an operation's `run` gets, put together from what the road has found out. */
import type { Logger } from 'pino'
import type { Directory, Identity, SealedTokens, Sessions } from '#auth'
import type { Namespace } from '#namespace'
import type { Access } from './access.ts'
import { admitForm } from './admit-form.ts'
import type { AuthorizeInput } from './authorize.ts'
import type { RequestBody } from './body/request-body.ts'
import type { S3Config } from './config.ts'
import { endpointOf } from './endpoint-of.ts'
import type { Exchange } from './exchange.ts'
import type { Metrics } from './metrics.ts'
import type { Call } from './operation.ts'
import type { PasswordTrials } from './password-trials.ts'
import { startSession, type TrialOutcome } from './start-session.ts'

/** The same for all requests of a worker. */
export type CallOptions = {
  readonly directory: Directory
  readonly sessions: Sessions
  readonly tokens: SealedTokens
  readonly trials: PasswordTrials
  readonly s3: S3Config
  readonly domain: string | undefined
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'passwordTried'>
  readonly treeOf: (identity: Identity | undefined) => Namespace
  /** Notes who it is, whose signature was right. */
  readonly signedBy: (exchange: Exchange, identity: Identity | undefined) => void
}

/** What is known of this one; `s3` of an AuthorizeInput is the worker's. */
export type Admitted = Omit<AuthorizeInput, 's3'> & {
  readonly access: Access
  readonly incoming: RequestBody
  readonly body: unknown
  readonly text: string
}

export function operationCall(exchange: Exchange, admitted: Admitted, options: CallOptions): Call<unknown> {
  const { request, identity, namespace, circumstances, access, incoming, body, text } = admitted
  const { directory, s3, tokens } = options
  return {
    bucket: request.bucket,
    key: request.key,
    query: request.query,
    headers: request.headers,
    body,
    text,
    // Made when an operation asks for it: only those that take bytes may refuse a request for lacking them.
    get bytes() {
      return incoming.object()
    },
    readForm: incoming.readForm,
    admitForm: (form) => admitForm(form, formOptions(exchange, admitted, options)),
    startSession: (asked) => startSession(asked, sessionOptions(exchange, options)),
    namespace,
    identity,
    access,
    failed(resource, code) {
      const about = exchange.decided?.find((each) => each.resource === resource)
      if (about !== undefined) about.code = code
    },
    directory,
    s3,
    tokens,
    requestId: exchange.front.requestId,
    now: circumstances.now,
    endpoint: endpointOf(request, exchange.front, options.domain),
  }
}

function formOptions(exchange: Exchange, admitted: Admitted, options: CallOptions): Parameters<typeof admitForm>[1] {
  const { operation, request, identity, circumstances, decided } = admitted
  const { directory, sessions, s3, signedBy, treeOf } = options
  const actAs = (who: Identity | undefined) => {
    signedBy(exchange, who)
    return treeOf(who)
  }
  const now = circumstances.now
  return { operation, request, identity, circumstances, decided, directory, sessions, s3, now, actAs }
}

function sessionOptions(exchange: Exchange, options: CallOptions): Parameters<typeof startSession>[1] {
  const { directory, sessions, trials, log, metrics } = options
  const { requestId, client } = exchange.front
  const tried = (outcome: TrialOutcome) => {
    metrics.passwordTried(outcome)
    if (outcome !== 'right') log.warn({ requestId, client, outcome }, 'a password was refused')
  }
  const started = (who: Identity) => {
    exchange.identity = who
  }
  return { directory, sessions, trials, client, tried, started }
}
