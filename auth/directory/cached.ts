import { LRUCache } from 'lru-cache'
import type { Directory } from './directory.ts'

/**
 * Remembers answers about access keys, users of sessions and uids for a moment, "there is none" included; many requests at once ask the directory once.
 * Errors are not remembered, passwords never.
 *
 * @param ttlMs how long after it was *asked* an answer holds. Together with what the directory itself is late, it must stay
 *   below the 2 seconds within which a removed key or user is out.
 */
export function cachedDirectory(directory: Directory, { ttlMs = 750 }: { ttlMs?: number } = {}): Directory {
  const byAccessKey = remembered((id: string) => directory.findByAccessKey(id), ttlMs)
  const byUserId = remembered((id: string) => directory.findByUserId(id), ttlMs)
  const byUid = remembered((uid: number) => directory.findByUid(uid), ttlMs)
  return {
    findByAccessKey: byAccessKey.find,
    findByUserId: byUserId.find,
    authenticate: (name, password) => directory.authenticate(name, password),
    findByCanonicalId: (canonicalId) => directory.findByCanonicalId(canonicalId),
    findByEmail: (address) => directory.findByEmail(address),
    findByUid: byUid.find,
    async close() {
      byUid.forget()
      byAccessKey.forget()
      byUserId.forget()
      await directory.close()
    },
  }
}

type Found<Answer> = Answer | undefined | Promise<Answer | undefined>

function remembered<Name extends string | number, Answer>(ask: (name: Name) => Found<Answer>, ttlMs: number) {
  const answers = new LRUCache<Name, { readonly found: Answer | undefined }>({
    max: 10_000,
    ttl: ttlMs,
    ttlResolution: 0,
    async fetchMethod(name, _stale, { options }) {
      const asked = performance.now()
      const found = await ask(name)
      // The cache counts from the answer; a slow directory's answer was true when it was asked.
      options.ttl = Math.max(1, ttlMs - (performance.now() - asked))
      return { found }
    },
  })
  return {
    find(name: Name): Found<Answer> {
      const known = answers.get(name)
      return known === undefined ? answers.fetch(name).then((answer) => answer?.found) : known.found
    },
    forget: () => answers.clear(),
  }
}
