/**
 * Who reads the access keys of a tree, and which lines of the master key each of them knows: `.readers/<machine>-<process>.json` among the
 * key records, one a worker. `causeway keys rekey` seals nothing with a key that one of them could not open.
 */

import { mkdir, open, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Type from 'typebox'
import Value from 'typebox/value'
import type { ReportProblem } from '../directory/directory.ts'
import { isErrno, writeDurably } from './durable-file.ts'
import type { MasterKey } from './master-key.ts'

const BEAT_EVERY_MS = 5000
/** A tree that does not answer keeps no worker from leaving. */
const LEAVE_WITHIN_MS = 2000

const ReaderFile = Type.Object({ v: Type.Literal(1), keys: Type.Array(Type.String()) })
const SealedWith = Type.Object({ v: Type.Literal(1), masterKey: Type.String() })

export type KeyReaderOptions = {
  /** Absolute; where the records of the keys lie. */
  readonly directory: string
  readonly masterKey: MasterKey
  /** One of each reader of the tree. Default: machine and process. */
  readonly name?: string | undefined
  readonly beatEveryMs?: number | undefined
  readonly problems?: ReportProblem | undefined
}

export type KeyReader = { close(): Promise<void> }

/**
 * Tells that this process reads keys, until it is closed. Rejects with a sentence where the keys are sealed with a master key that it
 * does not know.
 *
 * First told, then looked: rekey first writes what it seals with, then looks who is there. Whoever starts meanwhile is seen by it, or sees it.
 */
export async function announceKeyReader(options: KeyReaderOptions): Promise<KeyReader> {
  const { directory, masterKey, beatEveryMs = BEAT_EVERY_MS, problems } = options
  const path = join(readersOf(directory), `${options.name ?? defaultName()}.json`)
  let written = ''
  let beating: Promise<void> | undefined
  let told = false

  async function beat(): Promise<void> {
    await mkdir(readersOf(directory), { recursive: true, mode: 0o700 })
    const text = `${JSON.stringify({ v: 1, keys: masterKey.ids })}\n`
    const now = new Date()
    try {
      if (text === written) return await utimes(path, now, now)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
    }
    await writeDurably(path, text, 'replace')
    written = text
  }

  function tell(cause: unknown): void {
    if (!told) problems?.({ what: 'this reader of access keys cannot be announced to `keys rekey`', path, cause })
    told = true
  }

  // A full file system can be read all the same.
  await beat().catch(tell)
  try {
    await requireSealingKey(directory, masterKey)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
  const timer = setInterval(() => {
    // One at a time: a tree that does not answer keeps one thread, not all.
    beating ??= beat()
      .catch(tell)
      .finally(() => {
        beating = undefined
      })
  }, beatEveryMs).unref()
  return {
    async close() {
      clearInterval(timer)
      if (beating !== undefined) return
      await Promise.race([rm(path, { force: true }).catch(tell), sleep(LEAVE_WITHIN_MS, undefined, { ref: false })])
    },
  }
}

export type SeenReader = {
  readonly name: string
  /** The ids of its master key, the current one first. */
  readonly keys: readonly string[]
}

/**
 * Looks repeatedly. A reader whose file has not changed between two looks for `goneAfterMs`, by our own clock, has been killed: its file is
 * removed and it is not answered any more.
 */
export function watchKeyReaders(
  directory: string,
  goneAfterMs = 4 * BEAT_EVERY_MS,
): () => Promise<readonly SeenReader[]> {
  const seen = new Map<string, { readonly mark: string; readonly sinceMs: number }>()
  return async () => {
    const found = await Promise.all((await namesIn(readersOf(directory))).map(look))
    return found.filter((reader) => reader !== undefined)
  }

  async function look(fileName: string): Promise<SeenReader | undefined> {
    const path = join(readersOf(directory), fileName)
    const file = await openExisting(path)
    if (file === undefined) return undefined
    try {
      const { mtimeMs, ino } = await file.stat()
      const mark = `${ino} ${mtimeMs}`
      const before = seen.get(fileName)
      const sinceMs = before?.mark === mark ? before.sinceMs : performance.now()
      seen.set(fileName, { mark, sinceMs })
      if (performance.now() - sinceMs <= goneAfterMs) {
        return { name: fileName.replace(/\.json$/, ''), keys: keysOf(await file.readFile('utf8')) }
      }
    } finally {
      await file.close()
    }
    await rm(path, { force: true })
    return undefined
  }
}

/** What records are sealed with from now on; undefined: nothing in particular, as before a first rekey. */
export async function writeSealingKey(directory: string, masterKeyId: string | undefined): Promise<void> {
  const path = sealedWithOf(directory)
  if (masterKeyId === undefined) return rm(path, { force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeDurably(path, `${JSON.stringify({ v: 1, masterKey: masterKeyId })}\n`, 'replace')
}

/** undefined: there was no rekey yet. */
export async function findSealingKey(directory: string): Promise<string | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(sealedWithOf(directory), 'utf8'))
    return Value.Check(SealedWith, value) ? value.masterKey : undefined
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Rejects with a sentence. */
export async function requireSealingKey(directory: string, masterKey: MasterKey): Promise<void> {
  const id = await findSealingKey(directory)
  if (id === undefined || masterKey.ids.includes(id)) return
  throw new Error(
    `The access keys are sealed with the master key ${id}, which this master key file does not have; copy the file from the machine where \`keys rekey\` ran, or restore a newer backup of it.`,
  )
}

const readersOf = (directory: string) => join(directory, '.readers')
const sealedWithOf = (directory: string) => join(directory, '.sealed-with')
const defaultName = () => `${hostname().replace(/[^A-Za-z0-9.-]/g, '-')}-${process.pid}`

/** A file that cannot be read is a reader that knows nothing, until it is gone. */
function keysOf(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text)
    return Value.Check(ReaderFile, value) ? value.keys : []
  } catch {
    return []
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.json'))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** Opened, not looked at by name: on NFS that asks the server for times. */
async function openExisting(path: string) {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
