import type { Descriptor, FileCalls } from './files.ts'
import type { StoredRecord } from './record.ts'

/** From this step on no random digits are left below the clock's own tick. */
const coarseNs = 1_000_000n

/**
 * The times that a record begins with: of the file's bytes, and what S3 is to be told where that is another one.
 *
 * A rewrite in place shows by its mtime alone when it is of the same size. So mtime is now with random nanoseconds below the millisecond: a
 * rewrite over NFS within the same clock tick then has another one (without this 170 of 200 same-size rewrites went unnoticed, with it 0 of
 * 200). Cut to what the mount keeps, or the record would never fit.
 *
 * Where the mount keeps no such digits (ext4 with inodes of 128 bytes: whole seconds) a PUT and a rewrite right after it would have one mtime:
 * the new bytes would be told under the old ETag. There mtime is one step in the past, of a tick that is over by the clock of the file system
 * itself, whatever this machine's says: no later write can have it. What S3 calls Last-Modified stays now, in the record.
 */
export async function publicationTimes(
  calls: Pick<FileCalls, 'setModified' | 'stat'>,
  descriptor: Descriptor,
  { nowMs, granularityNs }: { readonly nowMs: number; readonly granularityNs: number },
): Promise<Pick<StoredRecord, 'mtimeNs' | 'lastModifiedMs'>> {
  const stepNs = BigInt(Math.max(1, granularityNs))
  const cut = (timeNs: bigint): bigint => timeNs - (timeNs % stepNs)
  const nowNs = BigInt(nowMs) * 1_000_000n + BigInt(Math.floor(Math.random() * 1_000_000))
  if (stepNs < coarseNs) return { mtimeNs: cut(nowNs).toString() }
  // Any change of a file's attributes sets its ctime, which nobody can choose.
  await calls.setModified(descriptor, cut(nowNs))
  const { ctimeNs } = await calls.stat(descriptor)
  const earliestNs = ctimeNs < nowNs ? ctimeNs : nowNs
  return {
    mtimeNs: (cut(earliestNs) - stepNs).toString(),
    // Cut as a file's own time would be: a rewrite within this tick must not look older than what it has replaced.
    lastModifiedMs: Number(cut(nowNs) / 1_000_000n),
  }
}
