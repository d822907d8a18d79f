/**
 * Access keys made by the gateway: one JSON file per key in a directory of the service, `<access key id>.json`, mode 0600. The secret
 * is sealed with the master key and bound to its id and user, so a copied or edited file opens nothing.
 */

import { randomInt } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReportProblem } from '../directory/directory.ts'
import { exists, flushDirectory, isErrno, writeDurably } from './durable-file.ts'
import { exclusively } from './exclusively.ts'
import { type KeyFile, parseKeyFile, sealKey, textOf, unsealKey } from './key-file.ts'
import { usePathOf } from './key-use.ts'
import type { MasterKey } from './master-key.ts'
import { isSessionKeyId } from './sessions.ts'

export type AccessKey = {
  readonly accessKeyId: string
  /** The directory's id of the user it belongs to. */
  readonly user: string
  readonly created: Date
  readonly disabled: boolean
  /** From then on it is refused. None: it does not end. */
  readonly expires?: Date
}

/** Asked with each use, so that the end of a key needs nobody who is awake then. */
export function worksAt({ disabled, expires }: AccessKey, now: Date): boolean {
  return !disabled && (expires === undefined || now < expires)
}

/** The secret is shown once, to the person it was made for. */
export type NewAccessKey = AccessKey & { readonly secret: string }

export type KeyStore = {
  createKey(user: string): Promise<NewAccessKey>
  /** A key made elsewhere. Rejects with a sentence where the id or secret cannot be one, or the id is taken. */
  importKey(user: string, key: { readonly accessKeyId: string; readonly secret: string }): Promise<NewAccessKey>
  /**
   * Makes another key of the same user and lets the old one end after the overlap, or sooner where that was said before. undefined: there is
   * no such key. Rejects with a sentence where it is disabled or has ended already.
   */
  rotateKey(accessKeyId: string, overlapMs: number): Promise<NewAccessKey | undefined>
  /** By user, then id. Damaged files are reported and left out. */
  listKeys(): Promise<readonly AccessKey[]>
  /** undefined where there is no such key or its file is damaged (which is reported). Disabled keys are answered as such. */
  readKey(accessKeyId: string): Promise<NewAccessKey | undefined>
  /** false: there is no such key. Works from now on here, within 2 seconds in every other process. */
  disableKey(accessKeyId: string): Promise<boolean>
  enableKey(accessKeyId: string): Promise<boolean>
  removeKey(accessKeyId: string): Promise<boolean>
  /** Seals again what was not sealed with the current master key. Damaged records stay as they are. */
  resealKeys(): Promise<{ readonly resealed: number; readonly damaged: readonly string[] }>
  /** How many records each subkey `access-keys` still has to open, by its id. */
  countBySubkey(): Promise<ReadonlyMap<string, number>>
}

export type KeyStoreOptions = {
  /** Absolute; made with mode 0700 when the first key is. */
  readonly directory: string
  readonly masterKey: MasterKey
  readonly problems?: ReportProblem | undefined
  readonly now?: (() => Date) | undefined
}

/** No slash and no leading dot: an id is a file name. Ours are alphanumeric, others' may hold `-` and `_` (P-047). */
const ACCESS_KEY_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$/
const SECRET = /^[\x21-\x7e]{8,256}$/

export function openKeyStore({ directory, masterKey, problems, now = () => new Date() }: KeyStoreOptions): KeyStore {
  const pathOf = (accessKeyId: string) => join(directory, `${accessKeyId}.json`)
  const lockOf = (accessKeyId: string) => join(directory, `.lock-${accessKeyId}`)
  const report = reportOnce(problems)

  async function store(user: string, accessKeyId: string, secret: string): Promise<NewAccessKey> {
    const created = now()
    const file = sealKey(masterKey, { accessKeyId, user, created: created.toISOString(), disabled: false }, secret)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeDurably(pathOf(accessKeyId), textOf(file), 'create')
    return { accessKeyId, user, created, disabled: false, secret }
  }

  async function readFileOf(accessKeyId: string): Promise<KeyFile | undefined> {
    if (!ACCESS_KEY_ID.test(accessKeyId)) return undefined
    const path = pathOf(accessKeyId)
    try {
      return parseKeyFile(await readFile(path, 'utf8'), accessKeyId)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) report({ what: 'an access key cannot be read', path, cause: error })
      return undefined
    }
  }

  async function readKey(accessKeyId: string): Promise<NewAccessKey | undefined> {
    const file = await readFileOf(accessKeyId)
    if (file === undefined) return undefined
    try {
      return { ...accessKeyOf(file), secret: unsealKey(masterKey, file) }
    } catch (error) {
      report({ what: 'an access key cannot be unsealed', path: pathOf(accessKeyId), cause: error })
      return undefined
    }
  }

  /** false: there is no such key. `change` may throw, or answer the same file to leave it as it is. */
  async function changeFile(accessKeyId: string, change: (file: KeyFile) => KeyFile): Promise<boolean> {
    if ((await readFileOf(accessKeyId)) === undefined) return false
    return exclusively(lockOf(accessKeyId), async () => {
      const file = await readFileOf(accessKeyId)
      if (file === undefined) return false
      const changed = change(file)
      if (changed !== file) await writeDurably(pathOf(accessKeyId), textOf(changed), 'replace')
      return true
    })
  }

  async function rotateKey(accessKeyId: string, overlapMs: number): Promise<NewAccessKey | undefined> {
    const old = await readFileOf(accessKeyId)
    if (old === undefined) return undefined
    requireWorking(old, now())
    // The new one first: whatever happens then, the user has a key.
    const made = await store(old.user, newAccessKeyId(), newSecret())
    const end = new Date(now().getTime() + overlapMs)
    await changeFile(accessKeyId, (file) => ({ ...file, expires: soonerOf(file.expires, end) }))
    return made
  }

  async function removeKey(accessKeyId: string): Promise<boolean> {
    try {
      await rm(pathOf(accessKeyId))
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
    await rm(usePathOf(directory, accessKeyId), { force: true })
    await flushDirectory(directory)
    return true
  }

  async function readAllFiles(): Promise<readonly KeyFile[]> {
    const files = await Promise.all((await listIds(directory)).map(readFileOf))
    return files.filter((file) => file !== undefined)
  }

  /** true: it was sealed with a former master key, and is no longer. Throws where it cannot be unsealed. */
  async function reseal(accessKeyId: string): Promise<boolean> {
    let resealed = false
    const isThere = await changeFile(accessKeyId, (file) => {
      if (file.keyId === masterKey.subkey('access-keys').id) return file
      const { v: _, keyId: __, nonce: ___, sealed: ____, ...key } = file
      resealed = true
      return sealKey(masterKey, key, unsealKey(masterKey, file))
    })
    // Listed a moment ago: removed since, or not to be read.
    if (!isThere && (await exists(pathOf(accessKeyId)))) throw new Error('not a record of an access key')
    return resealed
  }

  async function resealKeys() {
    const damaged: string[] = []
    let resealed = 0
    for (const accessKeyId of await listIds(directory)) {
      try {
        if (await reseal(accessKeyId)) resealed++
      } catch (error) {
        if (isErrno(error)) throw error
        damaged.push(accessKeyId)
      }
    }
    return { resealed, damaged }
  }

  return {
    readKey,
    createKey: (user) => store(user, newAccessKeyId(), newSecret()),
    async importKey(user, { accessKeyId, secret }) {
      if (!ACCESS_KEY_ID.test(accessKeyId)) {
        throw new Error('An access key id is 3 to 128 letters, digits, "-" and "_", the first a letter or digit.')
      }
      if (isSessionKeyId(accessKeyId)) throw new Error(`${accessKeyId} has the form of the id of a temporary key.`)
      if (!SECRET.test(secret)) throw new Error('A secret is 8 to 256 printable ASCII characters without spaces.')
      try {
        return await store(user, accessKeyId, secret)
      } catch (error) {
        if (isErrno(error, 'EEXIST'))
          throw new Error(`There is an access key ${accessKeyId} already.`, { cause: error })
        throw error
      }
    },
    rotateKey,
    async listKeys() {
      const keys = (await readAllFiles()).map(accessKeyOf)
      return keys.sort((a, b) => compare(a.user, b.user) || compare(a.accessKeyId, b.accessKeyId))
    },
    disableKey: (accessKeyId) => changeFile(accessKeyId, (file) => ({ ...file, disabled: true })),
    enableKey: (accessKeyId) => changeFile(accessKeyId, (file) => ({ ...file, disabled: false })),
    // Not from under a change, which would bring it back. A record that is damaged goes as well.
    removeKey: async (accessKeyId) =>
      ACCESS_KEY_ID.test(accessKeyId) && (await exists(pathOf(accessKeyId)))
        ? exclusively(lockOf(accessKeyId), () => removeKey(accessKeyId))
        : false,
    resealKeys,
    async countBySubkey() {
      const counts = new Map<string, number>()
      for (const { keyId } of await readAllFiles()) counts.set(keyId, (counts.get(keyId) ?? 0) + 1)
      return counts
    },
  }
}

function requireWorking({ accessKeyId, disabled, expires }: KeyFile, now: Date): void {
  if (disabled) throw new Error(`The access key ${accessKeyId} is disabled; enable it first, or make a new one.`)
  if (expires !== undefined && new Date(expires) <= now) {
    throw new Error(`The access key ${accessKeyId} has ended (${expires}); make a new one.`)
  }
}

async function listIds(directory: string): Promise<readonly string[]> {
  try {
    const names = await readdir(directory)
    return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

function accessKeyOf({ accessKeyId, user, created, disabled, expires }: KeyFile): AccessKey {
  const key = { accessKeyId, user, created: new Date(created), disabled }
  return expires === undefined ? key : { ...key, expires: new Date(expires) }
}

/** What was said first holds, unless the new end is sooner. */
function soonerOf(expires: string | undefined, other: Date): string {
  return expires !== undefined && new Date(expires) < other ? expires : other.toISOString()
}

/** 20 characters, ours by the first two; 90 random bits. */
function newAccessKeyId(): string {
  return `CW${randomText('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 18)}`
}

/** 40 characters that survive shells, URLs and double clicks; 238 random bits. */
function newSecret(): string {
  return randomText('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 40)
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

/** A damaged file is read with every request of its key; it is told once a minute. */
function reportOnce(problems: ReportProblem | undefined): ReportProblem {
  const told = new Map<string, number>()
  return (problem) => {
    const last = told.get(problem.path)
    const at = Date.now()
    if (last !== undefined && at - last < REPORT_EVERY_MS) return
    told.set(problem.path, at)
    problems?.(problem)
  }
}

const REPORT_EVERY_MS = 60_000

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
