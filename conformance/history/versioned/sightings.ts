import type { VersionedEvent } from './versioned-event.ts'

export type Problem = {
  readonly kind:
    | 'unexpected answer'
    /** Two writes were told the same version id. */
    | 'one id twice'
    /** A version whose writer there is not, or that is a second one of its write. */
    | 'nobody wrote'
    /** Bytes, length, ETag, checksum, metadata or retention of another version. */
    | 'mixed answer'
    /** A version that should be on a page, or should not, or stands in the wrong place. */
    | 'listing'
    /** A version went while retention or a legal hold protected it, or was refused to go when neither did. */
    | 'object lock'
    | 'tags'
    | 'no order explains'
    | 'undecided'
  readonly event: number
  readonly sentence: string
}

/** That a version is there was told by this call. */
export type Sighting = {
  readonly event: VersionedEvent
  readonly key: string
  readonly versionId: string
  readonly isMarker: boolean
  readonly meta?: string
  readonly eTag?: string
}

export function sightingsOf(event: VersionedEvent): readonly Sighting[] {
  const { key } = event
  const object = (versionId: string, more: Pick<Sighting, 'meta' | 'eTag'> = {}): readonly Sighting[] => [
    { event, key, versionId, isMarker: false, ...more },
  ]
  const marker = (versionId: string): readonly Sighting[] => [{ event, key, versionId, isMarker: true }]
  switch (event.kind) {
    case 'get':
    case 'head': {
      const { seen } = event
      if (seen !== undefined)
        return object(seen.versionId, { meta: seen.meta ?? '', ...(seen.eTag !== undefined && { eTag: seen.eTag }) })
      if (event.versionId !== undefined && event.status === 405) return marker(event.versionId)
      return event.marker === undefined ? [] : marker(event.marker)
    }
    case 'copy': {
      const { copied, source } = event
      return copied === undefined ? [] : [{ event, key: source.key, versionId: copied, isMarker: false }]
    }
    case 'tag':
    case 'get-tags':
    case 'hold':
      return event.outcome === 'done' ? object(event.versionId) : []
    case 'list-versions':
      return (event.listed ?? []).map(({ key, versionId, isMarker, eTag }) => ({
        event,
        key,
        versionId,
        isMarker,
        ...(!isMarker && { eTag }),
      }))
    default:
      return []
  }
}
