import { isErrno } from './file-errors.ts'
import { parentOf } from './layout.ts'
import type { Place } from './place.ts'

/**
 * Of two DELETEs in a directory the other one may have pruned it by now: the removal of the directory, which its parent keeps, is then that
 * of the file.
 */
export async function flushRemoval(place: Place, directory: string): Promise<void> {
  for (let path = directory; ; path = parentOf(path)) {
    try {
      return await place.calls.flushDirectory(path)
    } catch (error) {
      if (path === '' || !isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
}
