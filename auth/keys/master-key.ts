/**
 * The master key of a tree: one for all its gateways, kept outside of it. The file holds base64 of 32 random bytes, mode 0600; further
 * lines are keys of former times, which still open what they sealed. `#` begins a comment.
 */

import { hkdfSync, randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { isErrno, writeDurably } from './durable-file.ts'

/** One subkey each, so that what is made for one purpose is worthless for another. */
export type KeyPurpose = 'access-keys' | 'records' | 'continuation-tokens' | 'session-tokens'

export type Subkey = {
  /** 8 hex digits, written beside everything that is made with the key. Says nothing about its bytes. */
  readonly id: string
  /** 32 bytes. */
  readonly bytes: Buffer
}

export type MasterKey = {
  /** 8 hex digits: what `.causeway/format` remembers of the key. */
  readonly id: string
  /** Of every line of the file, the current one first. */
  readonly ids: readonly string[]
  /** The key for new things. */
  subkey(purpose: KeyPurpose): Subkey
  /** One of each line of the file, in the order of `ids`. */
  subkeys(purpose: KeyPurpose): readonly Subkey[]
  /** The key with which something was made, a former one included. */
  findSubkey(purpose: KeyPurpose, id: string): Subkey | undefined
}

export const KEY_BYTES = 32

/** Makes the file. Rejects with EEXIST where there is one: a master key is never overwritten. */
export async function createMasterKey(path: string): Promise<MasterKey> {
  await writeDurably(path, `${randomBytes(KEY_BYTES).toString('base64')}\n`, 'create')
  return readMasterKey(path)
}

/** Reads the file or, where there is none, makes it: for a first start. Two processes at once end with the same key. */
export async function ensureMasterKey(path: string): Promise<MasterKey> {
  try {
    return await readMasterKey(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  try {
    return await createMasterKey(path)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return readMasterKey(path)
    throw error
  }
}

/**
 * Rejects with a sentence where others may read the file or a line is not a key; ENOENT and EACCES pass through. The message
 * never holds a part of the file.
 */
export async function readMasterKey(path: string): Promise<MasterKey> {
  const file = await open(path, 'r')
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new Error(`The master key ${path} can be read or changed by others. Give it mode 0600: chmod 600 ${path}`)
    }
    return masterKeyOf(parseKeys(await file.readFile('utf8'), path))
  } finally {
    await file.close()
  }
}

function parseKeys(text: string, path: string): readonly Buffer[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim())
  const keys = lines.filter((line) => line !== '').map((line) => Buffer.from(line, 'base64'))
  if (keys.length === 0 || keys.some((key) => key.length !== KEY_BYTES)) {
    throw new Error(
      `The master key ${path} is damaged: each line must be ${KEY_BYTES} bytes in base64. Restore it from the backup.`,
    )
  }
  return keys
}

/** @param keys the current one first */
function masterKeyOf(keys: readonly Buffer[]): MasterKey {
  const [current] = keys
  if (current === undefined) throw new Error('a master key without a key')
  const known = new Map<string, Subkey>()
  const find = (purpose: KeyPurpose, id: string): Subkey | undefined => {
    if (known.size === 0) {
      for (const name of purposes)
        for (const key of keys) known.set(`${name}/${deriveId(key, name)}`, derive(key, name))
    }
    return known.get(`${purpose}/${id}`)
  }
  const subkeys = new Map(purposes.map((purpose) => [purpose, derive(current, purpose)]))
  return {
    id: deriveId(current, 'master'),
    ids: idsOf(keys),
    subkeys: (purpose) => keys.map((key) => derive(key, purpose)),
    subkey: (purpose) => subkeys.get(purpose) ?? derive(current, purpose),
    findSubkey: find,
  }
}

/** Of each, as MasterKey has them. */
export function idsOf(keys: readonly Buffer[]): readonly string[] {
  return keys.map((key) => deriveId(key, 'master'))
}

const purposes: readonly KeyPurpose[] = ['access-keys', 'records', 'continuation-tokens', 'session-tokens']

function derive(key: Buffer, purpose: KeyPurpose): Subkey {
  return { id: deriveId(key, purpose), bytes: hkdf(key, `causeway 1 key ${purpose}`, 32) }
}

/** Its own derivation, so that publishing it gives nothing away. */
function deriveId(key: Buffer, name: string): string {
  return hkdf(key, `causeway 1 id ${name}`, 4).toString('hex')
}

/** RFC 5869 with SHA-256; the input is uniformly random, so it needs no salt. */
function hkdf(key: Buffer, info: string, lengthBytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', info, lengthBytes))
}
