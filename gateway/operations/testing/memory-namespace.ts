/**
 * A Namespace over Maps, for the tests of operations: it keeps the promises of namespace/verbs.ts that an operation can see,
 * and none about disks, locks or crashes.
 */

import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type {
  Amendable,
  Body,
  Bucket,
  Caller,
  Checksum,
  CompletePart,
  DigestName,
  ListEntry,
  ListPage,
  ListQuery,
  Namespace,
  ObjectStat,
  ObjectTarget,
  OpenObject,
  Precondition,
  Put,
  UploadStat,
  UploadTarget,
  Version,
} from '#namespace'
import { digestsOf, NamespaceError } from '#namespace'

type StoredObject = { readonly stat: ObjectStat; readonly bytes: Buffer }
type StoredPart = {
  readonly partNumber: number
  readonly bytes: Buffer
  readonly eTag: string
  readonly lastModified: Date
  readonly checksum: Checksum | undefined
}
type StoredUpload = { readonly stat: UploadStat; readonly parts: Map<number, StoredPart>; completed: Put | undefined }
type StoredBucket = {
  readonly bucket: Bucket
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, StoredUpload>
  readonly documents: Map<string, unknown>
}

type MemoryNamespace = {
  as(caller: Caller): Namespace
  /** How many descriptors `open` gave out that nobody has closed. */
  openObjects(): number
}

const smallestPartBytes = 5 * 1024 * 1024

/** `now` dates what is written; default: the clock. */
export function createMemoryNamespace(now: () => Date = () => new Date()): MemoryNamespace {
  const buckets = new Map<string, StoredBucket>()
  const open = { count: 0 }
  return {
    as: (caller) => ({
      buckets: bucketVerbs(buckets, caller, now),
      objects: objectVerbs(buckets, caller, now, open),
      uploads: uploadVerbs(buckets, caller, now),
      documents: documentVerbs(buckets),
    }),
    openObjects: () => open.count,
  }
}

function bucketVerbs(buckets: Map<string, StoredBucket>, caller: Caller, now: () => Date): Namespace['buckets'] {
  return {
    async create(name, documents = {}) {
      const existing = buckets.get(name)
      if (existing !== undefined) {
        const own = existing.bucket.owner.canonicalId === caller.canonicalId
        throw new NamespaceError(own ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', { BucketName: name })
      }
      const owner = { canonicalId: caller.canonicalId, displayName: caller.displayName }
      const bucket = { name, id: randomBytes(8).toString('hex'), owner, created: now(), mappedPath: undefined }
      buckets.set(name, {
        bucket,
        objects: new Map(),
        uploads: new Map(),
        documents: new Map(Object.entries(documents)),
      })
      return bucket
    },
    async read(name) {
      return bucketOf(buckets, name).bucket
    },
    async find(name) {
      return buckets.get(name)?.bucket
    },
    async remove(name) {
      if (bucketOf(buckets, name).objects.size > 0) throw new NamespaceError('BucketNotEmpty', { BucketName: name })
      buckets.delete(name)
    },
    async list() {
      return [...buckets.values()].map(({ bucket }) => bucket).sort((a, b) => compareBytes(a.name, b.name))
    },
    async map() {
      throw new Error('a namespace in memory has no directories to map')
    },
    async unmap() {
      throw new Error('a namespace in memory has no directories to unmap')
    },
  }
}

function objectVerbs(
  buckets: Map<string, StoredBucket>,
  caller: Caller,
  now: () => Date,
  open: { count: number },
): Namespace['objects'] {
  const publish = (target: ObjectTarget, object: StoredObject, precondition: Precondition | undefined): Put => {
    const { objects } = bucketOf(buckets, target.bucket)
    precondition?.(objects.get(target.key)?.stat)
    objects.set(target.key, object)
    return { stat: object.stat }
  }
  return {
    async put(target, description, body, { precondition }) {
      bucketOf(buckets, target.bucket)
      const { bytes, eTag, checksum } = await receive(body)
      const stat = newStat(target, caller, now(), { ...description, sizeBytes: bytes.length, eTag, checksum })
      return publish(target, { stat, bytes }, precondition)
    },
    async open(target) {
      open.count++
      try {
        return openObject(objectOf(buckets, target), () => open.count--)
      } catch (error) {
        open.count--
        throw error
      }
    },
    async stat(target) {
      return objectOf(buckets, target).stat
    },
    async remove({ bucket, key, versionId }, { precondition }) {
      const { objects } = bucketOf(buckets, bucket)
      precondition?.(objects.get(key)?.stat)
      requireNull(versionId)
      return { changed: objects.delete(key), versionId, deleteMarker: false }
    },
    async amend(target, change) {
      const { stat, bytes } = objectOf(buckets, target)
      const { tags: _t, acl: _a, retention: _r, legalHold: _l, ...kept } = stat
      const amended = { ...kept, ...change(stat) }
      bucketOf(buckets, target.bucket).objects.set(target.key, { stat: amended, bytes })
      return amended
    },
    async copy(source, target, { describe, checksum: algorithm, precondition }) {
      const from = objectOf(buckets, source)
      const description = describe(from.stat)
      const { bytes } = from
      const checksum = algorithm === undefined ? from.stat.checksum : fullChecksum(algorithm, bytes)
      const eTag = digest('MD5', bytes).toString('hex')
      const stat = newStat(target, caller, now(), { ...description, sizeBytes: bytes.length, eTag, checksum })
      return publish(target, { stat, bytes }, precondition)
    },
    async list(query) {
      return listPage(bucketOf(buckets, query.bucket).objects, query)
    },
    async listVersions({ keyMarker: after, versionIdMarker, ...query }) {
      requireNull(versionIdMarker)
      const { entries, ...page } = listPage(bucketOf(buckets, query.bucket).objects, { ...query, after })
      const last = entries.at(-1)
      const versionId = last !== undefined && 'object' in last ? 'null' : undefined
      const next = page.next === undefined ? undefined : { keyMarker: page.next, versionIdMarker: versionId }
      return { ...page, next, entries: entries.map((entry) => ('prefix' in entry ? entry : latest(entry.object))) }
    },
  }
}

function uploadVerbs(buckets: Map<string, StoredBucket>, caller: Caller, now: () => Date): Namespace['uploads'] {
  const find = ({ bucket, key, uploadId }: UploadTarget): StoredUpload => {
    const upload = bucketOf(buckets, bucket).uploads.get(uploadId)
    if (upload?.stat.key !== key) throw new NamespaceError('NoSuchUpload', { UploadId: uploadId })
    return upload
  }
  const pending = (target: UploadTarget): StoredUpload => {
    const upload = find(target)
    if (upload.completed !== undefined) throw new NamespaceError('NoSuchUpload', { UploadId: target.uploadId })
    return upload
  }
  return {
    async begin(target, description, checksum) {
      const { uploads } = bucketOf(buckets, target.bucket)
      const initiator = { canonicalId: caller.canonicalId, displayName: caller.displayName }
      const owner = description.owner ?? initiator
      const uploadId = `${String(uploads.size).padStart(4, '0')}-${randomBytes(6).toString('hex')}`
      const objectExisted = bucketOf(buckets, target.bucket).objects.has(target.key)
      const began = { key: target.key, initiated: now(), objectExisted }
      const stat: UploadStat = { ...description, ...began, uploadId, owner, initiator, checksum }
      uploads.set(uploadId, { stat, parts: new Map(), completed: undefined })
      return stat
    },
    async stat(target) {
      return pending(target).stat
    },
    async putPart(target, partNumber, body) {
      const { parts } = pending(target)
      const part = { partNumber, lastModified: now(), ...(await receive(body)) }
      parts.set(partNumber, part)
      return partStat(part)
    },
    async copyPart(source, target, partNumber, { select }) {
      const { parts, stat } = pending(target)
      const from = objectOf(buckets, source)
      const { offset, lengthBytes } = select(from.stat)
      const bytes = from.bytes.subarray(offset, offset + lengthBytes)
      const eTag = digest('MD5', bytes).toString('hex')
      const checksum = fullChecksum(stat.checksum?.algorithm ?? 'CRC64NVME', bytes)
      const part = { partNumber, bytes, eTag, lastModified: now(), checksum }
      parts.set(partNumber, part)
      return partStat(part)
    },
    async complete(target, parts, { precondition, sizeBytes, checksum, checksumType, defaultRetention }) {
      const upload = find(target)
      if (upload.completed !== undefined) return upload.completed
      checkCompleteType(upload.stat, checksumType)
      const chosen = chooseParts(upload, parts)
      const bytes = Buffer.concat(chosen.map((part) => part.bytes))
      if (sizeBytes !== undefined && sizeBytes !== bytes.length)
        throw new NamespaceError('InvalidRequest', { message: 'The provided size does not match the uploaded size.' })
      const whole = wholeChecksum(upload.stat, chosen, bytes)
      if (checksum !== undefined && checksum.value !== whole.value)
        throw new NamespaceError('BadDigest', { message: `The ${checksum.algorithm.toLowerCase()} did not match.` })
      const md5s = Buffer.concat(chosen.map((part) => Buffer.from(part.eTag, 'hex')))
      const eTag = `${digest('MD5', md5s).toString('hex')}-${chosen.length}`
      const { objects } = bucketOf(buckets, target.bucket)
      precondition?.(objects.get(target.key)?.stat)
      const stat = newStat(target, caller, now(), {
        ...upload.stat,
        retention: upload.stat.retention ?? defaultRetention,
        sizeBytes: bytes.length,
        eTag,
        checksum: whole,
        parts: chosen.map((part) => ({
          partNumber: part.partNumber,
          sizeBytes: part.bytes.length,
          ...(part.checksum === undefined ? {} : { checksum: part.checksum.value }),
        })),
      })
      objects.set(target.key, { stat, bytes })
      upload.completed = { stat }
      return upload.completed
    },
    async abort(target) {
      pending(target)
      bucketOf(buckets, target.bucket).uploads.delete(target.uploadId)
    },
    async listParts(target, { after, max }) {
      const all = [...pending(target).parts.values()]
        .filter((part) => part.partNumber > after)
        .sort((a, b) => a.partNumber - b.partNumber)
      return { parts: all.slice(0, max).map(partStat), truncated: max > 0 && all.length > max }
    },
    async list(bucket, prefix) {
      return [...bucketOf(buckets, bucket).uploads.values()]
        .filter((upload) => upload.completed === undefined && upload.stat.key.startsWith(prefix))
        .map((upload) => upload.stat)
        .sort((a, b) => compareBytes(a.key, b.key) || a.initiated.getTime() - b.initiated.getTime())
    },
  }
}

function documentVerbs(buckets: Map<string, StoredBucket>): Namespace['documents'] {
  return {
    async find(bucket, name) {
      return bucketOf(buckets, bucket).documents.get(name)
    },
    async read(bucket) {
      const { documents } = bucketOf(buckets, bucket)
      return (name) => documents.get(name)
    },
    async write(bucket, name, value) {
      bucketOf(buckets, bucket).documents.set(name, value)
    },
    async remove(bucket, name) {
      bucketOf(buckets, bucket).documents.delete(name)
    },
  }
}

function bucketOf(buckets: Map<string, StoredBucket>, name: string): StoredBucket {
  const bucket = buckets.get(name)
  if (bucket === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
  return bucket
}

function objectOf(buckets: Map<string, StoredBucket>, { bucket, key, versionId }: ObjectTarget): StoredObject {
  requireNull(versionId)
  const object = bucketOf(buckets, bucket).objects.get(key)
  if (object === undefined) throw new NamespaceError('NoSuchKey', { Key: key })
  return object
}

function newStat(
  target: ObjectTarget,
  owner: Caller,
  lastModified: Date,
  facts: Pick<ObjectStat, 'headers' | 'metadata' | 'sizeBytes' | 'eTag' | 'checksum'> &
    Partial<Pick<ObjectStat, keyof Amendable | 'owner' | 'parts'>>,
): ObjectStat {
  return {
    bucket: target.bucket,
    key: target.key,
    headers: facts.headers,
    metadata: facts.metadata,
    tags: facts.tags,
    acl: facts.acl,
    retention: facts.retention,
    legalHold: facts.legalHold,
    sizeBytes: facts.sizeBytes,
    eTag: facts.eTag,
    checksum: facts.checksum,
    parts: facts.parts,
    lastModified,
    versionId: undefined,
    owner: facts.owner ?? { canonicalId: owner.canonicalId, displayName: owner.displayName },
    foreign: false,
  }
}

function openObject({ stat, bytes }: StoredObject, closed: () => void): OpenObject {
  return {
    stat,
    small: bytes,
    read: (offset, lengthBytes) => Readable.from([bytes.subarray(offset, offset + lengthBytes)]),
    send: async () => 0,
    close: async () => closed(),
  }
}

async function receive(body: Body): Promise<{ bytes: Buffer; eTag: string; checksum: Checksum | undefined }> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body.bytes) chunks.push(Buffer.from(chunk))
  const bytes = Buffer.concat(chunks)
  if (body.sizeBytes !== undefined && body.sizeBytes !== bytes.length) throw new NamespaceError('IncompleteBody')
  const names: readonly DigestName[] = ['MD5', ...body.digests]
  const digests = Object.fromEntries(names.map((name) => [name, digest(name, bytes)]))
  const checksum = body.verify({ sizeBytes: bytes.length, digests })
  return { bytes, eTag: digest('MD5', bytes).toString('hex'), checksum }
}

function partStat(part: StoredPart) {
  const { partNumber, bytes, eTag, lastModified, checksum } = part
  return { partNumber, sizeBytes: bytes.length, eTag, lastModified, checksum: checksum?.value }
}

function checkCompleteType({ checksum }: UploadStat, type: string | undefined): void {
  if (type === undefined || type === checksum?.type) return
  const message = `The upload was created using the ${checksum?.type ?? 'null'} checksum mode. The complete request must use the same checksum mode.`
  throw new NamespaceError('InvalidRequest', { message })
}

function chooseParts({ stat, parts }: StoredUpload, listed: readonly CompletePart[]): readonly StoredPart[] {
  const isUnordered = listed.some(({ partNumber }, index) => partNumber <= (listed[index - 1]?.partNumber ?? 0))
  if (isUnordered) throw new NamespaceError('InvalidPartOrder', { UploadId: stat.uploadId })
  return listed.map(({ partNumber, eTag, checksums }, index) => {
    const part = parts.get(partNumber)
    if (part?.eTag !== eTag)
      throw new NamespaceError('InvalidPart', { UploadId: stat.uploadId, PartNumber: partNumber, ETag: eTag })
    if (index < listed.length - 1 && part.bytes.length < smallestPartBytes)
      throw new NamespaceError('EntityTooSmall', { ProposedSize: part.bytes.length, PartNumber: partNumber })
    if (stat.checksum?.type === 'COMPOSITE' && checksums[stat.checksum.algorithm] === undefined)
      throw new NamespaceError('InvalidRequest', { message: 'The complete request must include each checksum.' })
    return part
  })
}

function wholeChecksum({ checksum }: UploadStat, parts: readonly StoredPart[], bytes: Buffer): Checksum {
  if (checksum?.type !== 'COMPOSITE') return fullChecksum(checksum?.algorithm ?? 'CRC64NVME', bytes)
  const digests = parts.map((part) => Buffer.from(part.checksum?.value ?? '', 'base64'))
  const value = `${digest(checksum.algorithm, Buffer.concat(digests)).toString('base64')}-${parts.length}`
  return { algorithm: checksum.algorithm, type: 'COMPOSITE', value }
}

function fullChecksum(algorithm: Checksum['algorithm'], bytes: Buffer): Checksum {
  return { algorithm, type: 'FULL_OBJECT', value: digest(algorithm, bytes).toString('base64') }
}

/** Raw bytes of a digest; CRCs big-endian. */
export function digest(name: DigestName, bytes: Uint8Array): Buffer {
  const value = digestsOf([name], bytes)[name]
  if (value === undefined) throw new Error(`no ${name}`)
  return value
}

/** S3's order: bytes of the UTF-8 form. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function listPage(objects: ReadonlyMap<string, StoredObject>, query: ListQuery): ListPage {
  const entries = groupByDelimiter(objects, query).filter((entry) => compareBytes(nameOf(entry), query.after) > 0)
  const page = entries.slice(0, query.max)
  const last = page.at(-1)
  const truncated = last !== undefined && entries.length > page.length
  return { entries: page, truncated, next: truncated ? nameOf(last) : undefined }
}

// "a/b", "a/c", "d" with delimiter "/" → prefix "a/", key "d"
function groupByDelimiter(objects: ReadonlyMap<string, StoredObject>, { prefix, delimiter }: ListQuery): ListEntry[] {
  const entries: ListEntry[] = []
  for (const key of [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareBytes)) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const group = end < 0 ? undefined : key.slice(0, end + delimiter.length)
    const last = entries.at(-1)
    const object = objects.get(key)
    if (group === undefined && object !== undefined) entries.push({ object: object.stat })
    else if (group !== undefined && (last === undefined || nameOf(last) !== group)) entries.push({ prefix: group })
  }
  return entries
}

function nameOf(entry: ListEntry): string {
  return 'prefix' in entry ? entry.prefix : entry.object.key
}

/** Buckets here never are versioned (P-167). */
function requireNull(versionId: string | undefined): void {
  if (versionId === undefined || versionId === 'null') return
  const message = 'Invalid version id specified'
  throw new NamespaceError('InvalidArgument', { message, ArgumentName: 'versionId', ArgumentValue: versionId })
}

const latest = (object: ObjectStat): Version => ({
  key: object.key,
  versionId: 'null',
  isLatest: true,
  object,
  owner: object.owner,
  lastModified: object.lastModified,
})
