/**
 * How many wrong passwords a client address may send: a bucket of tokens for each, and a right password gives its token back. A worker counts for
 * itself, so that the gateways of a site try at most so many times as they have workers; what a directory counts of a user holds for all together.
 */
import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'

export type PasswordTrials = {
  /** false: too many were wrong. */
  take(address: string): boolean
  giveBack(address: string): void
}

/** Addresses that are remembered. Who has more than these has more tries than any limit takes away. */
const ADDRESSES_MAX = 10_000

/** @param now milliseconds of a clock that only goes on */
export function passwordTrials(perMinute: number, now: () => number = () => performance.now()): PasswordTrials {
  const buckets = new LRUCache<string, { readonly tokens: number; readonly atMs: number }>({ max: ADDRESSES_MAX })
  const tokensOf = (client: string): number => {
    const bucket = buckets.get(client)
    if (bucket === undefined) return perMinute
    return Math.min(perMinute, bucket.tokens + ((now() - bucket.atMs) * perMinute) / 60_000)
  }
  const put = (client: string, tokens: number) => buckets.set(client, { tokens, atMs: now() })
  return {
    take(address) {
      const client = networkOf(address)
      const tokens = tokensOf(client)
      if (tokens < 1) return false
      put(client, tokens - 1)
      return true
    },
    giveBack(address) {
      const client = networkOf(address)
      put(client, Math.min(perMinute, tokensOf(client) + 1))
    },
  }
}

/** One customer has a /64 of IPv6: "2001:db8:0:1::7" → "2001:db8:0:1". */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // IPv4 in IPv6 is that one address.
  if (address.includes('.')) return address.toLowerCase()
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}
