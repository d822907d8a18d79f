/** AES-256-GCM: what is sealed can be read and changed only with the key, and only in the context it was sealed for. */

import { createCipheriv, createDecipheriv } from 'node:crypto'

export const NONCE_BYTES = 12
const TAG_BYTES = 16
const ALGORITHM = 'aes-256-gcm'

/** Ciphertext and tag. A nonce must never serve two texts under one key. */
export function seal(key: Buffer, nonce: Buffer, context: string, text: string): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce)
  cipher.setAAD(Buffer.from(context, 'utf8'))
  return Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Throws where anything differs: key, nonce, context or a single bit. */
export function unseal(key: Buffer, nonce: Buffer, context: string, sealed: Buffer): string {
  if (nonce.length !== NONCE_BYTES || sealed.length < TAG_BYTES) throw new Error('too short to be sealed')
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(context, 'utf8'))
  decipher.setAuthTag(sealed.subarray(end))
  return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]).toString('utf8')
}
