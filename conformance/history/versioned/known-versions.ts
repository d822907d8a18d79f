import type { Random } from '../../random.ts'

export type KnownVersion = { readonly key: string; readonly versionId: string; readonly isMarker: boolean }

/** What the clients of a run have been told of versions, shared: each deletes and reads what others have made. */
export type KnownVersions = {
  /** Ids that somebody was told are gone do not come back. */
  add(version: KnownVersion): void
  remove(version: Pick<KnownVersion, 'key' | 'versionId'>): void
  /** One of the newest as a rule, seldom any; undefined: none is known. */
  pick(key: string, random: Random, isWanted?: (version: KnownVersion) => boolean): KnownVersion | undefined
  /** One of those that were deleted last. */
  pickGone(key: string, random: Random): KnownVersion | undefined
}

const NEWEST = 3
const RECENT = 12
const GONE_KEPT = 20

export function createKnownVersions(): KnownVersions {
  const there = new Map<string, Map<string, KnownVersion>>()
  const gone = new Map<string, KnownVersion[]>()
  const goneIds = new Set<string>()
  const of = (key: string): Map<string, KnownVersion> => {
    const known = there.get(key) ?? new Map<string, KnownVersion>()
    there.set(key, known)
    return known
  }
  const oneOf = (versions: readonly KnownVersion[], random: Random): KnownVersion | undefined =>
    versions.length === 0 ? undefined : random.pick(versions)
  return {
    add(version) {
      if (!goneIds.has(version.versionId)) of(version.key).set(version.versionId, version)
    },
    remove({ key, versionId }) {
      goneIds.add(versionId)
      const version = of(key).get(versionId)
      if (version === undefined) return
      of(key).delete(versionId)
      gone.set(key, [...(gone.get(key) ?? []).slice(1 - GONE_KEPT), version])
    },
    pick(key, random, isWanted = () => true) {
      const all = [...of(key).values()].filter(isWanted)
      const chance = random.next()
      if (chance < 0.45) return oneOf(all.slice(-NEWEST), random)
      return oneOf(chance < 0.85 ? all.slice(-RECENT) : all, random)
    },
    pickGone: (key, random) => oneOf(gone.get(key) ?? [], random),
  }
}
