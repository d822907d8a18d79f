import { randomBytes } from 'node:crypto'
import { amendable } from './amendable.ts'
import { removeTree } from './bucket-store.ts'
import { pruneDirectories } from './directories.ts'
import { isErrno } from './file-errors.ts'
import { findObject } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { parentOf, transit } from './layout.ts'
import { requireOwnTransit } from './own-transit.ts'
import { type Place, requireBucket, seenByService, within } from './place.ts'
import { ownerOf } from './publish.ts'
import { requireMayWrite } from './require-may-write.ts'
import {
  findCompleted,
  findUploadFile,
  noSuchUpload,
  readParts,
  readUpload,
  restoreArmed,
  type StoredPart,
  type UploadDocument,
  uploadLock,
  uploadNames,
  uploadPath,
  writeUploadFile,
} from './upload-store.ts'
import { removeTemporaries } from './upload-temporaries.ts'
import type { Description, PartStat, UploadStat } from './verbs.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html */
export async function beginUpload(
  place: Place,
  key: string,
  description: Description,
  checksum: UploadStat['checksum'],
): Promise<UploadStat> {
  keyPath(key)
  await requireBucket(place)
  await requireOwnTransit(place)
  await requireMayWrite(place, key)
  const now = place.options.now()
  // Begins with the time, so that ids sort by initiation.
  const uploadId = `${now.toString(36).padStart(9, '0')}${randomBytes(16).toString('hex')}`
  const objectExisted = (await findObject(seenByService(place), key)) !== undefined
  const said = { ...description, ...(checksum && { checksum }), objectExisted }
  const initiator = ownerOf(place)
  const owner = description.owner ?? initiator
  const upload = { v: 1, key, initiatedMs: now, ...said, owner, initiator }
  if ((await place.service.makeDirectory(within(place, transit.uploads), 0o700)) && place.options.flush) {
    await place.service.flushDirectory(within(place, transit.directory))
  }
  await place.service.makeDirectory(uploadPath(place, uploadId), 0o700)
  await writeUploadFile(place, uploadId, 'upload.json', upload)
  if (place.options.flush) await place.service.flushDirectory(within(place, transit.uploads))
  return { ...description, uploadId, key, initiated: new Date(now), owner, initiator, checksum, objectExisted }
}

export const statUpload = async (place: Place, key: string, uploadId: string): Promise<UploadStat> => {
  const upload = await readUpload(place, key, uploadId)
  if ((await findCompleted(place, key, uploadId)) !== undefined) throw noSuchUpload(uploadId)
  return uploadStat(uploadId, upload)
}

const uploadStat = (uploadId: string, upload: UploadDocument): UploadStat => ({
  uploadId,
  key: upload.key,
  initiated: new Date(upload.initiatedMs),
  owner: upload.owner,
  initiator: upload.initiator ?? upload.owner,
  headers: upload.headers,
  metadata: upload.metadata,
  ...amendable(upload),
  checksum: upload.checksum,
  objectExisted: upload.objectExisted,
})

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html; a late part finds nothing to be acknowledged in. */
export async function abortUpload(place: Place, key: string, uploadId: string): Promise<void> {
  await statUpload(place, key, uploadId)
  await place.locks.hold(uploadLock(uploadId), 'exclusive', async () => {
    await statUpload(place, key, uploadId)
    await removeUpload(place, key, uploadId)
    if (place.options.flush) await place.service.flushDirectory(within(place, transit.uploads))
  })
  await pruneDirectories(place, key, parentOf(keyPath(key).path))
}

/** Everything of an upload but what it published. */
export async function removeUpload(place: Place, key: string, uploadId: string): Promise<void> {
  await restoreArmed(place, uploadId)
  await place.service.unlink(uploadPath(place, uploadId, 'upload.json'))
  await removeTemporaries(place, key, uploadId)
  await removeTree(place.service, uploadPath(place, uploadId))
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
export async function listParts(
  place: Place,
  key: string,
  uploadId: string,
  page: { readonly after: number; readonly max: number },
): Promise<{ readonly parts: readonly PartStat[]; readonly truncated: boolean }> {
  await statUpload(place, key, uploadId)
  const all = await readParts(place, uploadId, await uploadNames(place, uploadId))
  const rest = all.filter(({ partNumber }) => partNumber > page.after)
  return { parts: rest.slice(0, page.max).map(partStat), truncated: rest.length > page.max }
}

export const partStat = (part: StoredPart): PartStat => ({
  partNumber: part.partNumber,
  sizeBytes: part.sizeBytes,
  eTag: part.eTag,
  lastModified: new Date(part.lastModifiedMs),
  checksum: part.checksum?.value,
})

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html: by key, then by initiation. */
export async function listUploads(place: Place, prefix: string): Promise<readonly UploadStat[]> {
  if (place.root.readOnly) return []
  await requireOwnTransit(place)
  const uploads = await Promise.all(
    (await uploadIds(place)).map(async (uploadId) => {
      const upload = await findUploadFile(place, 'upload', uploadId, 'upload.json')
      if (upload === undefined || !upload.key.startsWith(prefix)) return undefined
      return (await findCompleted(place, upload.key, uploadId)) === undefined ? uploadStat(uploadId, upload) : undefined
    }),
  )
  return uploads
    .filter((upload) => upload !== undefined)
    .sort(
      (a, b) =>
        Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) ||
        a.initiated.getTime() - b.initiated.getTime() ||
        (a.uploadId < b.uploadId ? -1 : 1),
    )
}

export async function uploadIds(place: Place): Promise<readonly string[]> {
  try {
    const scan = await place.service.scan(within(place, transit.uploads))
    return Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8'))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}
