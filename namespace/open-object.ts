import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { NamespaceError } from './errors.ts'
import { type FileCalls, FileError } from './files.ts'
import { closeFound, findObject, type Located } from './find-object.ts'
import {
  findNewestEntry,
  findVersion,
  isVisible,
  type LocatedVersion,
  looksMost,
  requireObject,
} from './find-version.ts'
import { keyPath } from './key-path.ts'
import { isLinkedElsewhere, linkedFile } from './linked-file.ts'
import { type Place, requireBucket } from './place.ts'
import type { ObjectStat, OpenObject } from './verbs.ts'
import type { VersionEntry } from './version-name.ts'

/** Content up to this comes back inside the look-up and goes out in the same write as the headers. */
const smallBytesMax = 64 * 1024

const readBytes = 256 * 1024

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: one open file; headers and bytes belong together. */
export async function openObject(place: Place, key: string, versionId?: string): Promise<OpenObject> {
  return opened(place.calls, await readObject(place, key, versionId, { bodyBytesMax: smallBytesMax, keepOpen: true }))
}

export async function statObject(place: Place, key: string, versionId?: string): Promise<ObjectStat> {
  return (await readObject(place, key, versionId)).stat
}

const betweenLooksMs = 10

type Want = { readonly bodyBytesMax: number; readonly keepOpen: boolean }

/** The current version, or the one that is asked for. Throws what `open` of verbs.ts does. */
export async function readObject(
  place: Place,
  key: string,
  versionId: string | undefined,
  want?: Want,
): Promise<Located> {
  for (let look = 1; ; look += 1) {
    const located = await locate(place, key, versionId, want)
    let isRefused = true
    try {
      isRefused = await isLinkedElsewhere(place, key, located)
      if (!isRefused) return located
    } finally {
      if (isRefused) await closeFound(place.calls, located.found)
    }
    if (look === looksMost) throw linkedFile(located)
    // Somebody may just be giving it its name by a link, and be about to take the other one away.
    await sleep(betweenLooksMs)
  }
}

async function locate(place: Place, key: string, versionId: string | undefined, want?: Want): Promise<Located> {
  if (versionId !== undefined) {
    const version = await findVersion(place, key, versionId, want)
    if (version === undefined) throw await missing(place, key, versionId)
    return requireVisible(place, await requireObject(place, version))
  }
  for (let look = 1; ; look += 1) {
    const located = await findObject(place, key, want)
    if (located !== undefined) return located
    const newest = (await place.versioning()) === undefined ? undefined : await findNewestEntry(place, key)
    // It came and was archived between the two looks, or a file user has removed it.
    const isThere = newest?.isMarker === false && look < looksMost
    if (!isThere) throw await missing(place, key, undefined, newest)
  }
}

/** The service has found it, where nobody else gets; also what is told of a version is for who may read it. Throws FileError EACCES. */
async function requireVisible(place: Place, version: LocatedVersion): Promise<LocatedVersion> {
  let isRefused = true
  try {
    isRefused = !(await isVisible(place, version))
    if (!isRefused) return version
  } finally {
    if (isRefused) await closeFound(place.service, version.found)
  }
  throw new FileError('EACCES', 'faccessat2', version.path)
}

/** NoSuchBucket when it is the bucket that went away. After a DELETE in a versioned bucket it says so (P-171). */
async function missing(
  place: Place,
  key: string,
  versionId: string | undefined,
  newest?: VersionEntry,
): Promise<NamespaceError> {
  keyPath(key)
  await requireBucket(place)
  if (versionId !== undefined) {
    // In a bucket that never was versioned 'null' is the object itself.
    if ((await place.versioning()) === undefined) return new NamespaceError('NoSuchKey', { Key: key })
    return new NamespaceError('NoSuchVersion', { Key: key, VersionId: versionId })
  }
  const of = newest?.isMarker === true && { 'x-amz-delete-marker': 'true', 'x-amz-version-id': newest.versionId }
  return new NamespaceError('NoSuchKey', { Key: key, ...of })
}

function opened(calls: FileCalls, { stat, found, kind }: Located): OpenObject {
  const { descriptor } = found
  const small = descriptor === undefined ? (found.body ?? Buffer.alloc(0)) : undefined
  const use: Use = { closed: false, reading: undefined }
  // A file cut short between fstat and read must never be padded or called whole.
  const whole = kind === 'directory' || small === undefined || small.length === stat.sizeBytes
  return {
    stat,
    small: whole ? small : undefined,
    read(offset, lengthBytes) {
      if (small !== undefined) return Readable.from(slices(small, offset, lengthBytes, stat.sizeBytes))
      return Readable.from(pieces(calls, requireOpen(descriptor), use, offset, lengthBytes))
    },
    async send(socketDescriptor, offset, lengthBytes) {
      const socket = socketDescriptor()
      if (socket === undefined) return 0
      return calls.sendFile(socket, requireOpen(descriptor), offset, lengthBytes)
    },
    async close() {
      use.closed = true
      await use.reading?.catch(() => {}) // its reader hears of it
      // It was only read from: nothing is lost with it.
      if (descriptor !== undefined) await calls.close(descriptor).catch(() => {})
    },
  }
}

/**
 * Between a reader and `close`: a client goes away while a piece is being read, and everything is closed. Were the descriptor gone by then,
 * the read would fail, or worse, read from the next file that was given its number.
 */
type Use = { closed: boolean; reading: Promise<number> | undefined }

function requireOpen(descriptor: number | undefined): number {
  if (descriptor === undefined) throw new Error('this object came whole with its look-up; there is no file to send')
  return descriptor
}

function* slices(small: Buffer, offset: number, lengthBytes: number, sizeBytes: number): Generator<Buffer> {
  if (small.length !== sizeBytes) throw shortFile()
  if (lengthBytes > 0) yield small.subarray(offset, offset + lengthBytes)
}

async function* pieces(
  calls: FileCalls,
  descriptor: number,
  use: Use,
  offset: number,
  lengthBytes: number,
): AsyncGenerator<Buffer> {
  const end = offset + lengthBytes
  for (let position = offset; position < end && !use.closed; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(readBytes, end - position))
    use.reading = calls.read(descriptor, piece, position)
    const count = await use.reading
    if (count === 0) throw shortFile()
    yield piece.subarray(0, count)
    position += count
  }
}

const shortFile = (): NamespaceError =>
  new NamespaceError('InternalError', { message: 'The file became shorter while it was read.' })
