import pLimit from 'p-limit'
import type { Directory } from '#auth'
import { type Owner, uidOfFileUser } from '#namespace'

/** Questions of one page under way: requests of others, who want to sign in, use the same connection. */
const QUESTIONS_MAX = 16
const WAIT_MS = 1000

/**
 * Who the owners of a page's entries are: of files that only file users have written the user of the uid, whatever the bucket does with ownership, since
 * that is who wrote them. Each uid is one question. Never rejects: where there is no such user, or no answer in time, it stays `uid-…`.
 */
export async function listedOwners(
  owners: Iterable<Owner>,
  directory: Pick<Directory, 'findByUid'>,
  { waitMs = WAIT_MS }: { readonly waitMs?: number } = {},
): Promise<(owner: Owner) => Owner> {
  const uids = new Map<string, number>()
  for (const owner of new Map([...owners].map((each) => [each.canonicalId, each])).values()) {
    const uid = uidOfFileUser(owner)
    if (uid !== undefined) uids.set(owner.canonicalId, uid)
  }
  const users = new Map<string, Owner>()
  const limited = pLimit(QUESTIONS_MAX)
  const answers = [...uids].map(([id, uid]) =>
    limited(async () => {
      const user = await directory.findByUid(uid)
      if (user !== undefined) users.set(id, { canonicalId: user.canonicalId, displayName: user.displayName })
    }),
  )
  if (answers.length > 0) await inTime(Promise.allSettled(answers), waitMs)
  return (owner) => users.get(owner.canonicalId) ?? owner
}

async function inTime(answers: Promise<unknown>, waitMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, waitMs)
  await Promise.race([answers, promise])
  clearTimeout(timer)
}
