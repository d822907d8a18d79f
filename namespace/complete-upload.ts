import { amendable } from './amendable.ts'
import { type Chosen, type CompleteOptions, choose } from './chosen-parts.ts'
import { pruneDirectories } from './directories.ts'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { Descriptor, FileCalls } from './files.ts'
import { findObject } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { nameOf, parentOf, recordAttribute } from './layout.ts'
import { type Place, seenByService, within } from './place.ts'
import { type Content, publish } from './publish.ts'
import { packParts } from './record.ts'
import { createTemporary, type Temporary } from './temporary.ts'
import {
  type CompletedDocument,
  findCompleted,
  findUploadFile,
  readParts,
  readUpload,
  restoreArmed,
  type UploadDocument,
  uploadLock,
  uploadNames,
  uploadPath,
  writeUploadFile,
} from './upload-store.ts'
import { removeTemporaries, uploadTemporaries } from './upload-temporaries.ts'
import type { CompletePart, ObjectStat, Put } from './verbs.ts'

type Upload = { readonly key: string; readonly uploadId: string; readonly document: UploadDocument }

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 *
 * Where every part lies in its slot and nobody may still be writing one, the assembly file is the object: a check, a truncate and a
 * rename, whatever the size. Otherwise the parts are cloned or copied by the server into a new file, which a late UploadPart cannot reach.
 *
 * completed.json is written before the rename and names the temporary, by all names that it may get: while one of them is there, nothing was
 * published (see findCompleted for what tells the exceptions); once all are gone, a repeated Complete answers the same and never publishes twice.
 */
export async function completeUpload(
  place: Place,
  key: string,
  uploadId: string,
  parts: readonly CompletePart[],
  options: CompleteOptions,
): Promise<Put> {
  const stat = await place.locks.hold(uploadLock(uploadId), 'exclusive', async () => {
    const upload = { key, uploadId, document: await readUpload(place, key, uploadId) }
    const answer = await answerOfBefore(place, upload)
    if (answer === undefined) {
      await restoreArmed(place, uploadId)
      return complete(place, upload, parts, options)
    }
    // Left by a Complete that was cut off after the rename.
    await forgetParts(place, upload, await uploadNames(place, uploadId))
    return answer
  })
  return { stat }
}

async function complete(
  place: Place,
  upload: Upload,
  wanted: readonly CompletePart[],
  options: CompleteOptions,
): Promise<ObjectStat> {
  const { key, uploadId, document } = upload
  const names = await uploadNames(place, uploadId)
  const chosen = choose(await readParts(place, uploadId, names), wanted, document, options)
  const temporary = (await fillAssembly(place, upload, names, chosen)) ?? (await copyAll(place, upload, chosen))
  try {
    const content = contentOf(upload, chosen, options)
    const beforeRename = (paths: readonly string[], versionId: string | undefined): Promise<void> =>
      writeIntent(place, upload, { paths, versionId }, chosen)
    const precondition = options.precondition
    const { stat } = await publish(place, { key, temporary, content, precondition, beforeRename })
    await forgetParts(place, upload, names)
    return stat
  } catch (error) {
    await takeBack(place, upload, temporary)
    throw error
  } finally {
    await place.calls.close(temporary.descriptor)
  }
}

/**
 * Refused, or out of space: the upload is pending as before, and can be aborted. The intent goes before the temporary that it names: the
 * other way round, a crash in between would look as if the object had been published. Not where it has been (EIO from the last flush).
 */
async function takeBack(place: Place, { key, uploadId }: Upload, { path }: Temporary): Promise<void> {
  try {
    if ((await findCompleted(place, key, uploadId)) !== undefined) return
    await place.service.unlink(uploadPath(place, uploadId, 'completed.json'))
    if (path === within(place, uploadTemporaries(key, uploadId).final)) await place.service.unlink(path)
  } catch {
    // The error that brought us here says more; the next Complete or Abort clears this.
  }
}

function contentOf(
  { uploadId, document }: Upload,
  { eTag, checksum, parts }: Chosen,
  { defaultRetention }: CompleteOptions,
): Content {
  const { headers, metadata, owner } = document
  const partChecksums = parts.flatMap((part) => part.checksum?.value ?? [])
  return {
    headers,
    metadata,
    owner,
    ...amendable({ ...document, retention: document.retention ?? defaultRetention }),
    eTag,
    uploadId,
    ...(checksum && { checksum }),
    parts: packParts(parts.map(({ partNumber, sizeBytes }) => ({ partNumber, sizeBytes }))),
    // A GET of one part answers with that part's own.
    ...(checksum && partChecksums.length === parts.length && { partChecksums }),
  }
}

/** What was answered before, if this upload was published already. */
async function answerOfBefore(place: Place, upload: Upload): Promise<ObjectStat | undefined> {
  const { key, uploadId } = upload
  const intent = await findUploadFile(place, 'completed', uploadId, 'completed.json')
  if (intent === undefined) return undefined
  const current = await findObject(seenByService(place), key)
  const isCurrent = current?.record?.trusted === true && current.record.record.uploadId === uploadId
  // Rewritten in place by a file user: the object is what they wrote, but the answer is about what was uploaded.
  if (isCurrent && !current.stat.foreign) return current.stat
  const completed = isCurrent ? intent : await findCompleted(place, key, uploadId)
  return completed && overwrittenSince(place, upload, completed)
}

const overwrittenSince = (place: Place, { key, document }: Upload, completed: CompletedDocument): ObjectStat => ({
  bucket: place.bucket.name,
  key,
  sizeBytes: completed.sizeBytes,
  eTag: completed.eTag,
  lastModified: new Date(completed.lastModifiedMs),
  versionId: completed.versionId,
  checksum: completed.checksum,
  parts: undefined,
  owner: document.owner,
  headers: document.headers,
  metadata: document.metadata,
  ...amendable(document),
  foreign: false,
})

function writeIntent(
  place: Place,
  { uploadId }: Upload,
  { paths, versionId }: { readonly paths: readonly string[]; readonly versionId: string | undefined },
  chosen: Chosen,
): Promise<void> {
  const { eTag, sizeBytes, checksum } = chosen
  const ofBucket = (path: string): string => (place.directory === '' ? path : path.slice(place.directory.length + 1))
  const completed = {
    temporaries: paths.map(ofBucket),
    eTag,
    sizeBytes,
    lastModifiedMs: place.options.now(),
    ...(versionId !== undefined && { versionId }),
    ...(checksum && { checksum }),
  }
  return writeUploadFile(place, uploadId, 'completed.json', completed)
}

/** The assembly itself, made whole; undefined: it cannot be the object. */
async function fillAssembly(
  place: Place,
  upload: Upload,
  names: readonly string[],
  chosen: Chosen,
): Promise<Temporary | undefined> {
  const slots = await findUploadFile(place, 'slots', upload.uploadId, 'slots.json')
  if (slots === undefined || !liesInOrder(slots.sizeBytes, names, chosen)) return undefined
  const path = within(place, uploadTemporaries(upload.key, upload.uploadId).assembly)
  const descriptor = await openIfThere(place.calls, path, 'write')
  if (descriptor === undefined) return undefined
  try {
    await moveIn(
      place,
      upload,
      descriptor,
      chosen.parts.filter((part) => part.data !== undefined),
    )
    await place.calls.truncate(descriptor, chosen.sizeBytes)
    // Left by a Complete that was cut off; a record that now needs a side-car must not lose against it.
    await place.calls.removeAttribute(descriptor, recordAttribute)
    return { descriptor, path }
  } catch (error) {
    await place.calls.close(descriptor)
    throw error
  }
}

/**
 * Every finished slot belongs to a chosen part and lies where that part belongs, and no claim is open. Then what is moved in overwrites
 * nobody's bytes, and a Complete that is cut off half way can be repeated, with other parts too.
 */
function liesInOrder(slotBytes: number, names: readonly string[], { parts }: Chosen): boolean {
  if (names.some((name) => name.startsWith('claim.'))) return false
  const inSlots = new Set(parts.filter((part) => part.data === undefined).map((part) => part.partNumber))
  const done = names.flatMap((name) => (name.startsWith('done.') ? [Number(name.slice('done.'.length))] : []))
  return (
    done.every((partNumber) => inSlots.has(partNumber)) &&
    parts.every((part) => part.data !== undefined || part.offset === (part.partNumber - 1) * slotBytes)
  )
}

/** Another user's assembly is not there to be written to: it is copied from. */
async function openIfThere(calls: FileCalls, path: string, how: 'read' | 'write'): Promise<Descriptor | undefined> {
  try {
    return await calls.open(path, how)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR') || (how === 'write' && isErrno(error, 'EACCES'))) return undefined
    throw error
  }
}

/** All parts into a new file, in a clone or a copy that the file system makes. */
async function copyAll(place: Place, upload: Upload, chosen: Chosen): Promise<Temporary> {
  const { assembly, final } = uploadTemporaries(upload.key, upload.uploadId)
  // Left by a Complete that was cut off. Its intent goes first: with the temporary gone it would say that the object was published, and the
  // next Complete would answer for an object that never was.
  await place.service.unlink(uploadPath(place, upload.uploadId, 'completed.json'))
  await place.service.unlink(within(place, final)).catch(() => false)
  const temporary = await createTemporary(place, upload.key, final, nameOf(final))
  try {
    await moveIn(
      place,
      upload,
      temporary.descriptor,
      chosen.parts.filter((part) => part.data !== undefined),
    )
    const slotted = chosen.parts.filter((part) => part.data === undefined)
    if (slotted.length > 0) await copySlots(place, upload, within(place, assembly), temporary.descriptor, slotted)
    return temporary
  } catch (error) {
    await place.calls.close(temporary.descriptor)
    await place.calls.unlink(temporary.path).catch(() => false)
    throw error
  }
}

async function copySlots(
  place: Place,
  { uploadId }: Upload,
  assembly: string,
  target: Descriptor,
  parts: Chosen['parts'],
): Promise<void> {
  const slots = await findUploadFile(place, 'slots', uploadId, 'slots.json')
  const source = await openIfThere(place.service, assembly, 'read')
  if (slots === undefined || source === undefined) throw lost(parts[0]?.partNumber)
  try {
    for (const part of parts) {
      const from = (part.partNumber - 1) * slots.sizeBytes
      await copyWhole(place, source, from, target, part)
    }
  } finally {
    await place.calls.close(source)
  }
}

async function moveIn(place: Place, upload: Upload, target: Descriptor, parts: Chosen['parts']): Promise<void> {
  for (const part of parts) {
    // What lies in `.s3` is the service's.
    const source = await openIfThere(place.service, uploadPath(place, upload.uploadId, part.data), 'read')
    if (source === undefined) throw lost(part.partNumber)
    try {
      await copyWhole(place, source, 0, target, part)
    } finally {
      await place.calls.close(source)
    }
  }
}

async function copyWhole(
  place: Place,
  source: Descriptor,
  from: number,
  target: Descriptor,
  part: Chosen['parts'][number],
): Promise<void> {
  const copied = await place.calls.copyRange(source, from, target, part.offset, part.sizeBytes)
  if (copied !== part.sizeBytes) throw lost(part.partNumber)
}

/** The bytes of an acknowledged part are gone (a file user removed them). */
const lost = (partNumber: number | undefined): NamespaceError =>
  new NamespaceError('InvalidPart', { PartNumber: partNumber })

/** Published: only completed.json and upload.json stay, so that a repeated Complete finds its answer. Never fails the request. */
async function forgetParts(place: Place, { key, uploadId }: Upload, names: readonly string[]): Promise<void> {
  const kept = new Set(['upload.json', 'completed.json'])
  try {
    const paths = names.filter((name) => !kept.has(name)).map((name) => uploadPath(place, uploadId, name))
    // The temporary first: a directory's object has not consumed it, and while it is there only the object says that it was published.
    await removeTemporaries(place, key, uploadId)
    await Promise.all(paths.map((path) => place.service.unlink(path)))
    await pruneDirectories(place, key, parentOf(keyPath(key).path))
  } catch (error) {
    const message = error instanceof Error ? error.message : undefined
    place.options.problems({ kind: 'upload-not-cleared', bucket: place.bucket.name, ...(message && { message }) })
  }
}
