/**
 * One bound LDAPS connection that many callers use at once, and trials of passwords beside it.
 *
 * ldapts opens a socket per caller while it is not connected, and one of these callers waits for ever; after a lost connection it comes back
 * without having bound. So here a client connects once in its life, and nobody sees it before it is bound; when it is gone, the next caller
 * makes another one.
 */
import { isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Client, type Entry, type SearchOptions } from 'ldapts'

export type LdapServer = {
  /** ldaps://host[:port]; the certificate must be for this host. */
  readonly url: string
  /** Read for each connection, so that another password or authority needs no restart. */
  readonly readCredentials: () => Promise<LdapCredentials>
  /** Default 2 s, and 3 s for an answer. */
  readonly connectTimeoutMs?: number | undefined
  readonly answerTimeoutMs?: number | undefined
}

export type LdapCredentials = {
  /** PEM; the only authorities that count. */
  readonly authorities: Buffer | string
  readonly bindDn: string
  readonly bindPassword: string
}

export type SearchAnswer = {
  readonly entries: readonly Entry[]
  /** Differs between connections: answers with the same value come from one controller. */
  readonly connection: number
}

export type LdapConnection = {
  /**
   * No entries where there is no such object: it is deleted. Referrals are not followed. Rejects with LdapUnreachable, or with the error of
   * another LDAP result
   */
  search(baseDn: string, options: SearchOptions): Promise<SearchAnswer>
  /**
   * Over a connection of its own: a failed bind leaves Samba answering as the account before. Rejects with LdapUnreachable. A DN or password
   * that is empty is refused unasked: to LDAP that is an anonymous bind, which succeeds (RFC 4513, 5.1.2).
   */
  checkPassword(dn: string, password: string): Promise<boolean>
  close(): Promise<void>
}

/** No answer: not connected, not trusted, not bound, timed out, broken off. */
export class LdapUnreachable extends Error {
  constructor(url: string, cause: unknown) {
    super(`${url}: ${reasonOf(cause)}`, { cause })
    this.name = 'LdapUnreachable'
  }
}

/** https://datatracker.ietf.org/doc/html/rfc4511#appendix-A.1 */
const LDAP_RESULT = { noSuchObject: 32, invalidCredentials: 49, busy: 51, unavailable: 52 } as const

/** Whether the controller has answered, with this code. Errors of the transport have none, or a word such as ECONNREFUSED. */
function isLdapResult(error: unknown, code?: number): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    (code === undefined || error.code === code)
  )
}

/** Each bind with a wrong password brings the account nearer to its lockout: the same one is not tried again for so long. */
const REFUSED_HOLDS_MS = 300_000

type Bound = { readonly client: Client; readonly connection: number }

let connections = 0

export function ldapConnection(server: LdapServer): LdapConnection {
  let bound: Promise<Bound> | undefined
  let closed = false
  const hung = new WeakSet<Client>()
  const bind = bindOf(server)

  function connected(): Promise<Bound> {
    if (closed) return Promise.reject(new LdapUnreachable(server.url, new Error('closed')))
    bound ??= bind().catch((error: unknown) => {
      bound = undefined
      throw error
    })
    return bound
  }

  function drop(lost: Promise<Bound>, { client }: Bound): void {
    if (bound === lost) bound = undefined
    disconnect(client)
  }

  async function search(baseDn: string, options: SearchOptions): Promise<SearchAnswer> {
    for (let attempt = 1; ; attempt++) {
      const using = connected()
      const { client, connection } = await using
      try {
        const { searchEntries } = await client.search(baseDn, options)
        return { entries: searchEntries, connection }
      } catch (error) {
        if (isLdapResult(error, LDAP_RESULT.noSuchObject)) return { entries: [], connection }
        // Others may be waiting for their answers on this connection, which is in order.
        if (isOutOfService(error)) throw new LdapUnreachable(server.url, error)
        if (isLdapResult(error)) throw error
        drop(using, { client, connection })
        // Idle connections are ended by firewalls and restarts: a new one is worth a try, but not after a whole timeout, be it another's.
        if (isTimeout(error)) hung.add(client)
        if (attempt > 1 || hung.has(client)) throw new LdapUnreachable(server.url, error)
      }
    }
  }

  return {
    search,
    async checkPassword(dn, password) {
      // Samba reads a password up to a NUL: "\0" would be an empty one.
      if (dn === '' || password === '' || password.includes('\0')) return false
      const { authorities } = await credentialsOf(server)
      const client = newClient(server, authorities)
      try {
        await client.bind(dn, password)
        return true
      } catch (error) {
        if (isLdapResult(error, LDAP_RESULT.invalidCredentials)) return false
        throw new LdapUnreachable(server.url, error)
      } finally {
        disconnect(client)
      }
    },
    async close() {
      closed = true
      const last = await bound?.catch(() => undefined)
      if (last !== undefined) disconnect(last.client)
    },
  }
}

function bindOf(server: LdapServer): () => Promise<Bound> {
  let refused: { readonly credentials: string; readonly untilMs: number; readonly error: LdapUnreachable } | undefined
  return async () => {
    const { authorities, bindDn, bindPassword } = await credentialsOf(server)
    if (bindDn === '' || bindPassword === '') throw new LdapUnreachable(server.url, new Error('no bind account'))
    const credentials = `${bindDn}\0${bindPassword}`
    if (refused?.credentials === credentials && performance.now() < refused.untilMs) throw refused.error
    const client = newClient(server, authorities)
    try {
      await client.bind(bindDn, bindPassword)
      connections += 1
      return { client, connection: connections }
    } catch (error) {
      disconnect(client)
      if (!isLdapResult(error, LDAP_RESULT.invalidCredentials)) throw new LdapUnreachable(server.url, error)
      const sentence = new Error('the bind account or its password is refused', { cause: error })
      refused = {
        credentials,
        untilMs: performance.now() + REFUSED_HOLDS_MS,
        error: new LdapUnreachable(server.url, sentence),
      }
      throw refused.error
    }
  }
}

async function credentialsOf({ url, readCredentials }: LdapServer): Promise<LdapCredentials> {
  try {
    return await readCredentials()
  } catch (error) {
    throw new LdapUnreachable(url, error)
  }
}

function newClient(
  { url, connectTimeoutMs = 2000, answerTimeoutMs = 3000 }: LdapServer,
  authorities: Buffer | string,
): Client {
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'ldaps:') throw new Error(`${url} is not ldaps://`)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Client({
    url,
    timeout: answerTimeoutMs,
    connectTimeout: connectTimeoutMs,
    tlsOptions: {
      ca: authorities,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true, // said, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment changes nothing
      ...(isIP(host) === 0 && { servername: host }),
    },
    createSecureConnection: once(connectTls),
  })
}

/** A client that has lost its connection would silently make another one, without binding. */
function once(connect: typeof connectTls): typeof connectTls {
  let used = false
  const connectOnce = (...parameters: Parameters<typeof connectTls>) => {
    if (used) throw new Error('the connection is gone')
    used = true
    return connect(...parameters)
  }
  return connectOnce as typeof connectTls // overloads are lost in Parameters; they are passed on as they come
}

/** A socket stays open after a failed bind, and would keep the process alive. */
function disconnect(client: Client): void {
  client.unbind().catch(() => {})
}

/** Answers that speak of the controller and not of what was asked. */
function isOutOfService(error: unknown): boolean {
  return isLdapResult(error, LDAP_RESULT.busy) || isLdapResult(error, LDAP_RESULT.unavailable)
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && /timed? ?out/i.test(error.message)
}

function reasonOf(cause: unknown): string {
  const [first = ''] = cause instanceof Error ? cause.message.split('\n').slice(-1) : [String(cause)]
  return first || (cause instanceof Error ? cause.name : '')
}
