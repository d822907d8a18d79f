import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a small secret file so that readers see nothing, the old text or the new one, and after a power cut too: temporary
 * with O_EXCL and mode 0600 → flush → `link` (a new name) or `rename` (another text) → flush of the directory.
 *
 * @param mode 'create' rejects with EEXIST where the path is taken: the first of two writers wins; 'replace' needs no former text
 */
export async function writeDurably(path: string, text: string, mode: 'create' | 'replace'): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `.new-${basename(path)}-${randomBytes(8).toString('hex')}`)
  try {
    await writeNew(temporary, text, mode === 'replace' && (await exists(path)) ? path : directory)
    if (mode === 'create') await link(temporary, path)
    else await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
  await flushDirectory(directory)
}

async function writeNew(path: string, text: string, ownedLike: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await giveToOwnerOf(file, ownedLike)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Root at a command line writes for the service: without this, the service could not read its own new key. */
async function giveToOwnerOf(file: FileHandle, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(path)
  await file.chown(uid, gid)
}

export async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Errors other than ENOENT pass through: what cannot be looked at may be there. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** Whether the error is the file system's, e.g. its `code` ENOENT. */
export function isErrno(error: unknown, code?: string): boolean {
  if (!(error instanceof Error && 'code' in error)) return false
  return code === undefined ? 'syscall' in error : error.code === code
}
