import type { VersionFacts } from './versions.ts'

/**
 * The same versions, each with no more time than its id leaves it: what nobody deleted before an older one had come has come after it. Who was
 * answered seconds late, since a gateway stood still, would otherwise be tried at every moment of them.
 */
export function inOrderOfIds(versions: readonly VersionFacts[]): readonly VersionFacts[] {
  return [...Map.groupBy(versions, ({ key }) => key).values()].flatMap((own) =>
    own.map((version) => {
      const { versionId, start, end } = version
      const isAmong = (newer: VersionFacts, older: VersionFacts): boolean =>
        newer.versionId > older.versionId && (newer.gone === undefined || newer.gone.start > older.end)
      const older = own.filter((other) => other.versionId < versionId && isAmong(version, other))
      const newer = own.filter((other) => isAmong(other, version))
      const from = Math.max(start, ...older.map((other) => other.start))
      const to = Math.min(end, ...newer.map((other) => other.end))
      // Times that contradict each other are for the checker, which tells with what.
      return from <= to ? { ...version, start: from, end: to } : version
    }),
  )
}
