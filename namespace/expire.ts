import pLimit from 'p-limit'
import { listBucketNames } from './bucket-store.ts'
import { NamespaceError } from './errors.ts'
import { abortsUploads, type Clock, expiresObjects, isDue, isUploadDue, type LifecycleDocument } from './lifecycle.ts'
import { listObjects } from './list-objects.ts'
import type { Place } from './place.ts'
import { removeObject } from './remove-object.ts'
import { findRecord, placeOf, type Tree } from './tree.ts'
import { abortUpload, listUploads } from './uploads.ts'
import type { ObjectStat } from './verbs.ts'

/** What the rules took away; in a versioned bucket an object that expires is hidden by a delete marker. */
export type Expired = { readonly objects: number; readonly uploads: number }

const AT_ONCE = 8

/**
 * Carries out the lifecycle rules of every bucket. A deletion judges the object again under its key's lock: what was written since it was
 * listed stays. That runs as the service, in the name of the bucket's owner.
 */
export async function expire(tree: Tree, dayMs: number): Promise<Expired> {
  const total = { objects: 0, uploads: 0 }
  for (const name of await listBucketNames(tree.service)) {
    try {
      const expired = await expireIn(tree, name, { nowMs: tree.options.now(), dayMs })
      total.objects += expired.objects
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
  const none = { objects: 0, uploads: 0 }
  // Only PutBucketLifecycleConfiguration writes it.
  const document = (await tree.readDocuments(name)).get('lifecycle')?.() as LifecycleDocument | undefined
  const record = document && (await findRecord(tree, name))
  if (document === undefined || record === undefined) return none
  const place = placeOf(tree, record, record.owner)
  if (place.root.readOnly) return none
  return {
    objects: expiresObjects(document) ? await expireObjects(place, document, clock) : 0,
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

/** Thrown under the key's lock: the object is another one by now, or has gone. */
class Spared extends Error {}

async function expireObject(place: Place, key: string, document: LifecycleDocument, clock: Clock): Promise<boolean> {
  const precondition = (current: ObjectStat | undefined): void => {
    if (current === undefined || !isDue(document, current, clock)) throw new Spared()
  }
  try {
    return (await removeObject(place, key, undefined, { precondition })).changed
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
