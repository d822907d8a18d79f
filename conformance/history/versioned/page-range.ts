import type { EventOf, PageMark } from './versioned-event.ts'

type Place = { readonly key: string; readonly versionId: string }

export type PageRange = {
  /** It belongs on the page, if it is there. */
  has(version: Place): boolean
  /** All versions of the key do. */
  isWhole(key: string): boolean
}

/** Of a page of ListObjectVersions: keys in order, of each the newest version (that of the greatest id) first. */
export function pageRange({ after, last }: Pick<EventOf<'list-versions'>, 'after' | 'last'>): PageRange {
  const isBehind = ({ key, versionId }: Place, mark: PageMark): boolean =>
    key === mark.key ? mark.versionId !== '' && versionId < mark.versionId : key > mark.key
  return {
    has: (version) => isBehind(version, after) && (last === undefined || !isBehind(version, last)),
    isWhole: (key) => key > after.key && (last === undefined || key < last.key),
  }
}
