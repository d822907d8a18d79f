/** Requests as real signers make them, in the form in which a server receives them. */

import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import aws4 from 'aws4'
import type { Directory } from '../directory/directory.ts'
import type { Identity } from '../identity.ts'
import type { MasterKey } from '../keys/master-key.ts'
import { openSessions } from '../keys/sessions.ts'
import type { ReceivedRequest } from '../request.ts'

/** The credentials of AWS's examples. */
export const accessKeyId = 'AKIAIOSFODNN7EXAMPLE'
export const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'

export const alice: Identity = {
  canonicalId: 'a'.repeat(64),
  displayName: 'Alice',
  userName: 'alice',
  groups: [],
  accessKeyId,
}

/** The key of a tree, made of this byte. */
export function masterKeyOf(byte: number): MasterKey {
  const key = { id: Buffer.alloc(4, byte).toString('hex'), bytes: Buffer.alloc(32, byte) }
  const findSubkey = (_purpose: string, id: string) => (id === key.id ? key : undefined)
  return { id: key.id, ids: [key.id], subkey: () => key, subkeys: () => [key], findSubkey }
}

export const sessions = openSessions(masterKeyOf(1))

/** Knows one key, of one user. */
export const directory: Directory = {
  findByAccessKey: async (id) => (id === accessKeyId ? { secret, identity: alice } : undefined),
  authenticate: async () => undefined,
  findByCanonicalId: async () => undefined,
  findByEmail: async () => undefined,
  findByUid: async () => undefined,
  findByUserId: async (id) => (id === 'id of alice' ? { ...alice, accessKeyId: '' } : undefined),
  close: async () => {},
}

export type Plain = {
  readonly method: string
  /** Encoded, beginning with a slash. */
  readonly path: string
  readonly query: Readonly<Record<string, string | readonly string[]>>
  readonly headers: Readonly<Record<string, string>>
}

export const host = 's3.example.com:8443'

/** @param at `20130524T000000Z` */
export function signWithAws4(plain: Plain, at: string, secretAccessKey = secret): ReceivedRequest {
  const query = queryText(plain.query)
  const signed = aws4.sign(
    {
      method: plain.method,
      host,
      path: query === '' ? plain.path : `${plain.path}?${query}`,
      service: 's3',
      region: 'us-east-1',
      headers: { ...plain.headers, 'X-Amz-Date': at },
    },
    { accessKeyId, secretAccessKey },
  )
  return received(plain.method, signed.path ?? '', Object.entries(signed.headers ?? {}))
}

/** aws4 leaves an X-Amz-Date that stands in the query. */
export function presignWithAws4(plain: Plain, at: string, expiresS = 300): ReceivedRequest {
  const query = queryText({ ...plain.query, 'X-Amz-Date': at, 'X-Amz-Expires': String(expiresS) })
  const signed = aws4.sign(
    {
      method: plain.method,
      host,
      path: `${plain.path}?${query}`,
      service: 's3',
      region: 'us-east-1',
      headers: { ...plain.headers },
      signQuery: true,
    },
    { accessKeyId, secretAccessKey: secret },
  )
  return received(plain.method, signed.path ?? '', Object.entries(signed.headers ?? {}))
}

export async function signWithSmithy(plain: Plain, signingDate: Date): Promise<ReceivedRequest> {
  const signed = await smithy.sign(smithyRequest(plain), { signingDate })
  return received(plain.method, withQuery(signed.path, signed.query), Object.entries(signed.headers))
}

/** As @aws-sdk/s3-request-presigner does it: x-amz-* headers move into the query. */
export async function presignWithSmithy(plain: Plain, signingDate: Date, expiresIn = 300): Promise<ReceivedRequest> {
  const request = smithyRequest(plain)
  request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
  const signed = await smithy.presign(request, { signingDate, expiresIn })
  return received(plain.method, withQuery(signed.path, signed.query), Object.entries(signed.headers))
}

const smithy = new SignatureV4({
  credentials: { accessKeyId, secretAccessKey: secret },
  region: 'us-east-1',
  service: 's3',
  sha256: Sha256,
  uriEscapePath: false,
})

function smithyRequest({ method, path, query, headers }: Plain) {
  const values = Object.entries(query).map(([name, value]): [string, string | string[]] => [
    name,
    typeof value === 'string' ? value : [...value],
  ])
  return {
    method,
    protocol: 'https:',
    hostname: host,
    path,
    query: Object.fromEntries(values),
    headers: { host, ...headers } as Record<string, string>,
  }
}

type Query = Readonly<Record<string, string | readonly string[] | null>>

/** In the order given, everything but the unreserved encoded. */
export function queryText(query: Query): string {
  const pieces: string[] = []
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) pieces.push(`${encode(name)}=${encode(one)}`)
  }
  return pieces.join('&')
}

function withQuery(path: string, query: Query | undefined): string {
  return query === undefined || Object.keys(query).length === 0 ? path : `${path}?${queryText(query)}`
}

export function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function received(method: string, target: string, headers: readonly (readonly [string, unknown])[]): ReceivedRequest {
  const question = target.indexOf('?')
  return {
    method,
    rawPath: question < 0 ? target : target.slice(0, question),
    rawQuery: question < 0 ? '' : target.slice(question + 1),
    // Surrounding blanks do not survive HTTP: a parser takes them off.
    headers: headers.map(([name, value]) => [name.toLowerCase(), String(value).replace(/^[ \t]+|[ \t]+$/g, '')]),
  }
}
