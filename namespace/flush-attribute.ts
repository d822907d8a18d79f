import { join, temporaryName } from './layout.ts'
import type { Place } from './place.ts'

/**
 * An attribute of an open file or directory that was just written, where durability asks for it. `directory` is the path of one on the same file
 * system that names can be made in: the file's own.
 *
 * An NFS client asks the server for nothing where no bytes are to be written, and Linux's server answers for an attribute before it is on its disk:
 * a DELETE of `a/` that had been acknowledged was undone by a loss of power. A name that is made there is flushed, with all that came before it.
 */
export async function flushAttribute(place: Place, directory: string, descriptor: number): Promise<void> {
  const { calls, options, root } = place
  if (!options.flush) return
  await calls.flush(descriptor)
  // Not a file system of this machine.
  if (!root.locksExpire) return
  const path = join(directory, temporaryName(options.now(), options.nonce()))
  await calls.close(await calls.create(path, 0o600, true))
  await calls.unlink(path)
}
