/** Passwords of local users: scrypt (RFC 7914), written `scrypt:<N>:<r>:<p>:<salt>:<hash>` with base64. */

import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

/** 32 MiB and some 80 ms: dear for whoever guesses. */
const COST = { N: 32_768, r: 8, p: 1 } as const
const HASH_BYTES = 32
/** What a file may demand of us. */
const MAX_MEMORY_BYTES = 256 * 1024 * 1024

export const PASSWORD_HASH = /^scrypt:(\d{1,7}):(\d{1,3}):(\d{1,3}):([A-Za-z0-9+/]{8,}=*):([A-Za-z0-9+/]{16,}=*)$/

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, HASH_BYTES, COST)
  return `scrypt:${COST.N}:${COST.r}:${COST.p}:${salt.toString('base64')}:${hash.toString('base64')}`
}

/** @param passwordHash undefined for a user who has none; the work is done all the same, so that the time tells nothing */
export async function verifyPassword(password: string, passwordHash: string | undefined): Promise<boolean> {
  const match = PASSWORD_HASH.exec(passwordHash ?? '')
  if (match === null) {
    await derive(password, Buffer.alloc(16), HASH_BYTES, COST)
    return false
  }
  const [, N, r, p, salt = '', hash = ''] = match
  const expected = Buffer.from(hash, 'base64')
  const options = { N: Number(N), r: Number(r), p: Number(p) }
  const found = await derive(password, Buffer.from(salt, 'base64'), expected.length, options)
  // HMAC fills short keys with NULs: a password and the same one with a NUL behind it have one hash.
  return timingSafeEqual(found, expected) && !password.includes('\0')
}

function derive(password: string, salt: Buffer, lengthBytes: number, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, lengthBytes, { ...options, maxmem: MAX_MEMORY_BYTES }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}
