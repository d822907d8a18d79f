/**
 * Signature Version 4 by hand, from AWS's page alone, so that a test can get any one thing of it wrong, and can sign chunks. (That the
 * gateway verifies what other signers make is shown with the SDK's and aws4 elsewhere.)
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
 */
import { createHash, createHmac } from 'node:crypto'

export type Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string }

export type SignInput = {
  readonly method: string
  /** Path and query as they go on the wire, in the encoding that signatures are computed over. */
  readonly target: string
  /** Host among them. Names in any case; all are signed. */
  readonly headers: Readonly<Record<string, string>>
  readonly credentials: Credentials
  readonly region: string
  readonly date?: Date
  /** Value of x-amz-content-sha256. Default UNSIGNED-PAYLOAD. */
  readonly payload?: string
}

export type Signed = {
  /** Those given, and x-amz-date, x-amz-content-sha256, authorization. */
  readonly headers: Readonly<Record<string, string>>
  readonly signature: string
  /** Of chunks: each chains on the signature before it, the first on that of the headers. */
  readonly chunkSignature: (previous: string, bytes: Uint8Array) => string
  readonly trailerSignature: (previous: string, trailers: string) => string
}

export function sign(input: SignInput): Signed {
  const { method, target, credentials, region, date = new Date(), payload = 'UNSIGNED-PAYLOAD' } = input
  const time = date.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const headers: Record<string, string> = { ...input.headers, 'x-amz-date': time, 'x-amz-content-sha256': payload }
  const lines = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/ +/g, ' ')] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1))
  const names = lines.map(([name]) => name).join(';')
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  const canonical = [
    method,
    path,
    canonicalQuery(query),
    ...lines.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    payload,
  ].join('\n')
  const key = signingKey(credentials.secretAccessKey, scope)
  // Header values are Latin-1 on the wire, one byte a character.
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(Buffer.from(canonical, 'latin1'))].join('\n')
  const signature = createHmac('sha256', key).update(text).digest('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  const chained = (kind: string, previous: string, ...hashes: readonly string[]) =>
    createHmac('sha256', key)
      .update([kind, time, scope, previous, ...hashes].join('\n'))
      .digest('hex')
  return {
    headers: { ...headers, authorization },
    signature,
    chunkSignature: (previous, bytes) => chained('AWS4-HMAC-SHA256-PAYLOAD', previous, EMPTY, sha256(bytes)),
    trailerSignature: (previous, trailers) =>
      chained('AWS4-HMAC-SHA256-TRAILER', previous, sha256(Buffer.from(trailers))),
  }
}

/** RFC 3986: unreserved characters stand for themselves; `/` too where it separates. */
export function encodePath(key: string): string {
  return [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[A-Za-z0-9\-._~/]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

/** Sorted by name; a name without a value is written `name=`. The parts are taken as encoded already. */
function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => (part.includes('=') ? part : `${part}=`))
    .sort()
    .join('&')
}

const keys = new Map<string, Buffer>()

function signingKey(secret: string, scope: string): Buffer {
  const name = `${secret} ${scope}`
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = scope
    .split('/')
    .reduce<Buffer>((key, part) => createHmac('sha256', key).update(part).digest(), Buffer.from(`AWS4${secret}`))
  keys.set(name, key)
  return key
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const EMPTY = sha256(new Uint8Array())
