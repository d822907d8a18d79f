import pLimit from 'p-limit'
import { listBucketNames } from './bucket-store.ts'
import { NamespaceError } from './errors.ts'
import {
  abortsUploads,
  type Clock,
  dueNoncurrent,
  expiresObjects,
  expiresVersions,
  isDue,
  isMarkerDue,
  isNoncurrentDue,
  isUploadDue,
  type LifecycleDocument,
  type Noncurrent,
} from './lifecycle.ts'
import { listObjects } from './list-objects.ts'
import { listVersions } from './list-versions.ts'
import { isLocked } from './object-lock.ts'
import type { Place } from './place.ts'
import { removeObject } from './remove-object.ts'
import type { RemoveOptions, Standing } from './remove-version.ts'
import { findRecord, placeOf, type Tree } from './tree.ts'
import { abortUpload, listUploads } from './uploads.ts'
import type { ObjectStat, Version } from './verbs.ts'

/** What the rules took away; in a versioned bucket an object that expires is hidden by a delete marker. `versions`: those and markers, for good. */
export type Expired = { readonly objects: number; readonly versions: number; readonly uploads: number }

const AT_ONCE = 8

/**
 * Carries out the lifecycle rules of every bucket. A deletion judges the object again under its key's lock: what was written since it was
 * listed stays. That is done in the name of the bucket's owner, and, where the file system decides as well, with their rights.
 */
export async function expire(tree: Tree, dayMs: number): Promise<Expired> {
  const total = { objects: 0, versions: 0, uploads: 0 }
  for (const name of await listBucketNames(tree.service)) {
    try {
      const expired = await expireIn(tree, name, { nowMs: tree.options.now(), dayMs })
      total.objects += expired.objects
      total.versions += expired.versions
      total.uploads += expired.uploads
    } catch (error) {
      // One bucket whose mount is away keeps no other one from it; one that was deleted meanwhile has no rules.
      if (error instanceof NamespaceError && error.code === 'NoSuchBucket') continue
      tree.options.problems({ kind: 'lifecycle-failed', bucket: name, message: String(error) })
    }
  }
  return total
}

async function expireIn(tree: Tree, name: string, clock: Clock): Promise<Expired> {
  const none = { objects: 0, versions: 0, uploads: 0 }
  // Only PutBucketLifecycleConfiguration writes it.
  const document = (await tree.readDocuments(name)).get('lifecycle')?.() as LifecycleDocument | undefined
  const record = document && (await findRecord(tree, name))
  if (document === undefined || record === undefined) return none
  const posix = await tree.kernel?.posixOf(record.owner)
  if (tree.kernel !== undefined && posix === undefined) {
    const message = `The directory gives the bucket's owner, ${record.owner.displayName}, no uid.`
    tree.options.problems({ kind: 'lifecycle-failed', bucket: name, message })
    return none
  }
  const place = placeOf(tree, record, { caller: record.owner, posix })
  if (place.root.readOnly) return none
  const isVersioned = (await place.versioning()) !== undefined
  return {
    objects: expiresObjects(document) ? await expireObjects(place, document, clock) : 0,
    versions: isVersioned && expiresVersions(document) ? await expireVersions(place, document, clock) : 0,
    uploads: abortsUploads(document) ? await abortUploads(place, document, clock) : 0,
  }
}

async function expireObjects(place: Place, document: LifecycleDocument, clock: Clock): Promise<number> {
  const limit = pLimit(AT_ONCE)
  let count = 0
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = await listObjects(place, { bucket: place.bucket.name, prefix: '', delimiter: '', after, max: 1000 })
    const objects = page.entries.flatMap((entry) => ('object' in entry ? [entry.object] : []))
    const due = objects.filter((object) => isDue(document, object, clock))
    const removed = await Promise.all(due.map(({ key }) => limit(() => expireObject(place, key, document, clock))))
    count += removed.filter(Boolean).length
    after = page.next
  }
  return count
}

async function expireVersions(place: Place, document: LifecycleDocument, clock: Clock): Promise<number> {
  const limit = pLimit(AT_ONCE)
  let count = 0
  for await (const keys of versionsByKey(place)) {
    const removed = await Promise.all(
      keys.map((versions) => limit(() => expireVersionsOf(place, versions, document, clock))),
    )
    count += removed.reduce((sum, each) => sum + each, 0)
  }
  return count
}

/** A page at a time; the versions of one key are together, newest first. */
async function* versionsByKey(place: Place): AsyncGenerator<(readonly Version[])[], void, undefined> {
  const query = { bucket: place.bucket.name, prefix: '', delimiter: '', max: 1000 }
  let open: Version[] = []
  let markers: { readonly keyMarker: string; readonly versionIdMarker: string | undefined } | undefined
  do {
    const { entries, next } = await listVersions(place, { ...query, ...(markers ?? start) })
    const versions = [...open, ...entries.flatMap((entry) => ('prefix' in entry ? [] : [entry]))]
    // The last key may go on in the next page.
    const complete = next === undefined ? versions : versions.filter(({ key }) => key !== next.keyMarker)
    open = versions.slice(complete.length)
    yield [...Map.groupBy(complete, ({ key }) => key).values()]
    markers = next
  } while (markers !== undefined)
}

const start = { keyMarker: '', versionIdMarker: undefined }

/** The oldest first, so that each has as many newer ones when it goes as when it was judged. */
async function expireVersionsOf(
  place: Place,
  versions: readonly Version[],
  document: LifecycleDocument,
  clock: Clock,
): Promise<number> {
  const [latest] = versions
  if (latest === undefined) return 0
  let count = 0
  for (const noncurrent of dueNoncurrent(document, versions, clock)) {
    if (isHeld(noncurrent.version.object, clock)) continue
    const judge = (standing: Standing): void => {
      if (!isStillDue(document, noncurrent, standing, clock)) throw new Spared()
    }
    if (await remove(place, latest.key, noncurrent.version.versionId, { judge })) count += 1
  }
  if (versions.length > 1 || latest.object !== undefined || !isMarkerDue(document, latest, clock)) return count
  const judge = (standing: Standing): void => {
    const isSame = standing.isMarker && isAsOld(standing, latest)
    if (!isSame || standing.newerCount + standing.olderCount > 0) throw new Spared()
  }
  return (await remove(place, latest.key, latest.versionId, { judge })) ? count + 1 : count
}

/** It may be another one of the same id, 'null', or have become current, or have less before it; its tags and lock may be others. */
function isStillDue(
  document: LifecycleDocument,
  { version, successor, newerCount }: Noncurrent,
  standing: Standing,
  clock: Clock,
): boolean {
  if (standing.newerCount < newerCount || !isAsOld(standing, version)) return false
  if (standing.isMarker) return version.object === undefined
  if (isHeld(standing.stat, clock)) return false
  return isNoncurrentDue(document, { version: { ...version, object: standing.stat }, successor, newerCount }, clock)
}

const isAsOld = ({ stat }: Standing, version: Version): boolean =>
  stat.lastModified.getTime() === version.lastModified.getTime()

const isHeld = (object: ObjectStat | undefined, { nowMs }: Clock): boolean =>
  object !== undefined && isLocked(object, { bypassGovernance: false, nowMs })

function expireObject(place: Place, key: string, document: LifecycleDocument, clock: Clock): Promise<boolean> {
  const precondition = (current: ObjectStat | undefined): void => {
    if (current === undefined || !isDue(document, current, clock)) throw new Spared()
  }
  return remove(place, key, undefined, { precondition })
}

/** Thrown under the key's lock: what was to go is another one by now, or has gone. */
class Spared extends Error {}

async function remove(
  place: Place,
  key: string,
  versionId: string | undefined,
  options: RemoveOptions,
): Promise<boolean> {
  try {
    return (await removeObject(place, key, versionId, options)).changed
  } catch (error) {
    if (error instanceof Spared) return false
    // One object that cannot be removed keeps no other one from it.
    place.options.problems({ kind: 'lifecycle-failed', bucket: place.bucket.name, message: String(error) })
    return false
  }
}

/** An upload that is completed or aborted meanwhile is no upload any more, which abortUpload finds out under its lock. */
async function abortUploads(place: Place, document: LifecycleDocument, clock: Clock): Promise<number> {
  let count = 0
  for (const upload of await listUploads(place, '')) {
    if (!isUploadDue(document, upload, clock)) continue
    try {
      await abortUpload(place, upload.key, upload.uploadId)
      count += 1
    } catch (error) {
      if (error instanceof NamespaceError && error.code === 'NoSuchUpload') continue
      place.options.problems({ kind: 'lifecycle-failed', bucket: place.bucket.name, message: String(error) })
    }
  }
  return count
}
