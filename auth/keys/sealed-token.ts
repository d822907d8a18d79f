import { createHmac } from 'node:crypto'
import type { KeyPurpose, MasterKey, Subkey } from './master-key.ts'
import { NONCE_BYTES, seal, unseal } from './sealed-box.ts'

/** Opaque, URL-safe tokens (`A-Za-z0-9-_`) that every gateway of the tree can open and nobody else can make. */
export type SealedTokens = {
  /** @param context what the token is good for, e.g. the bucket; the same is needed to open it */
  seal(text: string, context?: string): string
  /** undefined for what was not sealed by us, for this purpose and context, with this or a former master key. */
  open(token: string, context?: string): string | undefined
}

const KEY_ID_BYTES = 4
/** Of one token: a key of 1,024 bytes and some more. Longer ones are not even decoded. */
const MAX_TOKEN_CHARS = 8192

export function sealedTokens(masterKey: MasterKey, purpose: KeyPurpose): SealedTokens {
  return {
    seal(text, context = '') {
      const key = masterKey.subkey(purpose)
      const nonce = nonceFor(key, context, text)
      const sealed = seal(key.bytes, nonce, context, text)
      return Buffer.concat([Buffer.from(key.id, 'hex'), nonce, sealed]).toString('base64url')
    },
    open(token, context = '') {
      if (token.length > MAX_TOKEN_CHARS || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined
      const bytes = Buffer.from(token, 'base64url')
      // One token has one spelling: the unused bits of the last character must be zero.
      if (bytes.toString('base64url') !== token) return undefined
      const key = masterKey.findSubkey(purpose, bytes.subarray(0, KEY_ID_BYTES).toString('hex'))
      if (key === undefined) return undefined
      const nonce = bytes.subarray(KEY_ID_BYTES, KEY_ID_BYTES + NONCE_BYTES)
      try {
        return unseal(key.bytes, nonce, context, bytes.subarray(KEY_ID_BYTES + NONCE_BYTES))
      } catch {
        return undefined
      }
    },
  }
}

/**
 * Made from the text, not drawn: random nonces of 96 bits are good for some four thousand million seals of one key, which a busy site
 * makes in listing pages. So equal texts give equal tokens, which tells nobody anything.
 */
function nonceFor(key: Subkey, context: string, text: string): Buffer {
  const mac = createHmac('sha256', createHmac('sha256', key.bytes).update('nonce').digest())
  return mac
    .update(`${Buffer.byteLength(context)}:${context}${text}`)
    .digest()
    .subarray(0, NONCE_BYTES)
}
