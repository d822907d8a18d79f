import { type Static, Type as T } from 'typebox'
import { Value } from 'typebox/value'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import { findObject } from './find-object.ts'
import { join, recordAttribute, transit } from './layout.ts'
import { requireOwnTransit } from './own-transit.ts'
import { type Place, seenByService, within } from './place.ts'
import { writeWhole } from './record-store.ts'

/**
 * What a multipart upload keeps in `.s3/uploads/<id>/` until it is completed or aborted:
 *
 *   upload.json        key, owner, description, checksum: what CreateMultipartUpload was told
 *   slots.json         the size that one part has in the assembly file, claimed once by the first part that could
 *   claim.<n>          somebody is writing part n in its place of the assembly (O_EXCL); renamed to done.<n> when its writer has closed
 *   part.<n>.json      part n as it was acknowledged last, and where its bytes lie
 *   data.<n>.<nonce>   the bytes of a part that has a file of its own
 *   completed.json     what Complete answered, kept 7 days; written before the rename, so that a repeated Complete never publishes twice
 */
const Owner = T.Object({ canonicalId: T.String(), displayName: T.String() })
const Algorithm = T.Union([
  T.Literal('CRC32'),
  T.Literal('CRC32C'),
  T.Literal('CRC64NVME'),
  T.Literal('SHA1'),
  T.Literal('SHA256'),
])
const Type = T.Union([T.Literal('FULL_OBJECT'), T.Literal('COMPOSITE')])
const Strings = T.Record(T.String(), T.String())

const RetentionMode = T.Union([T.Literal('GOVERNANCE'), T.Literal('COMPLIANCE')])
const Permission = T.Union(
  (['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const).map((each) => T.Literal(each)),
)
const Grant = T.Object({
  grantee: T.Union([
    T.Object({ kind: T.Literal('user'), canonicalId: T.String(), displayName: T.Optional(T.String()) }),
    T.Object({ kind: T.Literal('group'), uri: T.String() }),
  ]),
  permission: Permission,
})

const shapes = {
  upload: T.Object({
    v: T.Literal(1),
    key: T.String(),
    initiatedMs: T.Number(),
    owner: Owner,
    /** Absent in uploads begun before owners could differ from who began. */
    initiator: T.Optional(Owner),
    headers: Strings,
    metadata: Strings,
    tags: T.Optional(T.Array(T.Object({ key: T.String(), value: T.String() }))),
    acl: T.Optional(T.Array(Grant)),
    retention: T.Optional(T.Object({ mode: RetentionMode, until: T.String() })),
    legalHold: T.Optional(T.Boolean()),
    checksum: T.Optional(T.Object({ algorithm: Algorithm, type: Type })),
    objectExisted: T.Boolean(),
  }),
  slots: T.Object({ sizeBytes: T.Number() }),
  part: T.Object({
    sizeBytes: T.Number(),
    eTag: T.String(),
    lastModifiedMs: T.Number(),
    checksum: T.Optional(T.Object({ algorithm: Algorithm, value: T.String() })),
    /** Name of its own file, or absent when it lies in its slot of the assembly. */
    data: T.Optional(T.String()),
  }),
  completed: T.Object({
    /** Relative to the bucket: its own name first, then those it has while it is armed (fence.ts). */
    temporaries: T.Array(T.String(), { minItems: 1 }),
    eTag: T.String(),
    sizeBytes: T.Number(),
    lastModifiedMs: T.Number(),
    versionId: T.Optional(T.String()),
    checksum: T.Optional(T.Object({ algorithm: Algorithm, type: Type, value: T.String() })),
  }),
} as const

export type UploadDocument = Static<typeof shapes.upload>
export type PartDocument = Static<typeof shapes.part>
export type CompletedDocument = Static<typeof shapes.completed>

export const uploadPath = (place: Place, uploadId: string, name = ''): string =>
  within(place, join(transit.upload(uploadId), name))

const idPattern = /^[0-9a-z]{8,64}$/

export const isUploadId = (uploadId: string): boolean => idPattern.test(uploadId)

export const noSuchUpload = (uploadId: string): NamespaceError =>
  new NamespaceError('NoSuchUpload', { UploadId: uploadId })

type Kind = keyof typeof shapes

/** undefined: there is none (or it is damaged: then it is not believed either). */
export async function findUploadFile<K extends Kind>(
  place: Place,
  kind: K,
  uploadId: string,
  name: string,
): Promise<Static<(typeof shapes)[K]> | undefined> {
  const want = { attribute: recordAttribute, bodyBytesMax: 1024 * 1024, keepOpen: false }
  const found = await place.service.find(uploadPath(place, uploadId, name), want)
  if (found?.body === undefined) return undefined
  try {
    const value: unknown = JSON.parse(found.body.toString('utf8'))
    return Value.Check(shapes[kind], value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * What Complete answered, once it has published: until then completed.json names a temporary that is still there, and the upload is as
 * pending as it was. A Complete that was cut off right after it had published leaves it too: with a second name, which is the object's
 * (between `link` and `unlink`); or, where the object is a record on the directory `key`, beside that record. A DELETE of such an object
 * removes the temporary first (removeTemporaries).
 */
export async function findCompleted(
  place: Place,
  key: string,
  uploadId: string,
): Promise<CompletedDocument | undefined> {
  const completed = await findUploadFile(place, 'completed', uploadId, 'completed.json')
  if (completed === undefined) return undefined
  const [own = ''] = completed.temporaries
  // The first again: it may have been on its way back there.
  if (!(await someIsOnlyName(place, [...completed.temporaries, own]))) return completed
  const current = key.endsWith('/') ? await findObject(seenByService(place), key) : undefined
  return current?.record?.trusted === true && current.record.record.uploadId === uploadId ? completed : undefined
}

async function someIsOnlyName(place: Place, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) {
    if ((await place.service.statPath(within(place, path)))?.links === 1) return true
  }
  return false
}

/** A Complete that was cut off while its temporary was armed, or that was fenced: the temporary is back at its own name. */
export async function restoreArmed(place: Place, uploadId: string): Promise<void> {
  const completed = await findUploadFile(place, 'completed', uploadId, 'completed.json')
  const [own = '', ...armed] = completed?.temporaries ?? []
  for (const path of armed) {
    await place.service.rename(within(place, path), within(place, own)).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    })
  }
}

/** Throws NoSuchUpload when the upload's directory is gone. */
export async function writeUploadFile(place: Place, uploadId: string, name: string, value: unknown): Promise<void> {
  try {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`)
    await writeWhole(place.service, uploadPath(place, uploadId, name), bytes, place.options)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw noSuchUpload(uploadId)
    throw error
  }
}

/** Throws NoSuchUpload, also for another key's upload (P-157) and for a completed one. */
export async function readUpload(place: Place, key: string, uploadId: string): Promise<UploadDocument> {
  if (!isUploadId(uploadId)) throw noSuchUpload(uploadId)
  await requireOwnTransit(place)
  const upload = await findUploadFile(place, 'upload', uploadId, 'upload.json')
  if (upload === undefined || upload.key !== key) throw noSuchUpload(uploadId)
  return upload
}

/** Names in the upload's directory. */
export async function uploadNames(place: Place, uploadId: string): Promise<readonly string[]> {
  try {
    const scan = await place.service.scan(uploadPath(place, uploadId))
    return Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8'))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw noSuchUpload(uploadId)
    throw error
  }
}

export type StoredPart = PartDocument & { readonly partNumber: number }

/** In order of part number. */
export async function readParts(
  place: Place,
  uploadId: string,
  names: readonly string[],
): Promise<readonly StoredPart[]> {
  const numbers = names.flatMap((name) => {
    const partNumber = /^part\.(\d+)\.json$/.exec(name)?.[1]
    return partNumber === undefined ? [] : [Number(partNumber)]
  })
  const parts = await Promise.all(
    numbers.map(async (partNumber) => {
      const part = await findUploadFile(place, 'part', uploadId, `part.${partNumber}.json`)
      return part === undefined ? undefined : { ...part, partNumber }
    }),
  )
  return parts.filter((part) => part !== undefined).sort((a, b) => a.partNumber - b.partNumber)
}

/** One lock an upload: shared to acknowledge a part, exclusive to complete or abort. No key has this name: it has a NUL in front. */
export const uploadLock = (uploadId: string): string => `\0upload:${uploadId}`
