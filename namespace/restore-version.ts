import { copyVersion, flushVersions, renameMarker, requireStanding } from './archive-version.ts'
import { makeDirectories } from './directories.ts'
import { removeDirectoryObject } from './directory-object.ts'
import { armedPaths, isSame, withArmed } from './fence.ts'
import { isErrno } from './file-errors.ts'
import { findObject, type Located } from './find-object.ts'
import type { LocatedVersion } from './find-version.ts'
import type { Held } from './key-lock.ts'
import { keyPath } from './key-path.ts'
import { join, parentOf, temporaryName } from './layout.ts'
import { cleanUp } from './no-answer.ts'
import { type Place, seenByService, within } from './place.ts'
import { isProtected } from './version-clone.ts'
import { type VersionEntry, versionName } from './version-name.ts'
import { writtenBySomebodyElse } from './written-by-somebody-else.ts'

/**
 * An older version becomes the current one again, in place of one that is removed for good: it is renamed over that one, which is the commit. It
 * keeps its name among the versions, as one that was archived does. Under the key's exclusive lock.
 */
export async function restoreOver(
  place: Place,
  key: string,
  version: LocatedVersion,
  current: Located,
  held: Held,
): Promise<void> {
  // A directory's record has no file to be renamed over.
  const target = current.kind === 'directory' ? within(place, keyPath(key).path) : current.path
  const temporary = await secondFile(place, version, target).catch((error: unknown) => {
    throw isErrno(error, 'ENOENT') ? writtenBySomebodyElse(error) : error
  })
  try {
    if (place.root.locksExpire) {
      const armed = armedPaths(place, key, temporary)
      const judge = async (): Promise<void> => {
        await requireSame(place, key, current)
        await requireThere(place, version)
      }
      await withArmed(place, { temporary, armed, held }, judge, () => place.service.rename(armed.path, target))
    } else await place.service.rename(temporary, target)
  } catch (error) {
    await cleanUp(() => place.service.unlink(temporary))
    throw error
  }
  if (place.options.flush) await place.service.flushDirectory(parentOf(target))
  if (current.kind === 'directory') await removeDirectoryObject(place, key)
}

/**
 * An older version becomes the current one again, from behind the marker that hides it: the marker is pending from now on, and the commit is the link
 * that gives the version the plain path. The marker stays, for the caller to take away. Under the key's exclusive lock. false: nothing has
 * happened, since the directory of the key is not there.
 */
export async function restoreBehind(
  place: Place,
  key: string,
  marker: VersionEntry,
  version: LocatedVersion,
  held: Held,
): Promise<boolean> {
  if (!(await renameMarker(place, key, marker, '-pending'))) throw writtenBySomebodyElse()
  // Before the link: a loss of power must not leave the version back, and the marker lasting.
  if (place.options.flush) await flushVersions(place, key)
  const name = versionName(marker, '-pending')
  const judge = async (): Promise<void> => {
    await requireStanding(place, key, undefined, { order: marker.order, name })
    await requireThere(place, version)
  }
  let target: string | undefined
  try {
    target = await linkPlain(place, key, version, { judge, held })
  } finally {
    if (target === undefined) await renameMarker(place, key, marker, '-marker')
  }
  if (target !== undefined && place.options.flush) await place.service.flushDirectory(parentOf(target))
  return target !== undefined
}

type Turn = { readonly judge: () => Promise<void>; readonly held: Held }

/** Answers the path: the plain one, or, where that is a directory's, the alias. undefined: the directory of the key is not there. */
async function linkPlain(place: Place, key: string, version: LocatedVersion, turn: Turn): Promise<string | undefined> {
  const { path, alias } = keyPath(key)
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const isTaken = (await place.calls.statPath(within(place, path)))?.type === 'directory'
    if (isTaken && parentOf(alias) !== parentOf(path)) await makeDirectories(place, key, parentOf(alias))
    const target = within(place, isTaken ? alias : path)
    try {
      await linkSecondFile(place, key, version, target, turn)
      return target
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      if (!isErrno(error, 'EEXIST')) throw error
    }
  }
  throw writtenBySomebodyElse()
}

/** Throws EEXIST. Where locks can be lost by an armed name, which the next writer takes away: a link of what is not there any more says ENOENT. */
async function linkSecondFile(
  place: Place,
  key: string,
  version: LocatedVersion,
  target: string,
  { judge, held }: Turn,
): Promise<void> {
  const temporary = await secondFile(place, version, target)
  try {
    if (!place.root.locksExpire) return await place.service.link(temporary, target)
    const armed = armedPaths(place, key, temporary)
    await withArmed(place, { temporary, armed, held }, judge, async () => {
      await place.service.link(armed.path, target)
      await place.service.rename(armed.path, temporary)
    })
  } finally {
    await cleanUp(() => place.service.unlink(temporary))
  }
}

/**
 * A temporary beside `target` that is the version: a link, or a copy, where it lies on a mount of its own, and of a protected one: whoever may write
 * the plain file must not write the version.
 */
async function secondFile(place: Place, version: LocatedVersion, target: string): Promise<string> {
  const temporary = join(parentOf(target), temporaryName(place.options.now(), place.options.nonce()))
  const copied = (): Promise<void> => copyVersion(place, version, temporary, { mode: 0o666, replace: true })
  if (isProtected(version.stat)) {
    await copied()
    return temporary
  }
  try {
    await place.service.link(version.path, temporary)
  } catch (error) {
    if (!isErrno(error, 'EXDEV')) throw error
    await copied()
  }
  return temporary
}

async function requireSame(place: Place, key: string, current: Located): Promise<void> {
  const now = await findObject(seenByService(place), key)
  if (now?.kind !== current.kind || (now.kind !== 'directory' && !isSame(now.found.stat, current.found.stat)))
    throw writtenBySomebodyElse()
}

/** Not removed for good by whoever had the lock that was lost. */
async function requireThere(place: Place, { path }: LocatedVersion): Promise<void> {
  if ((await place.service.statPath(path)) === undefined) throw writtenBySomebodyElse()
}
