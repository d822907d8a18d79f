import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import { FileError } from './files.ts'
import { directoryRecord } from './find-object.ts'
import { keyPath } from './key-path.ts'
import { parentOf, recordAttribute } from './layout.ts'
import { isForeignETag } from './object-stat.ts'
import { type Place, requireBucket, within } from './place.ts'
import { isMade, madeMark } from './record.ts'

/**
 * S3 makes and removes directories as needed, and removes only empty ones that it made itself (they carry a mark).
 * Paths are relative to the bucket here.
 */

/** Makes `directory` and what lies above it. A file written over S3 that stands in the way steps aside. */
export async function makeDirectories(place: Place, key: string, directory: string): Promise<void> {
  const names = directory.split('/')
  if (names.length > place.options.directoriesMax) {
    throw new NamespaceError('InvalidRequest', {
      message: `The key needs ${names.length} directories; this gateway makes at most ${place.options.directoriesMax} for one key.`,
    })
  }
  // PUT a/b/c finds the directory a; DELETE a/x, the last one in it, prunes a (or puts the object a back in its place); then there is
  // nothing to make a/b in: from the top again.
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const index of names.keys()) await makeOne(place, key, names.slice(0, index + 1).join('/'))
      return
    } catch (error) {
      if (attempt === 20 || !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
      await requireBucket(place)
    }
  }
}

async function makeOne(place: Place, key: string, path: string): Promise<void> {
  const full = within(place, path)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      if (await place.calls.makeDirectory(full, 0o777)) await mark(place, path, prefixOf(key, path))
      return
    } catch (error) {
      if (isErrno(error, 'ELOOP')) throw standsInTheWay(place, path)
      if (!isErrno(error, 'EEXIST')) throw error
      await stepAside(place, key, path)
    }
  }
  throw standsInTheWay(place, path)
}

/**
 * Under the lock of the directory's own key: between mkdir and mark another worker may have put the object `dir/` there, and a mark over
 * its record would be the end of an acknowledged object. `prefix` undefined: a link of a chain, which is no key.
 */
async function mark(place: Place, path: string, prefix: string | undefined): Promise<void> {
  const full = within(place, path)
  if (place.root.capabilities.attributeBytesMax > 0) {
    if (prefix === undefined) await writeMark(place, full)
    else await place.locks.hold(`${prefix}/`, 'exclusive', () => writeMark(place, full))
  }
  if (place.options.flush) await place.calls.flushDirectory(parentOf(full))
}

async function writeMark(place: Place, full: string): Promise<void> {
  const descriptor = await place.calls.open(full, 'directory')
  try {
    const there = directoryRecord(place, await place.calls.readAttribute(descriptor, recordAttribute))
    const value = there?.trusted === true ? place.records.encode({ ...there.record, made: true }) : madeMark
    await place.calls.writeAttribute(descriptor, recordAttribute, value)
    if (place.options.flush) await place.calls.flush(descriptor)
  } finally {
    await place.calls.close(descriptor)
  }
}

/**
 * The file at `path` makes room for a directory of its name: rename to its alias, then mkdir, under its key's exclusive lock, so that no
 * writer of that key sees the gap; readers look at the alias too. A file that no S3 client wrote is never moved.
 */
async function stepAside(place: Place, key: string, path: string): Promise<void> {
  const owner = prefixOf(key, path)
  if (owner === undefined || owner === '') throw standsInTheWay(place, path)
  const full = within(place, path)
  const made = await place.locks.hold(owner, 'exclusive', async () => {
    const found = await place.calls.find(full, { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false })
    if (found === undefined || found.stat.type === 'directory') {
      // Gone, or stepped aside by somebody else meanwhile, whose directory may be there by now: the caller's mkdir finds out. A symbolic link is
      // none of these.
      const now = found === undefined ? await place.calls.statPath(full) : undefined
      if (now !== undefined && now.type !== 'directory' && now.type !== 'file') throw standsInTheWay(place, path)
      return false
    }
    const record = found.stat.type === 'file' ? await place.records.read(found) : undefined
    // A file user's stays where it is, also when S3 has tagged it since.
    if (record?.trusted !== true || isForeignETag(record.record.eTag)) throw standsInTheWay(place, path)
    const alias = keyPath(owner).alias
    if (parentOf(alias) !== parentOf(path)) await makeDirectories(place, owner, parentOf(alias))
    await place.calls.rename(full, within(place, alias))
    // The alias of a long name lies in a directory of its own: were only the plain one flushed, a loss of power could leave the file in neither.
    if (place.options.flush) await place.calls.flushDirectory(parentOf(within(place, alias)))
    return place.calls.makeDirectory(full, 0o777)
  })
  // Marking takes the lock of `a/`, and locks are nested from longer keys to shorter ones only: so not under that of `a`.
  if (made) await mark(place, path, owner)
  else if (place.options.flush) await place.calls.flushDirectory(parentOf(full))
}

/**
 * The part of the key that the directory at `path` stands for: in key "a//b/c" it is "a" for 'a', "a/" for 'a/.%e', "a//b" for
 * 'a/.%e/b', and "" for the '.%e' of a leading slash. That is the key whose file would lie there; with a '/' behind it, it is the
 * directory's own key. undefined: a link of a chain, which belongs to no key.
 */
function prefixOf(key: string, path: string): string | undefined {
  const segments = key.split('/')
  const prefixes = segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'))
  return prefixes.find((prefix) => keyPath(`${prefix}/`).directory === path)
}

const standsInTheWay = (place: Place, path: string): NamespaceError =>
  new NamespaceError('ObjectIsForeignFile', {
    message: `'${path}' in bucket ${place.bucket.name} was not written over S3 and stands where this key needs a directory.`,
  })

/** A refused or broken-off PUT leaves no directory behind either. Call without holding a key's lock. */
export async function pruningOnFailure<Result>(
  place: Place,
  key: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    // An empty directory does no harm; the client gets the error that it has earned.
    await pruneDirectories(place, key, parentOf(keyPath(key).path)).catch(() => undefined)
    throw error
  }
}

/**
 * Removes `directory` and what lies above it while empty and made by the gateway; then the file that had stepped aside for it moves
 * back. Call without holding a key's lock. Never fails a request, which has done by now what it answers: what stays is an empty directory.
 */
export async function pruneDirectories(place: Place, key: string, directory: string): Promise<void> {
  if (place.root.readOnly) return
  try {
    await prune(place, key, directory)
  } catch (error) {
    if (!(error instanceof FileError || error instanceof NamespaceError)) throw error
    const { message } = error
    place.options.problems({ kind: 'directory-not-pruned', bucket: place.bucket.name, path: directory, message })
  }
}

async function prune(place: Place, key: string, directory: string): Promise<void> {
  for (let path = directory; path !== ''; path = parentOf(path)) {
    const prefix = prefixOf(key, path)
    // A PUT of the directory's own key writes its record under that key's lock: without it, rmdir could take an acknowledged record away.
    const removed =
      prefix === undefined
        ? await removeIfOurs(place, path)
        : await place.locks.hold(`${prefix}/`, 'exclusive', () => removeIfOurs(place, path))
    if (!removed) return
    if (prefix !== undefined && prefix !== '') await moveBack(place, prefix)
  }
}

async function removeIfOurs(place: Place, path: string): Promise<boolean> {
  const full = within(place, path)
  const found = await place.calls.find(full, { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false })
  if (found?.stat.type !== 'directory' || !isMade(found.attribute)) return false
  if (directoryRecord(place, found.attribute) !== undefined) return false
  try {
    return await place.calls.removeDirectory(full)
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOTDIR')) return false
    throw error
  }
}

/**
 * The file of `key` moves from its alias to its plain path, if nothing is there: by link and unlink, never by a rename that could clobber
 * a newer file. true when the alias has gone.
 */
export async function moveBack(place: Place, key: string): Promise<boolean> {
  const { path, alias } = keyPath(key)
  if ((await place.calls.statPath(within(place, alias))) === undefined) return false
  return place.locks.hold(key, 'exclusive', async () => {
    if (!(await linkBack(place, within(place, alias), within(place, path)))) return false
    if (place.options.flush) await place.calls.flushDirectory(parentOf(within(place, path)))
    await place.calls.unlink(within(place, alias))
    const chain = parentOf(alias)
    if (chain !== parentOf(path)) await pruneDirectories(place, key, chain)
    return true
  })
}

/**
 * true: the file has its plain path, or a newer file does. Only a file that is seen there may cost the alias its life: a directory that was
 * made anew when `link` said EEXIST, and pruned again before anybody looks, would otherwise take the object with it.
 */
async function linkBack(place: Place, alias: string, plain: string): Promise<boolean> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      await place.calls.link(alias, plain)
      return true
    } catch (error) {
      // A DELETE of the object came first; its directory may have become an object as well by now.
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
      if (!isErrno(error, 'EEXIST')) throw error
    }
    const there = await place.calls.statPath(plain)
    if (there !== undefined) return there.type === 'file'
  }
  return false
}
