import type { Located } from './find-object.ts'
import { fits } from './object-stat.ts'
import type { StoredRecord } from './record.ts'

/**
 * The record that describes these bytes. Where there is none (a file user's file, or one rewritten in place), what S3 has said of it until now as
 * one: the ETag of a foreign file is made of its ctime, too, which an attribute or a second link moves.
 */
export function frozenRecord({ stat, record: read, found }: Located): StoredRecord {
  const believed = read?.trusted === true ? read.record : undefined
  if (believed !== undefined && fits(believed, found.stat)) return believed
  // What described the bytes that were there before.
  const { checksum, parts, partChecksums, uploadId, lastModifiedMs, ...lasting } = believed ?? {}
  return {
    ...lasting,
    v: 1,
    kind: 'object',
    sizeBytes: found.stat.sizeBytes,
    mtimeNs: found.stat.mtimeNs.toString(),
    eTag: stat.eTag,
    owner: stat.owner,
    headers: stat.headers,
    metadata: stat.metadata,
  }
}
