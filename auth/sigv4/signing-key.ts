import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { CredentialScope } from './credential-scope.ts'

/**
 * The key of one secret for one day, region and service: four HMACs that every request of the day would repeat.
 * A KeyObject, because OpenSSL takes it several times faster than raw bytes (2 µs against 14 µs an HMAC).
 */
export function signingKey(secret: string, scope: Pick<CredentialScope, 'date' | 'region' | 'service'>): KeyObject {
  const name = `${scope.date}/${scope.region}/${scope.service}/${secret}`
  const known = cache.get(name)
  if (known !== undefined) return known
  const dateKey = hmac(`AWS4${secret}`, scope.date)
  const key = createSecretKey(hmac(hmac(hmac(dateKey, scope.region), scope.service), 'aws4_request'))
  cache.set(name, key)
  return key
}

/** Lower-case hex. */
export function sign(key: KeyObject, stringToSign: string): string {
  return createHmac('sha256', key).update(stringToSign).digest('hex')
}

const cache = new LRUCache<string, KeyObject>({ max: 1000 })

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
