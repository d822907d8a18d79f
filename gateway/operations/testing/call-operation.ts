/** Calls an operation as app.ts does, without HTTP: parsed query, headers and body in, the reply value out. */

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type Identity,
  type MasterKey,
  openSessions,
  type SealedTokens,
  type Sessions,
  type SizeRange,
  sealedTokens,
} from '#auth'
import type { ChecksumAlgorithm, Namespace, Owner } from '#namespace'
import type { ObjectBody } from '../../body/pipeline.ts'
import { readUploadForm } from '../../body/upload-form.ts'
import type { Call, Operation } from '../../operation.ts'
import type { Reply } from '../../reply.ts'
import type { S3Headers, S3Query } from '../../s3-request.ts'
import { readXml, writeXml } from '../../xml.ts'
import { createMemoryNamespace, digest } from './memory-namespace.ts'

export const alice: Identity = {
  canonicalId: 'a'.repeat(64),
  displayName: 'Alice',
  userName: 'alice',
  groups: [],
  accessKeyId: 'AKALICE',
}

export const bob: Identity = {
  canonicalId: 'b'.repeat(64),
  displayName: 'Bob',
  email: 'bob@example.com',
  userName: 'bob',
  groups: [],
  accessKeyId: 'AKBOB',
}

/** Knows Alice and Bob, whose uids are 1001 and 1002. */
export const directory: Call['directory'] = {
  findByCanonicalId: async (id) => [alice, bob].find(({ canonicalId }) => canonicalId === id),
  findByEmail: async (address) => [alice, bob].find(({ email }) => email === address),
  findByUid: async (uid) => [alice, bob][uid - 1001],
}

/** What the namespace says of a file that nobody has written over S3. */
export function fileOwner(uid: number): Owner {
  return { canonicalId: createHash('sha256').update(`posix-uid:${uid}`).digest('hex'), displayName: `uid-${uid}` }
}

export type Request = {
  readonly bucket?: string
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** The body of an operation that reads XML. */
  readonly xml?: string
  /** The body of an operation that reads text. */
  readonly text?: string
  /** The body of an operation that reads bytes. */
  readonly bytes?: Uint8Array | string
  /** The checksum that the client sent with its bytes. */
  readonly checksum?: ChecksumAlgorithm
  /** null: anonymous. Default: Alice. */
  readonly identity?: Identity | null
  /** What the policy of a form says of the file's length. */
  readonly sizeRange?: SizeRange
  readonly region?: string
  /** Default: new buckets have neither ownership controls nor a public access block. */
  readonly s3?: Partial<Omit<Call['s3'], 'region'>>
  readonly encryptedAtRest?: boolean
  /** Default: those of a tree's own master key. */
  readonly tokens?: SealedTokens
  /** Default: nobody has a password. */
  readonly startSession?: Call['startSession']
  /** Default: that of the harness, in memory. */
  readonly namespace?: Namespace
}

/** Continuation tokens of the tree whose master key is made of this byte. */
export function tokensOf(byte = 1): SealedTokens {
  return sealedTokens(masterKeyOf(byte), 'continuation-tokens')
}

/** Temporary credentials of the same. */
export function sessionsOf(byte = 1): Sessions {
  return openSessions(masterKeyOf(byte))
}

function masterKeyOf(byte: number): MasterKey {
  const key = { id: Buffer.alloc(4, byte).toString('hex'), bytes: Buffer.alloc(32, byte) }
  const findSubkey = (_purpose: string, id: string) => (id === key.id ? key : undefined)
  return { id: key.id, ids: [key.id], subkey: () => key, subkeys: () => [key], findSubkey }
}

/** An empty namespace and a way to call operations on it; `clock.now` may be moved. */
export function createHarness() {
  const clock = { now: new Date('2026-11-20T12:00:00.250Z') }
  const memory = createMemoryNamespace(() => clock.now)
  const call = (operation: Operation, request: Request = {}) => callOperation(memory.as, operation, request)
  return { clock, memory, call, namespace: memory.as(alice) }
}

async function callOperation(
  as: (caller: Identity) => Namespace,
  operation: Operation,
  request: Request,
): Promise<Reply> {
  const identity = request.identity === null ? undefined : (request.identity ?? alice)
  const source = Readable.from([Buffer.from(request.bytes ?? '')])
  const call: Call<unknown> = {
    bucket: request.bucket ?? '',
    key: request.key ?? '',
    query: queryOf(request.query ?? {}),
    headers: headersOf(request.headers ?? {}),
    body: bodyOf(operation, request.xml),
    text: request.text ?? '',
    bytes: bytesOf(Buffer.from(request.bytes ?? ''), request.checksum),
    // Who signed a form, and what its policy allows, are tests of their own: auth/authenticate-form.test.ts, app.test.ts.
    readForm: () => readUploadForm({ contentType: request.headers?.['content-type'], source }),
    admitForm: async () => ({ namespace: as(identity ?? bob), identity, sizeRange: request.sizeRange }),
    startSession: request.startSession ?? (() => Promise.reject(new Error('nobody has a password'))),
    namespace: request.namespace ?? as(identity ?? bob),
    identity,
    access: { require: async () => {} },
    failed: () => {},
    directory,
    s3: {
      region: request.region ?? 'us-east-1',
      sigv2Post: false,
      objectOwnership: 'none',
      publicAccessBlock: false,
      accountPublicAccessBlock: false,
      encryptedAtRest: request.encryptedAtRest ?? false,
      sessionSecondsMax: 43_200,
      ...request.s3,
    },
    tokens: request.tokens ?? tokensOf(),
    requestId: 'TEST',
    now: new Date('2026-11-20T12:00:00Z'),
    endpoint: 'https://s3.example.com:8443',
  }
  // As in app.ts: the body has passed the operation's own schema.
  const reply = await operation.run(call as Call)
  // What cannot be written must fail here and not at the client.
  if (reply.content?.kind === 'xml') xmlOf(reply)
  return reply
}

function bodyOf({ body }: Operation, xml: string | undefined): unknown {
  if (body?.shape === undefined || (xml === undefined && body.optional === true)) return undefined
  return readXml(Buffer.from(xml ?? ''), body.root, body.shape)
}

/** The reply's XML as it goes out. */
export function xmlOf({ content }: Reply): string {
  if (content?.kind !== 'xml') throw new Error(`no XML but ${content?.kind ?? 'nothing'}`)
  return writeXml(content.root, content.shape, content.value, content.namespace)
}

/** Texts of all elements of this name, in order, as they stand in the document. */
export function textsOf(reply: Reply, element: string): readonly string[] {
  return [...xmlOf(reply).matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map((match) => match[1] ?? '')
}

/** The bytes of a reply that answers an object, which is closed as s3-response.ts does. */
export async function bytesOfReply({ content }: Reply): Promise<string> {
  if (content?.kind !== 'object') throw new Error(`no object but ${content?.kind ?? 'nothing'}`)
  const chunks: Buffer[] = []
  for await (const chunk of content.object.read(content.offset, content.lengthBytes)) chunks.push(chunk)
  await content.object.close()
  return Buffer.concat(chunks).toString()
}

function queryOf(query: Readonly<Record<string, string>>): S3Query {
  return { has: (name) => name in query, get: (name) => query[name], names: () => Object.keys(query) }
}

export function headersOf(headers: Readonly<Record<string, string>>): S3Headers {
  return {
    get: (name) => headers[name],
    startingWith: (prefix) => Object.entries(headers).filter(([name]) => name.startsWith(prefix)),
  }
}

/** What the real pipeline keeps of a body: the checksum the client sent, else the one asked for, else CRC64NVME. */
function bytesOf(bytes: Buffer, sent: ChecksumAlgorithm | undefined, kept = sent ?? 'CRC64NVME'): ObjectBody {
  return {
    bytes: Readable.from([bytes]),
    sizeBytes: bytes.length,
    digests: [kept],
    verify: () => ({ algorithm: kept, type: 'FULL_OBJECT', value: digest(kept, bytes).toString('base64') }),
    checksumAlgorithm: sent,
    withChecksum: (algorithm) => bytesOf(bytes, sent, sent ?? algorithm),
  }
}
