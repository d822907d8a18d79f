import { pruningOnFailure } from './directories.ts'
import type { DigestName, Stat } from './files.ts'
import { closeFound, type Located } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { readObject } from './open-object.ts'
import type { Place } from './place.ts'
import { type Content, type Publication, type Published, publish, publishLocked, requireDone } from './publish.ts'
import { type Temporary, withTemporary } from './temporary.ts'
import type { Checksum, ChecksumAlgorithm, Description, ObjectStat, Precondition, Put } from './verbs.ts'
import { nullVersion } from './version-name.ts'
import { digestOf } from './write-body.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

type Side = { readonly place: Place; readonly key: string }

export type Source = Side & { readonly versionId: string | undefined }

type CopyOptions = {
  readonly describe: (source: ObjectStat) => Description
  readonly checksum?: ChecksumAlgorithm | undefined
  readonly precondition?: Precondition | undefined
}

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 *
 * A copy onto itself (new metadata) reads and publishes under one exclusive lock: else it would put old bytes over a newer PUT.
 */
export async function copyObject(source: Source, target: Side, options: CopyOptions): Promise<Put> {
  const isItself = source.place.bucket.id === target.place.bucket.id && source.key === target.key
  // An older version does not change by what is published.
  if (!isItself || (source.versionId !== undefined && source.versionId !== nullVersion)) {
    return pruningOnFailure(target.place, target.key, () => copy(source, target, options, publish))
  }
  return target.place.locks.hold(target.key, 'exclusive', (held) =>
    copy(source, target, options, async (place, publication, read) => {
      // In a versioned bucket what is replaced is kept.
      const isFenced = place.root.locksExpire && (await place.versioning()) === undefined
      const precondition = isFenced ? stillThere(read, options.precondition) : options.precondition
      return requireDone(await publishLocked(place, { ...publication, precondition }, 'exclusive', held))
    }),
  )
}

/** Also that what was read is what is replaced: a lock that was lost meanwhile does not see to that. */
const stillThere =
  (read: ObjectStat, precondition: Precondition | undefined): Precondition =>
  (current) => {
    precondition?.(current)
    if (current?.eTag !== read.eTag || current.lastModified.getTime() !== read.lastModified.getTime())
      throw writtenBySomebodyElse()
  }

type Publish = (place: Place, publication: Publication, read: ObjectStat) => Promise<Published>

async function copy(source: Source, target: Side, options: CopyOptions, publishWith: Publish): Promise<Put> {
  const { precondition } = options
  const located = await readObject(source.place, source.key, source.versionId, { bodyBytesMax: 0, keepOpen: true })
  try {
    const description = options.describe(located.stat)
    return await withTemporary(target.place, target.key, keyPath(target.key).path, async (temporary) => {
      const content = await copyContent(source.place, located, target.place, temporary, options.checksum)
      const said = { ...description, ...content }
      return publishWith(target.place, { key: target.key, temporary, content: said, precondition }, located.stat)
    })
  } finally {
    await closeFound(source.place.calls, located.found)
  }
}

/**
 * Bytes of the source into the temporary, and what they are. Cloned or copied by the server where ETag and checksum can be carried
 * over; read and hashed where they cannot (a multipart ETag, a foreign file, another checksum), or where a file user wrote the source
 * meanwhile, so that what is recorded always belongs to the bytes that are stored.
 */
async function copyContent(
  sourcePlace: Place,
  { stat, found }: Located,
  place: Place,
  temporary: Temporary,
  wanted: ChecksumAlgorithm | undefined,
): Promise<Pick<Content, 'eTag' | 'checksum'>> {
  const from = found.descriptor
  const algorithm = wanted ?? stat.checksum?.algorithm ?? 'CRC64NVME'
  if (from === undefined || stat.sizeBytes === 0) return hashed(sourcePlace, undefined, place, temporary, algorithm)
  const carried = !stat.foreign && !stat.eTag.includes('-') && carries(stat.checksum, wanted)
  if (carried && sourcePlace.root === place.root) {
    const copied = await place.calls.copyRange(from, 0, temporary.descriptor, 0, stat.sizeBytes)
    const after = await sourcePlace.calls.stat(from)
    if (copied === stat.sizeBytes && same(found.stat, after)) {
      return { eTag: stat.eTag, ...(stat.checksum && { checksum: stat.checksum }) }
    }
    await place.calls.truncate(temporary.descriptor, 0)
  }
  return hashed(sourcePlace, from, place, temporary, algorithm)
}

const carries = (checksum: Checksum | undefined, wanted: ChecksumAlgorithm | undefined): boolean =>
  checksum !== undefined && checksum.type === 'FULL_OBJECT' && (wanted === undefined || wanted === checksum.algorithm)

const same = (before: Stat, after: Stat): boolean =>
  before.sizeBytes === after.sizeBytes && before.mtimeNs === after.mtimeNs

const pieceBytes = 1024 * 1024

async function hashed(
  sourcePlace: Place,
  from: number | undefined,
  place: Place,
  temporary: Temporary,
  algorithm: ChecksumAlgorithm,
): Promise<Pick<Content, 'eTag' | 'checksum'>> {
  const digests: readonly DigestName[] = ['MD5', algorithm]
  const hasher = place.root.files.createHasher(digests)
  const piece = Buffer.allocUnsafeSlow(pieceBytes)
  for (let position = 0; from !== undefined; ) {
    const count = await sourcePlace.calls.read(from, piece, position)
    if (count === 0) break
    await place.calls.write(temporary.descriptor, piece.subarray(0, count), position, hasher)
    position += count
  }
  const values = hasher.digests()
  const value = digestOf(values, algorithm).toString('base64')
  return { eTag: digestOf(values, 'MD5').toString('hex'), checksum: { algorithm, type: 'FULL_OBJECT', value } }
}
