/** The text of `<access key id>.json`: what it holds, and the secret sealed in it. Touches no file. */

import { randomBytes } from 'node:crypto'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import type { MasterKey } from './master-key.ts'
import { NONCE_BYTES, seal, unseal } from './sealed-box.ts'

const KeyFile = Type.Object({
  v: Type.Literal(1),
  accessKeyId: Type.String(),
  /** The directory's id of the user. */
  user: Type.String(),
  created: Type.String(),
  disabled: Type.Boolean(),
  /** From then on it is refused. */
  expires: Type.Optional(Type.String()),
  /** Which subkey sealed the secret. */
  keyId: Type.String(),
  /** Base64, 12 bytes. */
  nonce: Type.String(),
  /** Base64, ciphertext and tag. */
  sealed: Type.String(),
})
export type KeyFile = Static<typeof KeyFile>

type Unsealed = Omit<KeyFile, 'v' | 'keyId' | 'nonce' | 'sealed'>

/** Throws for anything that is not the file of this very key: a renamed file is not a new key. */
export function parseKeyFile(text: string, accessKeyId: string): KeyFile {
  const value: unknown = JSON.parse(text)
  if (!Value.Check(KeyFile, value)) throw new Error('not an access key, or one of a newer version')
  if (value.accessKeyId !== accessKeyId) throw new Error('the file of another access key')
  if (Number.isNaN(Date.parse(value.created))) throw new Error('an access key without the time it was made')
  if (value.expires !== undefined && Number.isNaN(Date.parse(value.expires))) {
    throw new Error('an access key whose end is no time')
  }
  return value
}

export function textOf(file: KeyFile): string {
  return `${JSON.stringify(file, undefined, 2)}\n`
}

/** With the current master key. */
export function sealKey(masterKey: MasterKey, key: Unsealed, secret: string): KeyFile {
  const { id, bytes } = masterKey.subkey('access-keys')
  const nonce = randomBytes(NONCE_BYTES)
  const sealed = seal(bytes, nonce, contextOf(key), secret)
  return { v: 1, ...key, keyId: id, nonce: nonce.toString('base64'), sealed: sealed.toString('base64') }
}

/** Throws where the master key is another one or the file was tampered with. */
export function unsealKey(masterKey: MasterKey, file: KeyFile): string {
  const key = masterKey.findSubkey('access-keys', file.keyId)
  if (key === undefined) throw new Error(`sealed with another master key (${file.keyId})`)
  return unseal(key.bytes, Buffer.from(file.nonce, 'base64'), contextOf(file), Buffer.from(file.sealed, 'base64'))
}

/** NUL occurs in neither. */
function contextOf({ accessKeyId, user }: Pick<KeyFile, 'accessKeyId' | 'user'>): string {
  return `${accessKeyId}\0${user}`
}
