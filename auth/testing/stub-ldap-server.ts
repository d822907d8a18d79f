/**
 * An LDAPS server for what Samba cannot be made to do: accept and say nothing, reset in the middle of an answer, take a bind and then hang,
 * show a certificate that is wrong. It knows no entries. Messages are those of RFC 4511.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { Ber, BerReader, BerWriter, ProtocolOperation } from 'ldapts'
import { type Authority, issueCertificate, makeAuthority } from './certificates.ts'

export type Answer =
  /** Never. */
  | 'silence'
  /** RST instead of an answer. */
  | 'reset'
  /** Half of a success, then RST. */
  | 'reset in mid-answer'
  /** A result code of RFC 4511 4.1.9; `message` is where Active Directory writes `data 52e`. */
  | { readonly code: number; readonly message?: string }

export type Behaviour = {
  /** To a connection, before TLS. Default: what TLS says. */
  readonly accept: 'TLS' | 'silence' | 'reset'
  /** Default success. */
  readonly bind: Answer
  /** Default success without an entry. */
  readonly search: Answer
}

export type StubLdapServerOptions = {
  /** Absolute, for keys and certificates. */
  readonly directory: string
  readonly behaviour?: Partial<Behaviour>
  /** Default: one of its own. */
  readonly authority?: Authority
  /** Of the certificate, as openssl spells them. Default IP:127.0.0.1, which is right. */
  readonly names?: readonly string[]
  /** That the certificate is good for, e.g. -1. Default ten years. */
  readonly days?: string
}

export type StubLdapServer = {
  /** ldaps://127.0.0.1:<port> */
  readonly url: string
  readonly caFile: string
  /** PEM. */
  readonly ca: string
  /** How often it was asked until now. */
  readonly seen: Readonly<Record<'connections' | 'binds' | 'searches', number>>
  /** From now on, for open connections too; what is not named stays as it is. */
  behave(behaviour: Partial<Behaviour>): void
  stop(): Promise<void>
}

const SUCCESS = { code: 0 }
const PROTOCOL_ERROR = { code: 2 }
const MID_ANSWER_MS = 50

/** Answered by its kind: what is asked, what the answer is called. */
const OPERATIONS = {
  [ProtocolOperation.LDAP_REQ_BIND]: { name: 'bind', count: 'binds', response: ProtocolOperation.LDAP_RES_BIND },
  [ProtocolOperation.LDAP_REQ_SEARCH]: {
    name: 'search',
    count: 'searches',
    response: ProtocolOperation.LDAP_RES_SEARCH,
  },
} as const

export async function startStubLdapServer(options: StubLdapServerOptions): Promise<StubLdapServer> {
  const { directory, names = ['IP:127.0.0.1'], days } = options
  const authority = options.authority ?? (await makeAuthority(directory))
  const { certFile, keyFile } = await issueCertificate(authority, {
    directory,
    names,
    ...(days !== undefined && { days }),
  })
  const secureContext = createSecureContext({ cert: await readFile(certFile), key: await readFile(keyFile) })

  let behaviour: Behaviour = { accept: 'TLS', bind: SUCCESS, search: SUCCESS, ...options.behaviour }
  const seen = { connections: 0, binds: 0, searches: 0 }
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    seen.connections++
    open.add(socket.on('close', () => open.delete(socket)).on('error', () => undefined))
    if (behaviour.accept === 'reset') socket.resetAndDestroy()
    if (behaviour.accept !== 'TLS') return
    const secured = new TLSSocket(socket, { isServer: true, secureContext })
    secured.on('error', () => socket.destroy())
    onMessage(secured, (id, operation) => {
      const known = operationOf(operation)
      if (known !== undefined) seen[known.count]++
      const answer = known === undefined ? PROTOCOL_ERROR : behaviour[known.name]
      give(answer, { id, response: known?.response ?? ProtocolOperation.LDAP_RES_EXTENSION, secured, socket })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `ldaps://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caFile: authority.caFile,
    ca: authority.ca,
    seen,
    behave(changed) {
      behaviour = { ...behaviour, ...changed }
    },
    async stop() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const operationOf = (tag: number) => (tag in OPERATIONS ? OPERATIONS[tag as keyof typeof OPERATIONS] : undefined)

/** Calls for each whole message: LDAPMessage ::= SEQUENCE { messageID, protocolOp, … }. What is asked for to end or to be given up has no answer. */
function onMessage(socket: TLSSocket, answer: (id: number, operation: number) => void): void {
  let received = Buffer.alloc(0)
  socket.on('data', (piece: Buffer) => {
    received = Buffer.concat([received, piece])
    for (;;) {
      const reader = new BerReader(received)
      if (reader.readSequence() === null || reader.remain < reader.length) return
      received = received.subarray(reader.offset + reader.length)
      const id = reader.readInt() ?? 0
      const operation = reader.peek() ?? 0
      if (operation === ProtocolOperation.LDAP_REQ_UNBIND) return void socket.end()
      if (operation !== ProtocolOperation.LDAP_REQ_ABANDON) answer(id, operation)
    }
  })
}

type Question = { readonly id: number; readonly response: number; readonly secured: TLSSocket; readonly socket: Socket }

function give(answer: Answer, { id, response, secured, socket }: Question): void {
  if (answer === 'silence') return
  if (answer === 'reset') return void socket.resetAndDestroy()
  if (answer !== 'reset in mid-answer') return void secured.write(result(id, response, answer))
  const whole = result(id, response, SUCCESS)
  // What has arrived and not been read goes with an RST.
  secured.write(whole.subarray(0, whole.length / 2), () => setTimeout(() => socket.resetAndDestroy(), MID_ANSWER_MS))
}

/** LDAPResult ::= SEQUENCE { resultCode, matchedDN, diagnosticMessage, … } */
function result(
  id: number,
  response: number,
  { code, message = '' }: { readonly code: number; readonly message?: string },
) {
  const writer = new BerWriter()
  writer.startSequence()
  writer.writeInt(id)
  writer.startSequence(response)
  writer.writeEnumeration(code, Ber.Enumeration)
  writer.writeString('')
  writer.writeString(message)
  writer.endSequence()
  writer.endSequence()
  return writer.buffer
}
