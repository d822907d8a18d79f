import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Checksum, ContentHeaders, Description, Owner } from './verbs.ts'

/**
 * What S3 knows about a version beyond its bytes: one JSON value in the attribute `user.causeway`, or in a side-car.
 *
 * On disk it is JSON text whose last member is `"mac"`: HMAC-SHA256 over the bucket's id, a newline and the text before that member.
 * Whoever may write a file may write its attribute, so only what carries a valid mac is believed for owner, ETag, checksums, tags.
 */
export type StoredRecord = {
  readonly v: 1
  /** 'object'; 'directory' for a key ending in '/' without bytes; 'marker' for a delete marker. */
  readonly kind: 'object' | 'directory' | 'marker'
  readonly sizeBytes: number
  /** Nanoseconds as a decimal string; '' on a directory, whose mtime changes with its entries. */
  readonly mtimeNs: string
  /** Milliseconds; only where mtime cannot say it: on a directory, and where times are coarse. */
  readonly lastModifiedMs?: number
  readonly eTag: string
  readonly owner: Owner
  readonly headers: ContentHeaders
  readonly metadata: Readonly<Record<string, string>>
  readonly tags?: Description['tags']
  readonly acl?: Description['acl']
  readonly retention?: Description['retention']
  readonly legalHold?: Description['legalHold']
  readonly checksum?: Checksum
  /** Multipart: runs of equal parts in order, [part number of the first, how many, bytes of each]. */
  readonly parts?: readonly (readonly [number, number, number])[]
  /** Multipart: base64 of each part, in order. */
  readonly partChecksums?: readonly string[]
  /** 'null' for what was written while versioning was suspended; none before it was enabled. */
  readonly versionId?: string
  /** Where it comes among the versions of its key, of one whose id does not say it: see version-name.ts. */
  readonly order?: number
  /** The upload it came from: a repeated Complete answers the same and never publishes twice. */
  readonly uploadId?: string
  /** Of a file of the service's own that stands for a user's (version-clone.ts): whose that one is, and who may read it. */
  readonly posix?: { readonly uid: number; readonly gid: number; readonly mode: number }
  /** On a directory: made by the gateway, so it may be removed when it is empty. */
  readonly made?: boolean
}

/** A directory that the gateway made and that is no key: `{"v":1,"made":true}`, no mac, since it grants nothing. */
export const madeMark = Buffer.from('{"v":1,"made":true}')

/** `trusted`: the mac is valid. Without it only content headers may be believed. */
export type ReadRecord = { readonly record: StoredRecord; readonly trusted: boolean }

const macPattern = /,"mac":"([A-Za-z0-9_-]{43})"\}$/
const macMemberLength = 53

const macOf = (key: Buffer, bucketId: string, text: string): Buffer =>
  createHmac('sha256', keyObjectOf(key)).update(`${bucketId}\n${text}`).digest()

/** Node makes a KeyObject of raw bytes with every HMAC, at six times the cost of the HMAC itself (19 µs against 3 µs). */
const keyObjects = new WeakMap<Buffer, KeyObject>()

function keyObjectOf(key: Buffer): KeyObject {
  const known = keyObjects.get(key) ?? createSecretKey(key)
  keyObjects.set(key, known)
  return known
}

export function encodeRecord(record: StoredRecord, bucketId: string, key: Buffer): Buffer {
  const text = JSON.stringify(record).slice(0, -1)
  return Buffer.from(`${text},"mac":"${macOf(key, bucketId, text).toString('base64url')}"}`)
}

/** undefined: no record (damaged, another format, a bare mark). */
export function decodeRecord(bytes: Buffer, bucketId: string, key: Buffer): ReadRecord | undefined {
  const text = bytes.toString('utf8')
  const known = decodedWith(key)
  const name = `${bucketId}\n${text}`
  const before = known.get(name)
  if (before !== undefined) return before
  const read = decodeText(text, bucketId, key)
  if (read !== undefined) known.set(name, read)
  return read
}

/**
 * A record is read with every request of its object, and its mac is the dearest of it: the same text in the same bucket under the same key
 * is the same record. What a file has is looked at each time all the same; only what it means is remembered.
 */
const decoded = new WeakMap<Buffer, LRUCache<string, ReadRecord>>()

function decodedWith(key: Buffer): LRUCache<string, ReadRecord> {
  const known =
    decoded.get(key) ??
    new LRUCache({ maxSize: 8 * 2 ** 20, maxEntrySize: 8192, sizeCalculation: (_, name) => name.length })
  decoded.set(key, known)
  return known
}

function decodeText(text: string, bucketId: string, key: Buffer): ReadRecord | undefined {
  const record = parse(text)
  if (record === undefined) return undefined
  const mac = macPattern.exec(text)?.[1]
  const trusted =
    mac !== undefined &&
    timingSafeEqual(Buffer.from(mac, 'base64url'), macOf(key, bucketId, text.slice(0, -macMemberLength)))
  return { record: trusted ? record : { ...record, headers: tellable(record.headers) }, trusted }
}

/** ContentHeaders' names. */
const contentHeaders: ReadonlySet<string> = new Set<keyof ContentHeaders>([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
  'x-amz-website-redirect-location',
  'x-amz-storage-class',
])

/** What may stand in a header's value: a line break would be another header, or an object that nobody can get any more. */
const sendable = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whoever may write a file may write its attribute: no cookies of theirs. */
const tellable = (headers: ContentHeaders): ContentHeaders =>
  Object.fromEntries(
    Object.entries(headers).filter(([name, value]) => contentHeaders.has(name) && sendable.test(value)),
  )

/** Does this attribute of a directory say that the gateway made it? */
export function isMade(attribute: Buffer | undefined): boolean {
  if (attribute === undefined) return false
  try {
    const value: unknown = JSON.parse(attribute.toString('utf8'))
    return typeof value === 'object' && value !== null && 'made' in value && value.made === true
  } catch {
    return false
  }
}

function parse(text: string): StoredRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const allStrings = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((item) => typeof item === 'string')

/** Only the shape of what is used without a mac has to be certain; a record with a valid mac is one we wrote. */
function isRecord(value: unknown): value is StoredRecord {
  return (
    isObject(value) &&
    value.v === 1 &&
    (value.kind === 'object' || value.kind === 'directory' || value.kind === 'marker') &&
    typeof value.sizeBytes === 'number' &&
    typeof value.mtimeNs === 'string' &&
    typeof value.eTag === 'string' &&
    allStrings(value.headers) &&
    allStrings(value.metadata) &&
    allStrings(value.owner)
  )
}

type Part = { readonly partNumber: number; readonly sizeBytes: number; readonly checksum?: string | undefined }

/** [1: 8 MiB, 2: 8 MiB, 3: 1 MiB] → [[1, 2, 8 MiB], [3, 1, 1 MiB]]: 10,000 equal parts take one row. */
export function packParts(parts: readonly Part[]): readonly (readonly [number, number, number])[] {
  const runs: [number, number, number][] = []
  for (const { partNumber, sizeBytes } of parts) {
    const last = runs.at(-1)
    if (last !== undefined && last[2] === sizeBytes && last[0] + last[1] === partNumber) last[1] += 1
    else runs.push([partNumber, 1, sizeBytes])
  }
  return runs
}

export function unpackParts(
  runs: readonly (readonly [number, number, number])[],
  checksums: readonly string[] | undefined,
): { readonly partNumber: number; readonly sizeBytes: number; readonly checksum?: string }[] {
  const parts = runs.flatMap(([first, count, sizeBytes]) =>
    Array.from({ length: count }, (_, index) => ({ partNumber: first + index, sizeBytes })),
  )
  return parts.map((part, index) => {
    const checksum = checksums?.[index]
    return checksum === undefined ? part : { ...part, checksum }
  })
}
