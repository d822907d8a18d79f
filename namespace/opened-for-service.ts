import { ownersCalls } from './acting-calls.ts'
import { isErrno } from './file-errors.ts'
import { type FileCalls, FileError, type Files, type Stat } from './files.ts'

/** For whoever owns it all, for others names may be made but not listed. */
const openMode = 0o733

/**
 * Runs `work` while the service can make and take away names in a user's directory, and closes it again: so `.s3` comes into a bucket's directory and
 * is the service's, without a capability to give files away, which no server would honour. By its owner, so it needs nobody's rights but theirs.
 * Throws EACCES for a directory of root's.
 */
export async function openedForService<Result>(
  files: Files,
  path: string,
  mode: number,
  work: (service: FileCalls) => Promise<Result>,
): Promise<Result> {
  const service = files.as(undefined)
  const stat = await service.statPath(path)
  if (stat === undefined) throw new FileError('ENOENT', 'fchmod', path)
  const owner = ownerOf(files, stat, path)
  const descriptor = await owner.open(path, 'directory')
  try {
    await owner.setMode(descriptor, openMode)
    return await work(service)
  } finally {
    // Whatever its path is by now; it may have gone.
    await owner.setMode(descriptor, mode).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT', 'ESTALE')) throw error
    })
    await owner.close(descriptor)
  }
}

/** What a process that was killed meanwhile has left open. Under the lock of the bucket's name. */
export async function closeLeftOpen(files: Files, path: string, mode: number): Promise<void> {
  const stat = await files.as(undefined).statPath(path)
  if (stat?.type !== 'directory' || stat.mode !== openMode) return
  const owner = ownerOf(files, stat, path)
  const descriptor = await owner.open(path, 'directory')
  await owner.setMode(descriptor, mode).finally(() => owner.close(descriptor))
}

function ownerOf(files: Files, stat: Stat, path: string): FileCalls {
  const owner = ownersCalls(files, stat)
  if (owner === undefined) throw new FileError('EACCES', 'fchmod', path)
  return owner
}
