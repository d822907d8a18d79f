import { archive, nextIdentity, removeNulls, requireStanding, settle } from './archive-version.ts'
import { makeDirectories } from './directories.ts'
import { removeDirectoryObject, writeDirectoryObject } from './directory-object.ts'
import { NamespaceError } from './errors.ts'
import { armedPaths, fence, withArmed } from './fence.ts'
import { isErrno } from './file-errors.ts'
import type { Stat } from './files.ts'
import { findObject, type Located } from './find-object.ts'
import { type Identity, identityOf } from './history.ts'
import type { Held, LockMode } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { parentOf, recordAttribute } from './layout.ts'
import { objectStat } from './object-stat.ts'
import { type Place, requireBucket, seenByService, within } from './place.ts'
import { publicationTimes } from './publication-times.ts'
import type { StoredRecord } from './record.ts'
import { noRoomForAttribute } from './record-store.ts'
import type { Temporary } from './temporary.ts'
import type { Amendable, ObjectStat, Precondition, VersioningDocument } from './verbs.ts'
import { cloneVersion, isProtected } from './version-clone.ts'
import { nullVersion } from './version-name.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/** What a record says beyond what publishing itself knows (size, mtime, owner). */
export type Content = Pick<StoredRecord, 'eTag' | 'headers' | 'metadata'> &
  Partial<
    Pick<
      StoredRecord,
      keyof Amendable | 'checksum' | 'parts' | 'partChecksums' | 'uploadId' | 'owner' | 'versionId' | 'order'
    >
  >

export type Publication = {
  readonly key: string
  readonly temporary: Temporary
  readonly content: Content
  readonly precondition?: Precondition | undefined
  /** Default: now. */
  readonly lastModifiedMs?: number | undefined
  /** Called under the lock, when no precondition can refuse any more, with the paths that the temporary may have from then on, and the id. */
  readonly beforeRename?: (temporaryPaths: readonly string[], versionId: string | undefined) => Promise<void>
}

/** `consumed`: the temporary is the object now. Otherwise it is still there, for the caller to take away. */
export type Published = { readonly stat: ObjectStat; readonly consumed: boolean }

/**
 * The only way an object becomes visible: bytes are in the temporary → mtime → record → flush → rename over the plain path (or link, where
 * nothing may be there) → flush of the directory. A reader sees the old object or the new one, whole, with its own headers.
 *
 * Closes nothing and, when it throws, leaves the temporary to the caller.
 */
export async function publish(place: Place, publication: Publication): Promise<Published> {
  const { key, precondition } = publication
  const mode: LockMode = precondition === undefined && !key.endsWith('/') ? 'shared' : 'exclusive'
  const done = await place.locks.hold(key, mode, (held) => publishLocked(place, publication, mode, held))
  if (done !== undefined) return done
  // A directory stands at the plain path: only an exclusive writer may touch the alias.
  const again = (held: Held) => publishLocked(place, publication, 'exclusive', held)
  return requireDone(await place.locks.hold(key, 'exclusive', again))
}

export const requireDone = (published: Published | undefined): Published => {
  if (published === undefined) throw writtenBySomebodyElse()
  return published
}

/** With the key's lock held by the caller. undefined: it takes the exclusive lock. */
export async function publishLocked(
  place: Place,
  publication: Publication,
  mode: LockMode,
  held: Held,
): Promise<Published | undefined> {
  const { path, alias, directory } = keyPath(publication.key)
  const versioning = await place.versioning()
  // What is replaced there is kept: only an exclusive writer may look at it, and then replace it.
  if (versioning !== undefined && mode === 'shared') return undefined
  await fence(place, publication.key)
  // A file user may create the file between check and link: the precondition is asked again, of that file.
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const version = versioning && (await prepareVersion(place, publication, versioning))
    const current = version === undefined ? await judged(place, publication) : version.current
    const isFile = current !== undefined && current.kind !== 'directory'
    const replace = version === undefined ? publication.precondition === undefined || current !== undefined : isFile
    const show = visibly(place, publication, { current, identity: version?.identity }, held)
    await publication.beforeRename?.(show.temporaryPaths, version?.told)
    // Bytes of before, plain or aside, win every look-up over a record on the directory: what replaces them is a file as well.
    if (directory !== undefined && version === undefined && !isFile) {
      const stat = await publishDirectory(place, publication)
      if (stat !== undefined) return { stat, consumed: false }
    }
    const prepared = await prepareRecord(place, publication, version?.identity)
    try {
      const stat = await show.at(path, prepared, replace)
      if (directory !== undefined) await removeDirectoryObject(place, publication.key)
      return { stat: (await version?.end(stat, prepared.record)) ?? stat, consumed: true }
    } catch (error) {
      if (!(await isDirectory(place, path, error))) {
        if (!replace && isErrno(error, 'EEXIST')) continue
        // A directory was in the way, and went with its last file before it could be looked at.
        if (isErrno(error, 'EISDIR')) continue
        throw await explained(place, error)
      }
    }
    if (mode === 'shared') return undefined
    if (parentOf(alias) !== parentOf(path)) await makeDirectories(place, publication.key, parentOf(alias))
    const stat = await show.at(alias, prepared, true)
    if (directory !== undefined) await removeDirectoryObject(place, publication.key)
    return { stat: (await version?.end(stat, prepared.record)) ?? stat, consumed: true }
  }
  throw writtenBySomebodyElse()
}

/** What a publication in a versioned bucket replaces has been archived, and what it will be. */
type Versioned = {
  readonly current: Located | undefined
  readonly identity: Identity
  /** The id that the client hears of: of a null version none (P-169). */
  readonly told: string | undefined
  /** After the commit. */
  readonly end: (stat: ObjectStat, record: StoredRecord) => Promise<ObjectStat>
}

async function prepareVersion(
  place: Place,
  { key, temporary, precondition }: Publication,
  status: VersioningDocument['status'],
): Promise<Versioned> {
  const { current, history } = await settle(place, key)
  precondition?.(current?.stat)
  // The null version of a suspended bucket is replaced by the next one.
  const isKept = current !== undefined && (status === 'Enabled' || identityOf(current).versionId !== nullVersion)
  const orderMin = isKept ? await archive(place, key, current, history) : history.orderMin
  const identity = nextIdentity(place, status, orderMin)
  const told = identity.versionId === nullVersion ? undefined : identity.versionId
  const end = async (stat: ObjectStat, record: StoredRecord): Promise<ObjectStat> => {
    if (isProtected(record)) await cloneVersion(place, key, identity, { descriptor: temporary.descriptor, record })
    if (told === undefined) await removeNulls(place, key, history)
    return { ...stat, versionId: told }
  }
  return { current, identity, told, end }
}

/** The current object, looked up where the precondition or a directory's key asks for it; the precondition throws. */
async function judged(place: Place, { key, precondition }: Publication): Promise<Located | undefined> {
  if (precondition === undefined && !key.endsWith('/')) return undefined
  const current = await findObject(seenByService(place), key)
  precondition?.(current?.stat)
  return current
}

/** Under the exclusive lock. undefined: it is a file after all, since it has bytes or its record no room on the directory. */
async function publishDirectory(
  place: Place,
  { key, temporary, content, lastModifiedMs }: Publication,
): Promise<ObjectStat | undefined> {
  const { sizeBytes } = await place.calls.stat(temporary.descriptor)
  if (sizeBytes > 0) return undefined
  const now = lastModifiedMs ?? place.options.now()
  const fixed = { v: 1, kind: 'directory', sizeBytes, mtimeNs: '', lastModifiedMs: now } as const
  return writeDirectoryObject(place, key, { ...fixed, owner: ownerOf(place), ...content })
}

type Prepared = { readonly record: StoredRecord; readonly attribute: Buffer | undefined; readonly stat: Stat }

async function prepareRecord(
  place: Place,
  { temporary, content, lastModifiedMs }: Publication,
  identity: Identity | undefined,
): Promise<Prepared> {
  const nowMs = lastModifiedMs ?? place.options.now()
  const granularityNs = place.root.capabilities.timeGranularityNs
  const stat = await place.calls.stat(temporary.descriptor)
  const record: StoredRecord = {
    v: 1,
    kind: 'object',
    sizeBytes: stat.sizeBytes,
    ...(await publicationTimes(place.calls, temporary.descriptor, { nowMs, granularityNs })),
    owner: ownerOf(place),
    ...content,
    ...(identity && { versionId: identity.versionId }),
    // An id says it itself.
    ...(identity?.versionId === nullVersion && { order: identity.order }),
  }
  return { record, attribute: await place.records.prepare(record, stat), stat }
}

export const ownerOf = (place: Place): StoredRecord['owner'] =>
  place.caller === undefined
    ? place.bucket.owner
    : { canonicalId: place.caller.canonicalId, displayName: place.caller.displayName }

/**
 * How a temporary becomes visible: at once, or, where something was looked at that is to be replaced, armed (fence.ts). A link, which asks for the
 * absence of the name by itself, needs that only where the new version's place among the others was looked up; on NFS the armed directory may
 * outlive it then, empty, until the key's next writer: the client keeps a second name of the open file in it.
 */
function visibly(
  place: Place,
  publication: Publication,
  { current, identity }: { readonly current: Located | undefined; readonly identity: Identity | undefined },
  held: Held,
) {
  const { key, temporary, precondition } = publication
  const atOnce = (path: string, prepared: Prepared, replace: boolean): Promise<ObjectStat> =>
    makeVisible(place, key, temporary, prepared, path, replace)
  if (!place.root.locksExpire || (precondition === undefined && identity === undefined)) {
    return { temporaryPaths: [temporary.path], at: atOnce }
  }
  const armed = armedPaths(place, key, temporary.path)
  const judge = async (): Promise<void> => {
    if (identity !== undefined) return requireStanding(place, key, current, { order: identity.order })
    const now = await judged(place, publication)
    // The precondition holds, but of another object, or of none: `replace` was decided for that one.
    if ((now === undefined) !== (current === undefined)) throw writtenBySomebodyElse()
  }
  return {
    temporaryPaths: [temporary.path, armed.path, armed.fencedPath],
    at: (path: string, prepared: Prepared, replace: boolean): Promise<ObjectStat> =>
      replace || identity !== undefined
        ? withArmed(place, { temporary: temporary.path, armed, held }, judge, () =>
            makeVisible(place, key, { ...temporary, path: armed.path }, prepared, path, replace),
          )
        : atOnce(path, prepared, replace),
  }
}

async function makeVisible(
  place: Place,
  key: string,
  temporary: Temporary,
  { record, attribute, stat }: Prepared,
  path: string,
  replace: boolean,
): Promise<ObjectStat> {
  const steps = {
    mtimeNs: BigInt(record.mtimeNs),
    flushFile: place.options.flush,
    flushDirectory: place.options.flush,
    replace,
  }
  const target = within(place, path)
  const run = (value: Buffer | undefined): Promise<Stat> =>
    place.calls.publish(temporary.descriptor, temporary.path, target, {
      ...steps,
      ...(value === undefined ? {} : { attribute: { name: recordAttribute, value } }),
    })
  let published: Stat
  try {
    published = await run(attribute)
  } catch (error) {
    if (!noRoomForAttribute(error)) throw error
    await place.records.writeSidecar(record, stat)
    published = await run(undefined)
  }
  // What was published, not what a file user may have made of it since.
  const own = { ...published, sizeBytes: record.sizeBytes, mtimeNs: BigInt(record.mtimeNs) }
  return objectStat(place.bucket.name, key, own, { record, trusted: true })
}

/** ENOENT here means that the target's directory went away with its bucket, or that the temporary was swept or removed by a file user. */
async function explained(place: Place, error: unknown): Promise<unknown> {
  if (!isErrno(error, 'ENOENT')) return error
  await requireBucket(place)
  return new NamespaceError('SlowDown', { message: 'The directory of the key went away while it was written.' }, error)
}

/** What rename and link say when a directory has the target's name. */
const takenByDirectory = ['EISDIR', 'EEXIST', 'ENOTEMPTY', 'ENOTDIR'] as const

async function isDirectory(place: Place, path: string, error: unknown): Promise<boolean> {
  if (!isErrno(error, ...takenByDirectory)) return false
  return (await place.calls.statPath(within(place, path)))?.type === 'directory'
}
