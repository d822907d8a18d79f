/**
 * What headers say of an object, in and out. Values are Latin-1 strings throughout: one character per byte as the client sent
 * it, so that UTF-8 in metadata comes back byte for byte (P-130).
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
 */

import type { ContentHeaders, Description, ObjectStat } from '#namespace'
import { GatewayError } from './gateway-error.ts'
import type { S3Headers, S3Query } from './s3-request.ts'

export type ReplyHeaders = Record<string, string | number | undefined>
export type Tags = NonNullable<Description['tags']>

const METADATA_MAX_BYTES = 2048
const REDIRECT_MAX_BYTES = 2048
export const OBJECT_TAGS_MAX = 10

/** Stored and given back verbatim, `expires` too, whatever it says (P-129). */
const VERBATIM = ['cache-control', 'content-disposition', 'content-language', 'expires'] as const

/**
 * Classes whose objects can be read at once, which is what this tree does. GLACIER and DEEP_ARCHIVE are refused like unknown ones
 * (P-150): clients skip such objects when they copy a bucket, so keeping the label would hide data.
 */
const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
])

/**
 * What a PutObject, CreateMultipartUpload or CopyObject with REPLACE says of its object.
 * Throws InvalidArgument, InvalidRedirectLocation, InvalidStorageClass, InvalidTag, MetadataTooLarge.
 */
export function descriptionFrom(headers: S3Headers): Description {
  const tags = parseTagging(headers.get('x-amz-tagging'))
  return { headers: contentHeaders(headers), metadata: metadataFrom(headers), ...(tags === undefined ? {} : { tags }) }
}

function contentHeaders(headers: S3Headers): ContentHeaders {
  const content: { -readonly [Name in keyof ContentHeaders]: string } = {
    'content-type': checked('content-type', headers.get('content-type') ?? 'binary/octet-stream'),
  }
  for (const name of VERBATIM) {
    const value = headers.get(name)
    if (value !== undefined) content[name] = checked(name, value)
  }
  const encoding = withoutAwsChunked(headers.get('content-encoding'))
  if (encoding !== undefined) content['content-encoding'] = checked('content-encoding', encoding)
  const redirect = headers.get('x-amz-website-redirect-location')
  if (redirect !== undefined) content['x-amz-website-redirect-location'] = redirectLocation(redirect)
  const storageClass = headers.get('x-amz-storage-class')
  if (storageClass !== undefined) content['x-amz-storage-class'] = knownStorageClass(storageClass)
  return content
}

/** `gzip, aws-chunked` → `gzip`; `aws-chunked` alone → absent; anything else as it is (P-076). */
function withoutAwsChunked(encoding: string | undefined): string | undefined {
  if (encoding === undefined || !/aws-chunked/i.test(encoding)) return encoding
  // The blanks between the others stay as the client wrote them: "deflate, gzip,aws-chunked" → "deflate, gzip".
  const left = encoding.split(',').filter((token) => !['', 'aws-chunked'].includes(token.trim().toLowerCase()))
  return left.length === 0 ? undefined : left.join(',').trim()
}

function redirectLocation(location: string): string {
  if (!/^(?:\/|https?:\/\/)/.test(location) || location.length > REDIRECT_MAX_BYTES) {
    throw new GatewayError('InvalidRedirectLocation')
  }
  return checked('x-amz-website-redirect-location', location)
}

function knownStorageClass(storageClass: string): string {
  if (!STORAGE_CLASSES.has(storageClass)) {
    throw new GatewayError('InvalidStorageClass', { StorageClassRequested: storageClass })
  }
  return storageClass
}

/** User metadata: names in lower case, empty values kept; 2 KB of names and values together (P-013). */
function metadataFrom(headers: S3Headers): Record<string, string> {
  const pairs = headers.startingWith('x-amz-meta-')
  const sizeBytes = pairs.reduce((sum, [name, value]) => sum + name.length - 'x-amz-meta-'.length + value.length, 0)
  if (sizeBytes > METADATA_MAX_BYTES) {
    throw new GatewayError('MetadataTooLarge', { Size: sizeBytes, MaxSizeAllowed: METADATA_MAX_BYTES })
  }
  const metadata: Record<string, string> = Object.create(null)
  for (const [name, value] of pairs) {
    if (!isToken(name)) throw invalidArgument(name, value, 'The name of this header is not valid')
    metadata[name.slice('x-amz-meta-'.length)] = checked(name, value)
  }
  return metadata
}

/** x-amz-tagging, form-encoded: `a=b&c=d`; undefined without the header. Throws InvalidArgument, InvalidTag (P-192). */
export function parseTagging(header: string | undefined): Tags | undefined {
  if (header === undefined) return undefined
  // Bytes that a client left unencoded are the UTF-8 they are.
  const tags = Buffer.from(header, 'latin1')
    .toString('utf8')
    .split('&')
    .flatMap((pair) => (pair === '' ? [] : [taggingPair(pair, header)]))
  if (new Set(tags.map(({ key }) => key)).size < tags.length) throw taggingMalformed(header)
  checkTags(tags, OBJECT_TAGS_MAX)
  // A query has no order; the public suite expects that of the keys. A tag set in XML keeps its own (P-193).
  return tags.sort((a, b) => (a.key < b.key ? -1 : 1))
}

function taggingPair(pair: string, header: string): Tags[number] {
  const parts = pair.split('=')
  const key = formDecode(parts[0] ?? '', header)
  if (parts.length > 2 || key === '') throw taggingMalformed(header)
  return { key, value: formDecode(parts[1] ?? '', header) }
}

function formDecode(text: string, header: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw taggingMalformed(header)
  }
}

function taggingMalformed(header: string): GatewayError {
  return invalidArgument(
    'x-amz-tagging',
    header,
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
  )
}

/**
 * S3's rules for tags of an object (`max` 10) or bucket (`max` 50): key 1 – 128 characters, value 0 – 256, of letters, digits,
 * spaces and `+ - = . _ : / @`, no `aws:` prefix, no key twice. Throws InvalidTag.
 */
export function checkTags(tags: Tags, max: number): void {
  if (tags.length > max) throw invalidTag(`Object tags cannot be greater than ${max}`)
  const keys = new Set<string>()
  for (const { key, value } of tags) {
    if (key === '' || [...key].length > 128 || !TAG_CHARACTERS.test(key)) {
      throw new GatewayError('InvalidTag', { message: 'The TagKey you have provided is invalid', TagKey: key })
    }
    if ([...value].length > 256 || !TAG_CHARACTERS.test(value)) {
      throw new GatewayError('InvalidTag', {
        message: 'The TagValue you have provided is invalid',
        TagKey: key,
        TagValue: value,
      })
    }
    if (key.startsWith('aws:')) throw invalidTag('System tags cannot be added/updated by requester')
    if (keys.has(key)) throw invalidTag('Cannot provide multiple Tags with the same key')
    keys.add(key)
  }
}

const TAG_CHARACTERS = /^[\p{L}\p{N}\p{Z}+\-=._:/@]*$/u

function invalidTag(message: string): GatewayError {
  return new GatewayError('InvalidTag', { message })
}

/**
 * Headers of GET and HEAD but Content-Length and Content-Range (P-132). `checksum`: x-amz-checksum-mode is ENABLED and the whole object
 * goes out (P-081).
 *
 * A record of a foreign file may hold anything: values that HTTP cannot carry are left out, never an error.
 */
export function objectHeaders(stat: ObjectStat, options: { readonly checksum?: boolean } = {}): ReplyHeaders {
  const headers: ReplyHeaders = {
    'last-modified': stat.lastModified.toUTCString(),
    etag: quoted(stat.eTag),
    'accept-ranges': 'bytes',
    'content-type': 'binary/octet-stream',
  }
  for (const [name, value] of Object.entries(stat.headers)) {
    if (isHeaderValue(value) && !(name === 'x-amz-storage-class' && value === 'STANDARD')) headers[name] = value
  }
  for (const [name, value] of Object.entries(stat.metadata)) {
    if (isToken(`x-amz-meta-${name}`) && isHeaderValue(value)) headers[`x-amz-meta-${name}`] = value
  }
  if (stat.versionId !== undefined) headers['x-amz-version-id'] = stat.versionId
  Object.assign(headers, lockHeaders(stat))
  if (stat.tags !== undefined && stat.tags.length > 0) headers['x-amz-tagging-count'] = stat.tags.length
  if (options.checksum === true) Object.assign(headers, checksumHeaders(stat.checksum))
  return headers
}

function lockHeaders({ retention, legalHold }: ObjectStat): ReplyHeaders {
  return {
    ...(retention && {
      'x-amz-object-lock-mode': retention.mode,
      'x-amz-object-lock-retain-until-date': retention.until,
    }),
    ...(legalHold !== undefined && { 'x-amz-object-lock-legal-hold': legalHold ? 'ON' : 'OFF' }),
  }
}

/** `x-amz-checksum-<algorithm>` and its type. */
function checksumHeaders(checksum: ObjectStat['checksum']): ReplyHeaders {
  if (checksum === undefined) return {}
  return {
    [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`]: checksum.value,
    'x-amz-checksum-type': checksum.type,
  }
}

/** Query parameter → the header that it sets. */
const OVERRIDES: Readonly<Record<string, string>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
}

/**
 * response-* query parameters of GET and HEAD as headers (P-128). `signed`: the caller is not anonymous; else any of them is
 * InvalidRequest. Throws InvalidArgument for a value that is not Latin-1 or would break the header.
 */
export function responseOverrides(query: S3Query, signed: boolean): ReplyHeaders {
  const headers: ReplyHeaders = {}
  for (const [parameter, header] of Object.entries(OVERRIDES)) {
    const value = query.get(parameter)
    if (value === undefined) continue
    if (!signed) {
      throw new GatewayError('InvalidRequest', {
        message: 'Request specific response headers cannot be used for anonymous GET requests.',
      })
    }
    headers[header] = checked(parameter, value)
  }
  return headers
}

/** `"…"` */
export function quoted(eTag: string): string {
  return `"${eTag}"`
}

/** A value that may stand in a header (RFC 9110 5.5), obs-text as Latin-1 included. Throws InvalidArgument. */
function checked(name: string, value: string): string {
  if (!isHeaderValue(value)) throw invalidArgument(name, value, 'Header value cannot be represented using ISO-8859-1.')
  return value
}

function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

function isToken(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)
}

function invalidArgument(name: string, value: string, message: string): GatewayError {
  return new GatewayError('InvalidArgument', { message, ArgumentName: name, ArgumentValue: value })
}
