import { nobody } from './actor.ts'
import { findBucketRecord, listBucketNames, removeTree } from './bucket-store.ts'
import { settleTrash } from './buckets.ts'
import { findStaleProbes, removeProbe } from './capabilities.ts'
import { asideSuffix } from './empty-bucket.ts'
import { settleTaken } from './fence.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls, Scan, Stat } from './files.ts'
import { isArmedName, isTakenName, join, nameOf, state, transit, uploadIdOfAssembly } from './layout.ts'
import { closeLeftOpen } from './opened-for-service.ts'
import { type Place, type Root, seenByService, within } from './place.ts'
import { findRecord, placeOf, type Tree } from './tree.ts'
import { findCompleted, findUploadFile, isUploadId, uploadLock, uploadPath } from './upload-store.ts'
import { removeUpload, uploadIds } from './uploads.ts'

/** What a sweep took away. */
export type Swept = { readonly temporaries: number; readonly uploads: number }

/** A temporary that nobody has written to for so long belongs to a process that is gone. */
export const temporaryAgeMs = 24 * 3_600_000
/** How long a repeated CompleteMultipartUpload finds its answer. */
const completedAgeMs = 7 * 24 * 3_600_000

/**
 * Clears what a killed process left: temporaries, probes of a mount, completed uploads past their time. Only what is old by the file
 * system's own times; each deletion looks again under the lock that its writer would hold.
 */
export async function sweep(tree: Tree): Promise<Swept> {
  let temporaries = 0
  let uploads = 0
  for (const name of await listBucketNames(tree.service)) {
    try {
      temporaries += await sweepDocuments(tree, state.bucket(name))
      const record = await findRecord(tree, name)
      if (record === undefined) {
        await closeUnfinished(tree, name)
        continue
      }
      const place = placeOf(tree, record, nobody)
      if (place.root.readOnly) continue
      uploads += await sweepUploads(place)
      temporaries += await sweepTemporaries(place, place.directory)
      temporaries += await sweepTemporaries(place, within(place, transit.versions))
    } catch (error) {
      // One bucket that cannot be swept (its mount is away) keeps no other one from it.
      tree.options.problems({ kind: 'sweep-failed', bucket: name, message: String(error) })
    }
  }
  for (const root of tree.roots) temporaries += await sweepProbes(tree, root)
  await sweepTrash(tree)
  return { temporaries, uploads }
}

/** Its making or removal was cut off, while its user's directory was open for the service (opened-for-service.ts). */
async function closeUnfinished(tree: Tree, name: string): Promise<void> {
  const { kernel, main } = tree
  if (kernel === undefined) return
  await tree.bucketLocks.hold(name, 'exclusive', async () => {
    const record = await findBucketRecord(tree.service, name, () => undefined)
    if (record === undefined || record.inode !== undefined || record.mapped) return
    await closeLeftOpen(main.files, record.directory, kernel.directoryMode)
  })
}

/** What writeWhole left of a bucket's record and documents, also where the bucket was never finished. */
async function sweepDocuments(tree: Tree, directory: string): Promise<number> {
  let count = 0
  const scan = await scanIfThere(tree.service, directory)
  for (let index = 0; index < (scan?.count ?? 0); index += 1) {
    const path = join(directory, scan?.name(index).toString('utf8') ?? '')
    if (!path.endsWith('.tmp')) continue
    const stat = await tree.service.statPath(path)
    if (stat === undefined || !isOld(tree, stat.mtimeNs, temporaryAgeMs)) continue
    if (await tree.service.unlink(path)) count += 1
  }
  return count
}

async function sweepProbes(tree: Tree, root: Root): Promise<number> {
  let count = 0
  try {
    for (const path of await abandonedProbes(tree, root))
      if (await removeProbe(root.files.as(undefined), path)) count += 1
  } catch (error) {
    tree.options.problems({ kind: 'sweep-failed', path: root.path, message: String(error) })
  }
  return count
}

/** Where openNamespace has them made. */
export async function abandonedProbes(tree: Tree, root: Root): Promise<readonly string[]> {
  if (root.readOnly) return []
  const directory = root === tree.main ? state.directory : ''
  return findStaleProbes(root.files.as(undefined), directory, ({ mtimeNs }) => isOld(tree, mtimeNs, temporaryAgeMs))
}

/** A removal that was cut off left its empty directory here. What holds an object after all stays for an administrator. */
async function sweepTrash(tree: Tree): Promise<void> {
  const scan = await tree.service.scan(state.trash)
  for (let index = 0; index < scan.count; index += 1) {
    const name = scan.name(index).toString('utf8')
    // The `.s3` of what lies beside it.
    if (name.endsWith(asideSuffix) && (await tree.service.statPath(join(state.trash, baseOf(name)))) !== undefined)
      continue
    try {
      if (await settleTrash(tree, name)) continue
      tree.options.problems({ kind: 'objects-in-trash', path: join(state.trash, name) })
    } catch (error) {
      tree.options.problems({ kind: 'sweep-failed', path: join(state.trash, name), message: String(error) })
    }
  }
}

const baseOf = (name: string): string => name.slice(0, -asideSuffix.length)

async function sweepUploads(place: Place): Promise<number> {
  let count = 0
  for (const uploadId of await uploadIds(place)) {
    if (!isUploadId(uploadId)) continue
    if (!(await isOver(place, uploadId))) continue
    const removed = await place.locks.hold(uploadLock(uploadId), 'exclusive', async () => {
      if (!(await isOver(place, uploadId))) return false
      const upload = await findUploadFile(place, 'upload', uploadId, 'upload.json')
      if (upload === undefined) await removeTree(place.service, uploadPath(place, uploadId))
      else await removeUpload(place, upload.key, uploadId)
      return true
    })
    if (removed) count += 1
  }
  return count
}

/**
 * Completed and past the time for which its answer is kept; or aborted (or begun) by a process that died over it, which leaves a directory
 * without upload.json. A Complete that was cut off before it had published is neither: those parts are still wanted.
 */
async function isOver(place: Place, uploadId: string): Promise<boolean> {
  const stat = (name: string): Promise<Stat | undefined> => place.service.statPath(uploadPath(place, uploadId, name))
  const upload = await findUploadFile(place, 'upload', uploadId, 'upload.json')
  const completed = await stat('completed.json')
  if (
    upload !== undefined &&
    completed !== undefined &&
    (await findCompleted(place, upload.key, uploadId)) !== undefined
  )
    return isOld(place, completed.mtimeNs, completedAgeMs)
  const directory = await stat('')
  if (directory === undefined || (await stat('upload.json')) !== undefined) return false
  return isOld(place, directory.mtimeNs, temporaryAgeMs)
}

/** undefined: it has gone meanwhile, or is not for the service to read. */
const scanIfThere = (calls: FileCalls, path: string): Promise<Scan | undefined> =>
  calls.scan(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE', 'ELOOP')) return undefined
    throw error
  })

async function sweepTemporaries(place: Place, path: string): Promise<number> {
  let count = 0
  const scan = await scanIfThere(place.service, path)
  for (let index = 0; index < (scan?.count ?? 0); index += 1) {
    const name = scan?.name(index).toString('utf8') ?? ''
    const child = join(path, name)
    if (scan?.type(index) === 'directory') {
      if (name === transit.directory) continue
      if (isArmedName(nameOf(path)) && isTakenName(name)) count += await sweepTaken(place, child)
      else count += await sweepTemporaries(place, child)
      if (isArmedName(name)) await place.service.removeDirectory(child).catch(() => false)
    } else if (name.startsWith('.s3-') && (await isAbandoned(place, name, child))) {
      await place.service.unlink(child)
      count += 1
    }
  }
  return count
}

/** A removal that was cut off a day ago: what it had taken was rightly removed, or goes back. */
async function sweepTaken(place: Place, path: string): Promise<number> {
  const stat = await place.service.statPath(path)
  if (stat === undefined || !isOld(place, stat.mtimeNs, temporaryAgeMs)) return 0
  return (await settleTaken(seenByService(place), path)) ? 1 : 0
}

/** Whether a `.s3-…` file at `path` belongs to nobody any more. */
export async function isAbandoned(place: Place, name: string, path: string): Promise<boolean> {
  const stat = await place.service.statPath(path)
  if (stat?.type !== 'file' || !isOld(place, stat.mtimeNs, temporaryAgeMs)) return false
  const uploadId = uploadIdOfAssembly(name)
  if (uploadId === undefined) return true
  return (await place.service.statPath(uploadPath(place, uploadId, 'upload.json'))) === undefined
}

export const isOld = (place: Pick<Place, 'options'>, mtimeNs: bigint, ageMs: number): boolean =>
  place.options.now() - Number(mtimeNs / 1_000_000n) > ageMs
