import type { Source } from './copy-object.ts'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { Descriptor } from './files.ts'
import { closeFound } from './find-object.ts'
import type { Held } from './key-lock.ts'
import { nameOf, parentOf } from './layout.ts'
import { cleanUp, whenBack } from './no-answer.ts'
import { readObject } from './open-object.ts'
import { type Place, within } from './place.ts'
import { createTemporary } from './temporary.ts'
import {
  findUploadFile,
  noSuchUpload,
  type PartDocument,
  readUpload,
  uploadLock,
  uploadPath,
  writeUploadFile,
} from './upload-store.ts'
import { uploadTemporaries } from './upload-temporaries.ts'
import { partStat, statUpload } from './uploads.ts'
import type { Body, ObjectStat, PartStat } from './verbs.ts'
import { writeBody } from './write-body.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

type Part = { readonly key: string; readonly uploadId: string; readonly partNumber: number }

/** Where a part's bytes go. `data`: a file of its own in the upload's directory. */
type Destination = {
  readonly descriptor: Descriptor
  readonly offset: number
  readonly data: string | undefined
  /** Called when the writer has closed: what it leaves for the part, or for nobody. */
  readonly release: (written: boolean) => Promise<void>
}

const mebibyte = 1024 * 1024

/** A part may only be smaller when it is the last: a last part that comes first must not decide the size of the slots. */
const slotBytesMin = 5 * mebibyte

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
 *
 * A part whose size is a multiple of 1 MiB and whose slot could be claimed goes straight to its place in the assembly file; every other
 * one (odd sizes, re-sent ones) to a file of its own. Two NFS clients writing adjacent parts that do not meet on a page boundary corrupt each
 * other's bytes, hence the multiple; two writers of one slot would, hence the claim.
 */
export async function putPart(place: Place, part: Part, body: Body): Promise<PartStat> {
  await statUpload(place, part.key, part.uploadId)
  const destination = await openDestination(place, part, body.sizeBytes)
  let written = false
  try {
    const { sizeBytes, eTag, checksum } = await writeBody(place, destination.descriptor, body, destination.offset)
    if (place.options.flush) await place.calls.flush(destination.descriptor)
    written = true
    const kept = checksum && { checksum: { algorithm: checksum.algorithm, value: checksum.value } }
    return await finishPart(place, part, destination, { sizeBytes, eTag, ...kept })
  } finally {
    if (!written) await abandon(place, destination)
  }
}

async function finishPart(
  place: Place,
  part: Part,
  destination: Destination,
  said: Pick<PartDocument, 'sizeBytes' | 'eTag' | 'checksum'>,
): Promise<PartStat> {
  await place.calls.close(destination.descriptor)
  try {
    await destination.release(true)
  } catch (error) {
    throw isErrno(error, 'ENOENT') ? noSuchUpload(part.uploadId) : error
  }
  const { data } = destination
  const document = { ...said, lastModifiedMs: place.options.now(), ...(data === undefined ? {} : { data }) }
  return acknowledge(place, part, document)
}

async function abandon(place: Place, destination: Destination): Promise<void> {
  const closing = await place.calls.close(destination.descriptor).catch((error: unknown) => error)
  // A write that hangs still lands in the slot when the server is back: until then the claim keeps everybody else out of it.
  const back = whenBack(closing)
  const release = (): Promise<void> => cleanUp(() => destination.release(false))
  if (back === undefined) await release()
  else void back().then(release)
}

/** The later completion wins (P-159). Under the upload's shared lock, so that no part is acknowledged after Complete or Abort. */
async function acknowledge(place: Place, part: Part, document: PartDocument): Promise<PartStat> {
  const { key, uploadId, partNumber } = part
  const name = `part.${partNumber}.json`
  return place.locks.hold(uploadLock(uploadId), 'shared', async () => {
    await statUpload(place, key, uploadId)
    const before = await findUploadFile(place, 'part', uploadId, name)
    await writeUploadFile(place, uploadId, name, document)
    if (before?.data !== undefined) await place.service.unlink(uploadPath(place, uploadId, before.data))
    return partStat({ ...document, partNumber })
  })
}

async function openDestination(place: Place, part: Part, sizeBytes: number | undefined): Promise<Destination> {
  // Under the upload's lock, and asked again whether it still is one: a claim made after Complete had looked would write into the object.
  const slot = await place.locks.hold(uploadLock(part.uploadId), 'shared', async (held) => {
    await statUpload(place, part.key, part.uploadId)
    const claimed = await claimSlot(place, part, sizeBytes)
    if (claimed !== undefined && place.root.locksExpire) await requireStillPending(place, part, claimed, held)
    return claimed
  })
  if (slot !== undefined) return slot
  const data = `data.${part.partNumber}.${place.options.nonce()}`
  const path = uploadPath(place, part.uploadId, data)
  try {
    const descriptor = await place.service.create(path, 0o600, true)
    const release = async (written: boolean): Promise<void> => {
      if (!written) await place.service.unlink(path)
    }
    return { descriptor, offset: 0, data, release }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw noSuchUpload(part.uploadId)
    throw error
  }
}

/**
 * A machine that was away may have claimed after a Complete, whose lock was free then, had looked for claims: it must not write. A later Complete
 * sees the claim. Throws SlowDown, NoSuchUpload.
 */
async function requireStillPending(place: Place, part: Part, claimed: Destination, held: Held): Promise<void> {
  try {
    if (!(await held.again())) throw writtenBySomebodyElse()
    await statUpload(place, part.key, part.uploadId)
  } catch (error) {
    await abandon(place, claimed)
    throw error
  }
}

async function claimSlot(place: Place, part: Part, sizeBytes: number | undefined): Promise<Destination | undefined> {
  if (sizeBytes === undefined || sizeBytes === 0 || sizeBytes % mebibyte !== 0) return undefined
  const { uploadId, partNumber } = part
  const slots =
    (await findUploadFile(place, 'slots', uploadId, 'slots.json')) ?? (await makeSlots(place, part, sizeBytes))
  if (slots?.sizeBytes !== sizeBytes) return undefined
  const claim = uploadPath(place, uploadId, `claim.${partNumber}`)
  const done = uploadPath(place, uploadId, `done.${partNumber}`)
  if ((await place.service.statPath(done)) !== undefined || !(await createEmpty(place, claim))) return undefined
  const release = async (written: boolean): Promise<void> => {
    // Only after its writer has closed: an open claim tells Complete that somebody may still write into the assembly.
    if (written) await place.service.rename(claim, done)
    else await place.service.unlink(claim)
  }
  try {
    // Looked at again with the claim in hand: the first look may have been before another writer's claim became "done".
    if ((await place.service.statPath(done)) !== undefined) throw new Error('the slot is taken')
    const assembly = within(place, uploadTemporaries(part.key, uploadId).assembly)
    const descriptor = await place.calls.open(assembly, 'write')
    return { descriptor, offset: (partNumber - 1) * sizeBytes, data: undefined, release }
  } catch {
    await release(false).catch(() => undefined)
    return undefined
  }
}

/** The assembly first, then the size, by link: whoever finds a size finds an assembly. undefined: somebody else was first. */
async function makeSlots(place: Place, part: Part, sizeBytes: number): Promise<{ sizeBytes: number } | undefined> {
  const { key, uploadId } = part
  if (sizeBytes < slotBytesMin) return undefined
  try {
    const { assembly } = uploadTemporaries(key, uploadId)
    const { descriptor } = await createTemporary(place, key, assembly, nameOf(assembly))
    await place.calls.close(descriptor)
    if (place.options.flush) await place.calls.flushDirectory(within(place, parentOf(assembly)))
    await writeUploadFile(place, uploadId, 'slots.json', { sizeBytes })
    return { sizeBytes }
  } catch (error) {
    // The one who made the assembly decides the size; the loser of the race writes a file of its own.
    if (isErrno(error, 'EEXIST')) return findUploadFile(place, 'slots', uploadId, 'slots.json')
    throw error
  }
}

async function createEmpty(place: Place, path: string): Promise<boolean> {
  try {
    await place.service.close(await place.service.create(path, 0o600, true))
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html */
export async function copyPart(
  source: Source,
  place: Place,
  part: Part,
  select: (source: ObjectStat) => { readonly offset: number; readonly lengthBytes: number },
): Promise<PartStat> {
  const upload = await readUpload(place, part.key, part.uploadId)
  const located = await readObject(source.place, source.key, source.versionId, { bodyBytesMax: 0, keepOpen: true })
  try {
    const { offset, lengthBytes } = select(located.stat)
    const algorithm = upload.checksum?.algorithm ?? 'CRC64NVME'
    const body: Body = {
      bytes: readRange(source.place, located.found.descriptor, offset, lengthBytes),
      sizeBytes: lengthBytes,
      digests: [algorithm],
      verify: ({ digests }) => {
        const value = digests[algorithm]
        return value && { algorithm, type: 'FULL_OBJECT', value: value.toString('base64') }
      },
    }
    return await putPart(place, part, body)
  } finally {
    await closeFound(source.place.calls, located.found)
  }
}

async function* readRange(
  place: Place,
  descriptor: Descriptor | undefined,
  offset: number,
  lengthBytes: number,
): AsyncGenerator<Uint8Array> {
  const end = offset + lengthBytes
  for (let position = offset; descriptor !== undefined && position < end; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(mebibyte, end - position))
    const count = await place.calls.read(descriptor, piece, position)
    if (count === 0)
      throw new NamespaceError('InvalidRequest', { message: 'The copy source became shorter while it was read.' })
    yield piece.subarray(0, count)
    position += count
  }
}
