/**
 * Ids under which somebody owns things: their own, and one for each of their groups. S3 knows one owner, a canonical id; a group has one as well,
 * and who is in the group is its owner's equal.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Group } from './group.ts'
import type { Person } from './person.ts'

/** A group as the owner of a bucket. In a Windows domain it is its SID: one that is made again with the name owns nothing of it. */
export function groupOwner({ name, sid }: Group): { readonly canonicalId: string; readonly displayName: string } {
  return { canonicalId: canonicalIdOfGroup(sid ?? name), displayName: `group:${name}` }
}

/** Whether what belongs to this canonical id is theirs. undefined: an anonymous caller, who owns nothing. */
export function isOwner(person: Person | undefined, ownerId: string): boolean {
  return person !== undefined && (person.canonicalId === ownerId || owningGroup(person, ownerId) !== undefined)
}

/** The SID, or without one the name, of the group of theirs that has this canonical id. */
export function owningGroup({ sid, groups, groupSids = [] }: Person, ownerId: string): string | undefined {
  return groupsByOwnerId(sid === undefined ? groups : groupSids).get(ownerId)
}

type GroupsByOwnerId = ReadonlyMap<string, string>

/** For each list of groups, which the directory keeps while it holds: every request asks, and somebody may be in a thousand. */
const known = new WeakMap<readonly string[], GroupsByOwnerId>()

function groupsByOwnerId(groups: readonly string[]): GroupsByOwnerId {
  const found = known.get(groups) ?? new Map(groups.map((group) => [canonicalIdOfGroup(group), group]))
  known.set(groups, found)
  return found
}

const canonicalIds = new LRUCache<string, string>({ max: 10_000 })

/** @param group a SID, or a name where groups have none */
function canonicalIdOfGroup(group: string): string {
  const id = canonicalIds.get(group) ?? createHash('sha256').update(`causeway group ${group}`).digest('hex')
  canonicalIds.set(group, id)
  return id
}
