import { stat } from 'node:fs/promises'
import type { ReportProblem } from '../directory/directory.ts'
import { isErrno } from './durable-file.ts'
import { type MasterKey, readMasterKey } from './master-key.ts'

/** The file as it is by now: `causeway keys rekey` needs no restart. */
export type LiveMasterKey = MasterKey & { close(): void }

export type LiveMasterKeyOptions = {
  readonly checkEveryMs?: number | undefined
  readonly problems?: ReportProblem | undefined
}

/** How late a worker may be with a new line; rekey.ts waits until each has said that it knows it. */
const CHECK_EVERY_MS = 1000

/**
 * Looks at the file once a second. A file that is broken, gone, or has no line in common with what was there is told, and the last good one stays
 * in force: it would open nothing that was sealed so far. Rejects as readMasterKey does.
 */
export async function openMasterKey(path: string, options: LiveMasterKeyOptions = {}): Promise<LiveMasterKey> {
  const { checkEveryMs = CHECK_EVERY_MS, problems } = options
  let stamp = await stampOf(path)
  let current = await readExisting(path)
  let looking = false

  async function look(): Promise<void> {
    const now = await stampOf(path)
    if (now === stamp) return
    stamp = now
    try {
      const next = await readExisting(path)
      if (!next.ids.some((id) => current.ids.includes(id))) throw new Error(`${path} is another master key.`)
      current = next
    } catch (cause) {
      problems?.({ what: 'the master key cannot be taken; the last good one stays in force', path, cause })
    }
  }

  const timer = setInterval(async () => {
    if (looking) return
    looking = true
    await look()
    looking = false
  }, checkEveryMs).unref()

  return {
    get id() {
      return current.id
    },
    get ids() {
      return current.ids
    },
    subkey: (purpose) => current.subkey(purpose),
    subkeys: (purpose) => current.subkeys(purpose),
    findSubkey: (purpose, id) => current.findSubkey(purpose, id),
    close: () => clearInterval(timer),
  }
}

async function readExisting(path: string): Promise<MasterKey> {
  try {
    return await readMasterKey(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    throw new Error(`The master key ${path} is missing; restore it from its backup.`, { cause: error })
  }
}

/** Never rejects: what cannot be looked at is told by reading it. ctime: a mode that is wrong shows as well. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino}-${size}-${mtimeNs}-${ctimeNs}`
  } catch (error) {
    return `${error}`
  }
}
