/**
 * Which user of the domain has a uid. A listing names the owners of a thousand files: each uid is one question, and "nobody" is an answer that is
 * remembered as well. That the user still has it is known-users.ts's to say, so nobody keeps files for longer than there.
 */
import { LRUCache } from 'lru-cache'

export type KnownUids = {
  /** An objectGUID; undefined: nobody. Rejects as `read` does where nothing is known that may still be used. */
  find(uid: number): Promise<string | undefined>
  /** What is known of it has turned out to be so no longer. */
  forget(uid: number): void
}

export type KnownUidsOptions = {
  readonly read: (uid: number) => Promise<string | undefined>
  /** How long an answer is used while the directory gives no other. */
  readonly graceMs: number
  /** Milliseconds of a clock that never goes back. */
  readonly now?: (() => number) | undefined
}

type Known = { readonly objectGuid: string | undefined; readonly askedAtMs: number }

const UIDS_MAX = 10_000
/** Somebody new, whose files lie there already, waits no longer for them. */
const KEPT_MS = 60_000

export function knownUids({ read, graceMs, now = () => performance.now() }: KnownUidsOptions): KnownUids {
  const known = new LRUCache<number, Known>({ max: UIDS_MAX })
  const reading = new Map<number, Promise<Known>>()

  async function readNow(uid: number): Promise<Known> {
    const askedAtMs = now()
    const fresh = { objectGuid: await read(uid), askedAtMs }
    known.set(uid, fresh)
    return fresh
  }

  function readOnce(uid: number): Promise<Known> {
    const answer = reading.get(uid) ?? readNow(uid).finally(() => reading.delete(uid))
    reading.set(uid, answer)
    return answer
  }

  return {
    async find(uid) {
      const last = known.get(uid)
      if (last !== undefined && now() - last.askedAtMs <= KEPT_MS) return last.objectGuid
      try {
        return (await readOnce(uid)).objectGuid
      } catch (error) {
        if (last === undefined || now() - last.askedAtMs > graceMs) throw error
        return last.objectGuid
      }
    },
    forget: (uid) => known.delete(uid),
  }
}
