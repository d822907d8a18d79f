import { createHash } from 'node:crypto'

/** Every name the gateway makes in a tree beyond the names of keys. Pure. README.md shows them in a worked tree. */

/** The one extended attribute: a version's record on a file, a directory's record or mark on a directory. */
export const recordAttribute = 'user.causeway'

export const join = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/')

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** The gateway's own state, in the namespace root, mode 0700. */
export const state = {
  directory: '.causeway',
  format: '.causeway/format',
  locks: '.causeway/locks',
  buckets: '.causeway/buckets',
  trash: '.causeway/trash',
  leases: '.causeway/leases',
  /** Its time is that of the last sweep. */
  swept: '.causeway/swept',
  /** Its time is when lifecycle rules were carried out last. */
  expired: '.causeway/expired',
  bucket: (name: string) => `.causeway/buckets/${name}`,
  bucketRecord: (name: string) => `.causeway/buckets/${name}/bucket.json`,
  document: (name: string, document: string) => `.causeway/buckets/${name}/${document}.json`,
} as const

/** Bytes in transit and in the past, in each bucket's directory, mode 0700. */
export const transit = {
  directory: '.s3',
  locks: '.s3/locks',
  uploads: '.s3/uploads',
  upload: (uploadId: string) => `.s3/uploads/${uploadId}`,
  records: '.s3/records',
  /** Older versions and delete markers, in a directory for each key at the key's own path. */
  versions: '.s3/versions',
} as const

/** Side-car of the record of a file that has no room for the attribute. */
export const sidecarName = (stat: {
  readonly inode: bigint
  readonly mtimeNs: bigint
  readonly sizeBytes: number
}): string => `${stat.inode}-${stat.mtimeNs}-${stat.sizeBytes}`

/** A temporary lies in its target's own directory: `.s3-<time, base 36>-<nonce>`. No key has such a name. */
export const temporaryName = (nowMs: number, nonce: string): string => `.s3-${nowMs.toString(36)}-${nonce}`

/** The file in which a multipart upload takes shape; it lives as long as the upload does, so sweep asks for the upload first. */
export const assemblyName = (uploadId: string): string => `.s3-upload-${uploadId}`

/** Also of one that is armed. */
export const uploadIdOfAssembly = (name: string): string | undefined =>
  name.startsWith('.s3-upload-')
    ? name
        .slice('.s3-upload-'.length)
        .replace(/\..*$/, '')
        .replace(/-final$/, '')
    : undefined

/** Beside the key's file, while a writer that has looked before it writes publishes: see fence.ts. */
export const armedName = (key: string): string =>
  `.s3-armed-${createHash('sha1').update(key).digest('hex').slice(0, 16)}`

export const isArmedName = (name: string): boolean => name.startsWith('.s3-armed-')

/** In there: `<name of the temporary>.<nonce>.put`, fenced when the next writer has come; `<nonce>.taken/<name of the file>` of a removal. */
export const putSuffix = '.put'
export const fencedSuffix = '.fenced'
export const takenSuffix = '.taken'

export const isTakenName = (name: string): boolean => name.endsWith(takenSuffix)
