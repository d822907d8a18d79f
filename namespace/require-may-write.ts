import { isErrno } from './file-errors.ts'
import { FileError } from './files.ts'
import { keyPath } from './key-path.ts'
import { parentOf } from './layout.ts'
import { type Place, within } from './place.ts'

/**
 * For what changes a key only in the service's own directories: a delete marker, the DELETE of an older version, an upload that begins. Where the file
 * system decides who may do what, that takes the right to make and remove names in the key's directory, or in the nearest one that is there.
 * Throws FileError EACCES.
 */
export async function requireMayWrite(place: Place, key: string): Promise<void> {
  if (place.posix === undefined) return
  for (let path = parentOf(keyPath(key).path); ; path = parentOf(path)) {
    const directory = within(place, path)
    try {
      if (await place.calls.mayWriteIn(directory)) return
      throw new FileError('EACCES', 'faccessat2', directory)
    } catch (error) {
      if (path === '' || !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
}
