/**
 * Access keys made by the gateway: one JSON file per key in a directory of the service, `<access key id>.json`, mode 0600. The secret
 * is sealed with the master key and bound to its id and user, so a copied or edited file opens nothing.
 */

import { randomBytes, randomInt } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import type { ReportProblem } from '../directory/directory.ts'
import { flushDirectory, isErrno, writeDurably } from './durable-file.ts'
import type { MasterKey } from './master-key.ts'
import { NONCE_BYTES, seal, unseal } from './sealed-box.ts'
import { isSessionKeyId } from './sessions.ts'

export type AccessKey = {
  readonly accessKeyId: string
  /** The directory's name of the user it belongs to. */
  readonly user: string
  readonly created: Date
  readonly disabled: boolean
}

/** The secret is shown once, to the person it was made for. */
export type NewAccessKey = AccessKey & { readonly secret: string }

export type KeyStore = {
  createKey(user: string): Promise<NewAccessKey>
  /** A key made elsewhere. Rejects with a sentence where the id or secret cannot be one, or the id is taken. */
  importKey(user: string, key: { readonly accessKeyId: string; readonly secret: string }): Promise<NewAccessKey>
  /** By user, then id. Damaged files are reported and left out. */
  listKeys(): Promise<readonly AccessKey[]>
  /** undefined where there is no such key or its file is damaged (which is reported). Disabled keys are answered as such. */
  readKey(accessKeyId: string): Promise<NewAccessKey | undefined>
  /** false: there is no such key. Works from now on here, within 2 seconds in every other process. */
  disableKey(accessKeyId: string): Promise<boolean>
  enableKey(accessKeyId: string): Promise<boolean>
  removeKey(accessKeyId: string): Promise<boolean>
}

export type KeyStoreOptions = {
  /** Absolute; made with mode 0700 when the first key is. */
  readonly directory: string
  readonly masterKey: MasterKey
  readonly problems?: ReportProblem | undefined
  readonly now?: (() => Date) | undefined
}

const KeyFile = Type.Object({
  v: Type.Literal(1),
  accessKeyId: Type.String(),
  user: Type.String(),
  created: Type.String(),
  disabled: Type.Boolean(),
  /** Which subkey sealed the secret. */
  keyId: Type.String(),
  /** Base64, 12 bytes. */
  nonce: Type.String(),
  /** Base64, ciphertext and tag. */
  sealed: Type.String(),
})
type KeyFile = Static<typeof KeyFile>

/** No slash and no leading dot: an id is a file name. Ours are alphanumeric, others' may hold `-` and `_` (P-047). */
const ACCESS_KEY_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$/
const SECRET = /^[\x21-\x7e]{8,256}$/

export function openKeyStore({ directory, masterKey, problems, now = () => new Date() }: KeyStoreOptions): KeyStore {
  const pathOf = (accessKeyId: string) => join(directory, `${accessKeyId}.json`)
  const report = reportOnce(problems)

  async function store(user: string, accessKeyId: string, secret: string): Promise<NewAccessKey> {
    const created = now()
    const file = sealKey(masterKey, { accessKeyId, user, created: created.toISOString() }, secret)
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

  async function setDisabled(accessKeyId: string, disabled: boolean): Promise<boolean> {
    const file = await readFileOf(accessKeyId)
    if (file === undefined) return false
    await writeDurably(pathOf(accessKeyId), textOf({ ...file, disabled }), 'replace')
    return true
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
    async listKeys() {
      const ids = await listIds(directory)
      const files = await Promise.all(ids.map(readFileOf))
      const keys = files.filter((file) => file !== undefined).map(accessKeyOf)
      return keys.sort((a, b) => compare(a.user, b.user) || compare(a.accessKeyId, b.accessKeyId))
    },
    disableKey: (accessKeyId) => setDisabled(accessKeyId, true),
    enableKey: (accessKeyId) => setDisabled(accessKeyId, false),
    async removeKey(accessKeyId) {
      if (!ACCESS_KEY_ID.test(accessKeyId)) return false
      try {
        await rm(pathOf(accessKeyId))
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return false
        throw error
      }
      await flushDirectory(directory)
      return true
    },
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

/** Throws for anything that is not the file of this very key: a renamed file is not a new key. */
function parseKeyFile(text: string, accessKeyId: string): KeyFile {
  const value: unknown = JSON.parse(text)
  if (!Value.Check(KeyFile, value)) throw new Error('not an access key, or one of a newer version')
  if (value.accessKeyId !== accessKeyId) throw new Error('the file of another access key')
  if (Number.isNaN(Date.parse(value.created))) throw new Error('an access key without the time it was made')
  return value
}

function accessKeyOf({ accessKeyId, user, created, disabled }: KeyFile): AccessKey {
  return { accessKeyId, user, created: new Date(created), disabled }
}

function textOf(file: KeyFile): string {
  return `${JSON.stringify(file, undefined, 2)}\n`
}

type KeyName = Pick<KeyFile, 'accessKeyId' | 'user' | 'created'>

function sealKey(masterKey: MasterKey, name: KeyName, secret: string): KeyFile {
  const key = masterKey.subkey('access-keys')
  const nonce = randomBytes(NONCE_BYTES)
  const sealed = seal(key.bytes, nonce, contextOf(name), secret)
  return {
    v: 1,
    ...name,
    disabled: false,
    keyId: key.id,
    nonce: nonce.toString('base64'),
    sealed: sealed.toString('base64'),
  }
}

/** Throws where the master key is another one or the file was tampered with. */
function unsealKey(masterKey: MasterKey, file: KeyFile): string {
  const key = masterKey.findSubkey('access-keys', file.keyId)
  if (key === undefined) throw new Error(`sealed with another master key (${file.keyId})`)
  return unseal(key.bytes, Buffer.from(file.nonce, 'base64'), contextOf(file), Buffer.from(file.sealed, 'base64'))
}

/** NUL occurs in neither. */
function contextOf({ accessKeyId, user }: Pick<KeyFile, 'accessKeyId' | 'user'>): string {
  return `${accessKeyId}\0${user}`
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
