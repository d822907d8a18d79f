import { removeTree } from './bucket-store.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls } from './files.ts'
import { directoryRecord } from './find-object.ts'
import { join, recordAttribute, transit } from './layout.ts'
import type { Place } from './place.ts'

/**
 * May this bucket be deleted? Empty directories and the gateway's temporaries (pending uploads, P-161) do not keep it; anything else does,
 * also what S3 does not show (a link, a name that is no key): a DELETE over S3 must not take a file user's things away.
 */
export async function isEmptyOfObjects(place: Place): Promise<boolean> {
  try {
    return await isEmpty(place, place.directory, true)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true
    throw error
  }
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

/** Removes what isEmptyOfObjects tolerates. false: something slipped in, and is still there. */
export async function clearEmptyTree(place: Place): Promise<boolean> {
  if (!(await isEmptyOfObjects(place))) return false
  const { service, directory } = place
  try {
    await clear(service, directory)
    await removeTree(service, join(directory, transit.directory))
    await service.removeDirectory(directory)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) return false
    throw error
  }
}

async function clear(calls: FileCalls, path: string): Promise<void> {
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
