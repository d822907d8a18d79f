import { LRUCache } from 'lru-cache'
import type { Directory, SecretAndIdentity } from './directory.ts'

/**
 * Remembers answers about access keys for a moment, "there is none" included; many requests at once ask the directory once. Errors are not
 * remembered, passwords never.
 *
 * @param ttlMs how long after it was *asked* an answer holds. Together with what the directory itself is late, it must stay
 *   below the 2 seconds within which a removed key or user is out.
 */
export function cachedDirectory(directory: Directory, { ttlMs = 750 }: { ttlMs?: number } = {}): Directory {
  const answers = new LRUCache<string, Answer>({
    max: 10_000,
    ttl: ttlMs,
    ttlResolution: 0,
    async fetchMethod(accessKeyId, _stale, { options }) {
      const asked = performance.now()
      const found = await directory.findByAccessKey(accessKeyId)
      // The cache counts from the answer; a slow directory's answer was true when it was asked.
      options.ttl = Math.max(1, ttlMs - (performance.now() - asked))
      return { found }
    },
  })
  return {
    findByAccessKey(accessKeyId) {
      const known = answers.get(accessKeyId)
      return known === undefined ? answers.fetch(accessKeyId).then((answer) => answer?.found) : known.found
    },
    authenticate: (name, password) => directory.authenticate(name, password),
    findByCanonicalId: (canonicalId) => directory.findByCanonicalId(canonicalId),
    findByEmail: (address) => directory.findByEmail(address),
    async close() {
      answers.clear()
      await directory.close()
    },
  }
}

type Answer = { readonly found: SecretAndIdentity | undefined }
