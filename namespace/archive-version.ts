import { ownersCalls } from './acting-calls.ts'
import { isSame } from './fence.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls, Found, Stat } from './files.ts'
import { findObject, type Located } from './find-object.ts'
import { entryPath, readHistory } from './find-version.ts'
import { frozenRecord } from './frozen-record.ts'
import { type History, type Identity, identityOf, listEntries, versionsDirectory } from './history.ts'
import { join, parentOf, recordAttribute, temporaryName, transit } from './layout.ts'
import { requireNotLinkedElsewhere } from './linked-file.ts'
import { cleanUp } from './no-answer.ts'
import { requireOwnTransit } from './own-transit.ts'
import { type Place, requireBucket, seenByService, within } from './place.ts'
import type { StoredRecord } from './record.ts'
import { noRoomForAttribute } from './record-store.ts'
import type { VersioningDocument } from './verbs.ts'
import { makeVersionId, nullVersion, type VersionEntry, versionName } from './version-name.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/** A key as a versioned writer finds it, under the key's exclusive lock, once what a crash left is gone. */
export type Settled = { readonly current: Located | undefined; readonly history: History }

/**
 * First thing of each versioned write: what is uncommitted goes, and what is committed says so, so that no later write can make it look otherwise.
 *
 * Only what has a name of its own for ever (a marker, a null version that was replaced): a writer whose lock was lost may do this late.
 */
export async function settle(place: Place, key: string): Promise<Settled> {
  await requireOwnTransit(place)
  const current = await findObject(seenByService(place), key)
  const history = await readHistory(place, key, current)
  // Two looks, between which a lock can be lost: the one must be of what the other is of.
  if (place.root.locksExpire) await requireSameCurrent(place, key, current)
  // The oldest first: of two null versions the newer one counts for as long as it is there.
  for (const entry of history.void.toReversed()) await unlinkEntry(place, key, entry.name)
  const pending = history.older.filter(({ isPending }) => isPending)
  for (const entry of pending) await renameMarker(place, key, entry, '-marker')
  if (history.void.length + pending.length > 0 && place.options.flush) await flushVersions(place, key)
  return { current, history: pending.length === 0 ? history : await readHistory(place, key, current) }
}

/** What comes next. In a suspended bucket it is the null version. */
export function nextIdentity(place: Place, status: VersioningDocument['status'], orderMin: number): Identity {
  const order = Math.max(place.options.now(), orderMin)
  const versionId = status === 'Enabled' ? makeVersionId(order, place.options.nonce()) : nullVersion
  return { versionId, order, isCertain: true }
}

/**
 * Gives the current version a second name in `.s3/versions`, before it is replaced or removed: until that happens readers take this for the version
 * itself. Answers the order that the next version must have at least. Throws AccessDenied for a file that may be somebody else's, which must get no
 * record (linked-file.ts).
 */
export async function archive(place: Place, key: string, current: Located, history: History): Promise<number> {
  await requireNotLinkedElsewhere(place, key, current)
  const identity = await settledIdentity(place, key, current, history)
  const name = versionName(identity, '')
  await inVersions(place, key, async () => {
    if (current.kind === 'directory') await archiveDirectory(place, key, current, identity, name)
    else await linkFile(place, key, current, name)
  })
  return Math.max(history.orderMin, identity.order + 1)
}

/**
 * The id and order that the current version has from now on. Its own, where they are certain and no other version's: a file user may have put a
 * copy of an older version there, or dropped a file of last year over the null version. Then it is a version of its own.
 */
async function settledIdentity(place: Place, key: string, current: Located, history: History): Promise<Identity> {
  const own = identityOf(current)
  const others = [...history.older, ...history.hidden]
  const isFree =
    others.every(({ order, versionId }) => order < own.order && versionId !== own.versionId) &&
    (await isSameFile(place, key, current, history))
  const order = Math.max(place.options.now(), history.orderMin)
  const identity = isFree ? own : { versionId: makeVersionId(order, place.options.nonce()), order, isCertain: true }
  if (current.kind !== 'directory' && (!isFree || current.stat.foreign)) await freeze(place, current, identity)
  return identity
}

async function isSameFile(place: Place, key: string, current: Located, { own }: History): Promise<boolean> {
  if (current.kind === 'directory') return true
  for (const { name } of own) {
    const stat = await place.service.statPath(entryPath(place, key, name))
    if (stat !== undefined && stat.inode !== current.found.stat.inode && !isCloneOf(stat, current)) return false
  }
  return true
}

/** Of a protected version (version-clone.ts), whose plain copy is as it was published. */
const isCloneOf = (stat: Stat, { found, stat: { retention, legalHold } }: Located): boolean =>
  (retention !== undefined || legalHold !== undefined) &&
  stat.sizeBytes === found.stat.sizeBytes &&
  stat.mtimeNs === found.stat.mtimeNs

/**
 * What S3 has said of a file user's file until now is written down: a second link changes ctime, and with it a foreign ETag. The same for a file
 * that was rewritten in place.
 */
async function freeze(place: Place, current: Located, { versionId, order }: Identity): Promise<void> {
  const { path, found } = current
  const record: StoredRecord = { ...frozenRecord(current), versionId, order }
  // An attribute is written by right to the file, not by the descriptor.
  const descriptor = await place.service.open(path, 'read')
  try {
    // Another file by now (a file user's rename): it is not linked (requireLinked).
    if ((await place.service.stat(descriptor)).inode !== found.stat.inode) return
    await noteRecord(place, descriptor, record, found)
    if (place.options.flush) await place.service.flush(descriptor)
  } finally {
    await place.service.close(descriptor)
  }
}

/**
 * On a file that is another user's than who may replace it here, as its owner, or, where they may not write it either and nothing is noted there yet, in a
 * side-car.
 */
async function noteRecord(
  place: Place,
  descriptor: number,
  record: StoredRecord,
  { stat, attribute }: Found,
): Promise<void> {
  try {
    return await writeRecord(place, descriptor, record, stat)
  } catch (error) {
    const owners = place.posix && ownersCalls(place.root.files, stat)
    if (place.posix === undefined || !isErrno(error, 'EACCES', 'EPERM')) throw error
    try {
      if (owners !== undefined) return await writeRecord({ ...place, service: owners }, descriptor, record, stat)
    } catch (again) {
      if (!isErrno(again, 'EACCES', 'EPERM')) throw again
    }
    if (attribute !== undefined) throw error
    await place.records.writeSidecar(record, stat)
  }
}

async function writeRecord(place: Place, descriptor: number, record: StoredRecord, stat: Stat): Promise<void> {
  const value = await place.records.prepare(record, stat)
  try {
    if (value === undefined) await place.service.removeAttribute(descriptor, recordAttribute)
    else await place.service.writeAttribute(descriptor, recordAttribute, value)
  } catch (error) {
    if (!noRoomForAttribute(error)) throw error
    await place.records.writeSidecar(record, stat)
    await place.service.removeAttribute(descriptor, recordAttribute)
  }
}

async function linkFile(place: Place, key: string, current: Located, name: string): Promise<void> {
  const target = entryPath(place, key, name)
  try {
    await place.service.link(current.path, target)
    await requireLinked(place, key, current, name)
  } catch (error) {
    // By a write that was cut off: settledIdentity has seen that it is the same file.
    if (isErrno(error, 'EEXIST')) return
    if (!isErrno(error, 'EXDEV')) throw error
    await copyVersion(place, current, target)
  }
}

/** Another file may have come to that path, by a file user or because a lock was lost: it must not stay under this one's name. */
async function requireLinked(place: Place, key: string, { found }: Located, name: string): Promise<void> {
  const linked = await place.service.statPath(entryPath(place, key, name))
  if (linked?.inode === found.stat.inode) return
  await unlinkEntry(place, key, name)
  throw writtenBySomebodyElse()
}

/** A mount inside the bucket: the bytes are copied, with time and record. Throws SlowDown where another file has come to that path. */
export async function copyVersion(
  place: Place,
  { path, found, record: read }: Pick<Located, 'path' | 'found' | 'record'>,
  target: string,
  shape?: { readonly mode: number; readonly replace: boolean },
): Promise<void> {
  const { service } = place
  const source = await service.open(path, 'read')
  try {
    if ((await service.stat(source)).inode !== found.stat.inode) throw writtenBySomebodyElse()
    const fill = (descriptor: number) => service.copyRange(source, 0, descriptor, 0, found.stat.sizeBytes)
    // What it is a copy of may stand for a user's file; the copy is one itself.
    const { posix, ...record } = read?.record ?? {}
    await writeNew(place, service, target, found.stat.mtimeNs, read && (record as StoredRecord), fill, shape)
  } finally {
    await service.close(source)
  }
}

/** The record on a directory becomes that of an empty file. */
function archiveDirectory(
  place: Place,
  key: string,
  { record: read, stat }: Located,
  identity: Identity,
  name: string,
): Promise<void> {
  const { made, lastModifiedMs, ...rest } = read?.record ?? {}
  const mtimeNs = BigInt(stat.lastModified.getTime()) * 1_000_000n
  const record: StoredRecord = {
    ...rest,
    v: 1,
    kind: 'object',
    sizeBytes: 0,
    mtimeNs: mtimeNs.toString(),
    eTag: stat.eTag,
    owner: stat.owner,
    headers: stat.headers,
    metadata: stat.metadata,
    versionId: identity.versionId,
    order: identity.order,
  }
  return writeNew(place, place.service, entryPath(place, key, name), mtimeNs, record, async () => undefined)
}

/** A delete marker, whole before it has its name. It is pending: see VersionEntry. */
export async function writeMarker(
  place: Place,
  key: string,
  identity: Identity,
  owner: StoredRecord['owner'],
): Promise<void> {
  const { versionId, order } = identity
  const mtimeNs = BigInt(place.options.now()) * 1_000_000n
  const record: StoredRecord = {
    v: 1,
    kind: 'marker',
    sizeBytes: 0,
    mtimeNs: mtimeNs.toString(),
    eTag: '',
    owner,
    headers: {},
    metadata: {},
    versionId,
    order,
  }
  const target = entryPath(place, key, versionName(identity, '-pending'))
  await inVersions(place, key, () => writeNew(place, place.service, target, mtimeNs, record, async () => undefined))
}

/** A file of the service's own, whole before it has its name. */
export async function writeNew(
  place: Place,
  calls: FileCalls,
  target: string,
  mtimeNs: bigint,
  record: StoredRecord | undefined,
  fill: (descriptor: number) => Promise<unknown>,
  { mode, replace } = { mode: 0o600, replace: true },
): Promise<void> {
  const { options } = place
  const temporary = join(parentOf(target), temporaryName(options.now(), options.nonce()))
  const descriptor = await calls.create(temporary, mode, true)
  try {
    await fill(descriptor)
    await calls.setModified(descriptor, mtimeNs)
    if (record !== undefined)
      await writeRecord(place, descriptor, record, { ...(await calls.stat(descriptor)), mtimeNs })
    const steps = { mtimeNs, flushFile: options.flush, flushDirectory: options.flush, replace }
    await calls.publish(descriptor, temporary, target, steps)
  } catch (error) {
    await cleanUp(() => calls.unlink(temporary))
    throw error
  } finally {
    await calls.close(descriptor)
  }
}

/** Runs `work` with the key's directory of versions there: another key's removal may prune it just then. */
export async function inVersions(place: Place, key: string, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work()
      break
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
      await requireBucket(place)
      // What is to be archived has gone: by a file user, or by somebody who had the lock that was lost here.
      if (attempt === 20) throw writtenBySomebodyElse(error)
      await makeVersionsDirectory(place, key)
    }
  }
  if (place.options.flush) await flushVersions(place, key)
}

async function makeVersionsDirectory(place: Place, key: string): Promise<void> {
  const names = versionsDirectory(key).split('/')
  for (const index of names.keys()) {
    if (index === 0) continue
    const path = within(place, names.slice(0, index + 1).join('/'))
    try {
      const isMade = await place.service.makeDirectory(path, 0o700)
      if (isMade && place.options.flush) await place.service.flushDirectory(parentOf(path))
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      return
    }
  }
}

/** Names that came, went or changed among a key's versions are lasting. */
export async function flushVersions(place: Place, key: string): Promise<void> {
  await place.service.flushDirectory(within(place, versionsDirectory(key))).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
}

/** Gives a marker its other name. false: it has gone, or somebody else has done this. */
export async function renameMarker(
  place: Place,
  key: string,
  marker: Pick<VersionEntry, 'order' | 'versionId'>,
  state: '-marker' | '-pending',
): Promise<boolean> {
  const path = (of: '-marker' | '-pending'): string => entryPath(place, key, versionName(marker, of))
  try {
    await place.service.rename(path(state === '-marker' ? '-pending' : '-marker'), path(state))
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

/**
 * Where a lock was lost: the current version no longer is the one that was found, or another writer has made a version or marker since, so that the
 * next one would get a place among the versions that is not the newest. `name`: its own, where it lies among them already. Throws SlowDown.
 */
export async function requireStanding(
  place: Place,
  key: string,
  current: Located | undefined,
  next: { readonly order: number; readonly name?: string },
): Promise<void> {
  await requireSameCurrent(place, key, current)
  const entries = await listEntries(place, key)
  if (entries.some(({ order, name }) => order >= next.order && name !== next.name)) throw writtenBySomebodyElse()
}

async function requireSameCurrent(place: Place, key: string, current: Located | undefined): Promise<void> {
  const now = await findObject(seenByService(place), key)
  const isSameKind = now?.kind === current?.kind
  if (now === undefined || current === undefined) {
    if (!isSameKind) throw writtenBySomebodyElse()
    return
  }
  if (!isSameKind || (now.kind !== 'directory' && !isSame(now.found.stat, current.found.stat)))
    throw writtenBySomebodyElse()
}

/** The null versions and markers of before, once there is another one. The oldest first: see settle. */
export async function removeNulls(place: Place, key: string, { older, hidden, above, own }: History): Promise<void> {
  const nulls = [...older, ...hidden, ...above, ...own].filter(({ versionId }) => versionId === nullVersion)
  for (const { name } of nulls.toSorted((a, b) => a.order - b.order)) await unlinkEntry(place, key, name)
  if (nulls.length > 0 && place.options.flush) await flushVersions(place, key)
}

/** false: it was not there. */
export async function unlinkEntry(place: Place, key: string, name: string): Promise<boolean> {
  const isRemoved = await place.service.unlink(entryPath(place, key, name))
  return isRemoved
}

/** The directories of versions that are empty now. Never fails a request. */
export async function pruneVersions(place: Place, key: string): Promise<void> {
  const top = within(place, transit.versions)
  for (let path = within(place, versionsDirectory(key)); path !== top; path = parentOf(path)) {
    if (!(await place.service.removeDirectory(path).catch(() => false))) return
  }
}
