/** Which keys somebody signs with, and whether one works, for a person. */
import { type AccessKey, worksAt } from '#auth'

/** `keys`: those of the user. */
export function keysLine(keys: readonly AccessKey[], now: Date): string {
  const working = keys.filter((key) => worksAt(key, now))
  const listed = working.map(({ accessKeyId, expires }) => `${accessKeyId}${endOf(expires)}`)
  return `access keys: ${listed.length === 0 ? 'none that works' : listed.join(', ')}`
}

export function keyLine(key: AccessKey, now: Date): string {
  const why = whyKeyFails(key, now)
  return `access key: ${key.accessKeyId}, ${why ?? `enabled${endOf(key.expires)}`}`
}

/** undefined: it works. */
export function whyKeyFails(key: AccessKey, now: Date): string | undefined {
  if (worksAt(key, now)) return undefined
  return key.disabled ? 'disabled' : `over since ${key.expires?.toISOString()}`
}

const endOf = (expires: Date | undefined): string => (expires === undefined ? '' : ` (ends ${expires.toISOString()})`)
