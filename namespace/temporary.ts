import { makeDirectories } from './directories.ts'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { Descriptor } from './files.ts'
import { join, parentOf, temporaryName } from './layout.ts'
import { cleanUp } from './no-answer.ts'
import { type Place, requireBucket, within } from './place.ts'

/** An open file that nobody sees yet, in its target's own directory. */
export type Temporary = { readonly descriptor: Descriptor; readonly path: string }

/**
 * Makes a temporary beside `target` (relative to the bucket), and the directories on the way. In the target's own directory, so that
 * setgid groups, default ACLs, quotas and mounts inside a bucket hold, and so that nobody can prune the empty parent meanwhile.
 */
export async function createTemporary(place: Place, key: string, target: string, name?: string): Promise<Temporary> {
  // Some mounts would say so themselves; where only the top directory is not ours, the key's own might let us.
  if (place.root.readOnly) throw new NamespaceError('ReadOnlyTree')
  const directory = parentOf(target)
  const { options } = place
  // The directory may be pruned by a DELETE between mkdir and create: then again.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const path = within(place, join(directory, name ?? temporaryName(options.now(), options.nonce())))
    try {
      return { descriptor: await place.calls.create(path, 0o666, true), path }
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
      await requireBucket(place)
      if (directory === '') throw error
      await makeDirectories(place, key, directory)
    }
  }
  throw new NamespaceError('SlowDown', { message: 'The directory of the key is being removed again and again.' })
}

/** Runs `work` on a temporary beside `target`; it is closed in every case, and taken away unless `work` published it. */
export async function withTemporary<Result extends { readonly consumed: boolean }>(
  place: Place,
  key: string,
  target: string,
  work: (temporary: Temporary) => Promise<Result>,
): Promise<Result> {
  const temporary = await createTemporary(place, key, target)
  let consumed = false
  try {
    const result = await work(temporary)
    consumed = result.consumed
    return result
  } finally {
    if (!consumed) await cleanUp(() => place.calls.unlink(temporary.path))
    await place.calls.close(temporary.descriptor)
  }
}
