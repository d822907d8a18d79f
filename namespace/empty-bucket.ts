import { removeTree } from './bucket-store.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls } from './files.ts'
import { directoryRecord } from './find-object.ts'
import { join, recordAttribute, transit } from './layout.ts'
import type { Place } from './place.ts'
import { parseVersionName } from './version-name.ts'

/**
 * May this bucket be deleted? Empty directories and the gateway's temporaries (pending uploads, P-161) do not keep it; anything else does,
 * also what S3 does not show (a link, a name that is no key), and older versions: a DELETE over S3 must not take a file user's things away.
 */
export async function isEmptyOfObjects(place: Place): Promise<boolean> {
  try {
    return (await isEmpty(place, place.directory, true)) && !(await holdsVersions(place))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true
    throw error
  }
}

/** Versions and delete markers keep a bucket as objects do (P-177). */
export const holdsVersions = (place: Place): Promise<boolean> =>
  holdsVersion(place, join(place.directory, transit.versions))

async function holdsVersion(place: Place, path: string): Promise<boolean> {
  const scan = await place.service.scan(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  })
  for (let index = 0; index < (scan?.count ?? 0); index += 1) {
    const name = scan?.name(index).toString('utf8') ?? ''
    if (parseVersionName(name) !== undefined) return true
    if (scan?.type(index) === 'directory' && (await holdsVersion(place, join(path, name)))) return true
  }
  return false
}

async function isEmpty(place: Place, path: string, top: boolean): Promise<boolean> {
  const scan = await place.service.scan(path)
  for (let index = 0; index < scan.count; index += 1) {
    const name = scan.name(index)
    if (isOurs(name, top)) continue
    if (scan.type(index) !== 'directory') return false
    const child = childOf(path, name)
    if (child === undefined || (await isDirectoryObject(place, child))) return false
    if (!(await isEmpty(place, child, false))) return false
  }
  return true
}

const isOurs = (name: Buffer, top: boolean): boolean =>
  (top && name.equals(Buffer.from(transit.directory))) || name.subarray(0, 4).equals(Buffer.from('.s3-'))

const childOf = (path: string, name: Buffer): string | undefined => {
  const text = name.toString('utf8')
  return Buffer.from(text).equals(name) ? join(path, text) : undefined
}

async function isDirectoryObject(place: Place, path: string): Promise<boolean> {
  const want = { attribute: recordAttribute, bodyBytesMax: 0, keepOpen: false }
  const found = await place.service.find(path, want)
  return directoryRecord(place, found?.attribute) !== undefined
}

/**
 * Removes what isEmptyOfObjects tolerates, in the trash. false: something slipped in, and is still there: a rename that had opened its
 * directory before the bucket went into the trash lands in it all the same, and rmdir has the last word. `.s3` only steps aside until then:
 * it has the record of that object, uploads that are wanted again, and the lock file that other workers hold.
 */
export async function clearEmptyTree(place: Place): Promise<boolean> {
  if (!(await isEmptyOfObjects(place))) return false
  const { service, directory } = place
  const inner = join(directory, transit.directory)
  const aside = `${directory}${asideSuffix}`
  try {
    await clear(service, directory)
    await service.makeDirectory(aside, 0o700)
    const moved = await renamed(service, inner, join(aside, transit.directory))
    try {
      await service.removeDirectory(directory)
    } catch (error) {
      if (moved) await service.rename(join(aside, transit.directory), inner)
      await service.removeDirectory(aside)
      throw error
    }
    await removeTree(service, aside)
    return true
  } catch (error) {
    // What a user has made meanwhile may be in a directory of theirs.
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'EACCES')) return false
    throw error
  }
}

/** Behind the name of a bucket's directory in the trash: where its `.s3` waits. No bucket's name ends so. */
export const asideSuffix = '_s3'

/** false: there is nothing to rename. */
async function renamed(calls: FileCalls, source: string, target: string): Promise<boolean> {
  try {
    await calls.rename(source, target)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** What isEmptyOfObjects tolerates, but for `.s3`. */
export async function clear(calls: FileCalls, path: string): Promise<void> {
  const scan = await calls.scan(path)
  for (let index = 0; index < scan.count; index += 1) {
    const name = scan.name(index).toString('utf8')
    if (name === transit.directory) continue
    const child = join(path, name)
    if (scan.type(index) === 'directory') {
      await clear(calls, child)
      await calls.removeDirectory(child)
    } else if (name.startsWith('.s3-')) await calls.unlink(child)
  }
}
