import { isErrno } from './file-errors.ts'
import type { FileCalls, Found, Stat } from './files.ts'
import { join, parentOf, recordAttribute, sidecarName, transit } from './layout.ts'
import { cleanUp } from './no-answer.ts'
import { decodeRecord, encodeRecord, type ReadRecord, type StoredRecord } from './record.ts'

/**
 * Where records lie: the attribute `user.causeway` of the file itself, or, when the mount has no attributes or the record is too
 * large for one, the side-car `.s3/records/<inode>-<mtime ns>-<size>`, found from fstat of the open file, so that body and headers cannot
 * mix. The attribute wins where both exist.
 */
export type RecordStore = {
  /** The record of a file as found; undefined for a foreign file and a damaged record. */
  read(found: Pick<Found, 'stat' | 'attribute'>): Promise<ReadRecord | undefined>
  /** The attribute's value, or undefined when the record was put into a side-car because it has no room there. */
  prepare(record: StoredRecord, stat: Stat): Promise<Buffer | undefined>
  /** Writes the side-car, whatever the size. `stat` with the mtime that the file will be published with. */
  writeSidecar(record: StoredRecord, stat: Stat): Promise<void>
  /** Of a file whose attribute has the record now. */
  removeSidecar(stat: Stat): Promise<void>
  encode(record: StoredRecord): Buffer
  decode(attribute: Buffer | undefined): ReadRecord | undefined
}

type Options = {
  readonly calls: FileCalls
  /** The bucket's directory. */
  readonly directory: string
  readonly bucketId: string
  readonly key: Buffer
  /** 0: the mount knows no attributes. */
  readonly attributeBytesMax: number
  readonly flush: boolean
  readonly nonce: () => string
  readonly damaged: () => void
}

/** What the file system says when an attribute has no room: ext4 ENOSPC, others E2BIG or ERANGE; ENOTSUP when it has none at all. */
export const noRoomForAttribute = (error: unknown): boolean =>
  isErrno(error, 'ENOSPC', 'E2BIG', 'ERANGE', 'ENOTSUP', 'EOPNOTSUPP') && error.syscall === 'fsetxattr'

export function recordStore(options: Options): RecordStore {
  const { calls, bucketId, key } = options
  const records = join(options.directory, transit.records)

  const encode = (record: StoredRecord): Buffer => encodeRecord(record, bucketId, key)

  const decode = (attribute: Buffer | undefined): ReadRecord | undefined => {
    if (attribute === undefined) return undefined
    const read = decodeRecord(attribute, bucketId, key)
    if (read === undefined) options.damaged()
    return read
  }

  const writeSidecar = async (record: StoredRecord, stat: Stat): Promise<void> => {
    const name = sidecarName({ ...stat, mtimeNs: BigInt(record.mtimeNs) })
    const made = await calls.makeDirectory(records, 0o700)
    if (made && options.flush) await calls.flushDirectory(parentOf(records))
    await writeWhole(calls, join(records, name), encode(record), options)
  }

  return {
    encode,
    decode,
    writeSidecar,
    removeSidecar: async (stat) => void (await calls.unlink(join(records, sidecarName(stat)))),
    async read({ stat, attribute }) {
      if (attribute !== undefined) return decode(attribute)
      const sidecar = await calls.find(join(records, sidecarName(stat)), {
        attribute: recordAttribute,
        bodyBytesMax: 4 * 1024 * 1024,
        keepOpen: false,
      })
      return decode(sidecar?.body)
    },
    async prepare(record, stat) {
      const value = encode(record)
      if (value.length <= options.attributeBytesMax) return value
      await writeSidecar(record, stat)
      return undefined
    },
  }
}

/** Temporary, bytes, flush, rename: a small file of the gateway's own, whole or not there. */
export async function writeWhole(
  calls: FileCalls,
  path: string,
  bytes: Uint8Array,
  options: { readonly flush: boolean; readonly nonce: () => string },
): Promise<void> {
  const temporary = `${path}.${options.nonce()}.tmp`
  const descriptor = await calls.create(temporary, 0o600, true)
  try {
    await calls.write(descriptor, bytes, 0)
    if (options.flush) await calls.flush(descriptor)
    await calls.rename(temporary, path)
  } catch (error) {
    await cleanUp(() => calls.unlink(temporary))
    throw error
  } finally {
    await calls.close(descriptor)
  }
  if (options.flush) await calls.flushDirectory(path.slice(0, path.lastIndexOf('/')))
}
