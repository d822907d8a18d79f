/** What is written down of each call to a versioned bucket. All S3 clients' calls; file users do not write there. */
import type { Call, Condition, Seen } from '../event.ts'

/** When retention ends: as it was asked for, and on the clock of the events. */
export type Retention = { readonly untilMs: number; readonly untilUs: number }

/** What a write gives its version. */
export type Made = {
  /** x-amz-meta-id and Cache-Control; unique among all writes. */
  readonly meta: string
  /** Value of the tag `w`. */
  readonly tag: string
  readonly isHeld: boolean
  readonly retention?: Retention
}

export type Body = { readonly content: string; readonly sizeBytes: number; readonly eTag: string }

export type SeenVersion = Seen & {
  readonly versionId: string
  readonly isHeld: boolean
  /** x-amz-object-lock-retain-until-date. */
  readonly untilMs?: number
}

export type ListedVersion = {
  readonly key: string
  readonly versionId: string
  readonly isMarker: boolean
  readonly isLatest: boolean
  /** '' and 0 of a marker. */
  readonly eTag: string
  readonly sizeBytes: number
}

/** Where a page begins or ends: behind this version; '' of both: at the first one. */
export type PageMark = { readonly key: string; readonly versionId: string }

export type VersionedEvent = Call & { readonly key: string } & (
    | {
        readonly kind: 'put' | 'complete'
        readonly made: Made
        readonly body: Body
        readonly condition?: Condition
        /** Of the answer, as its ETag. */
        readonly versionId?: string
        readonly answered?: string
      }
    | {
        readonly kind: 'copy'
        readonly made: Made
        readonly source: { readonly key: string; readonly versionId?: string }
        readonly versionId?: string
        /** ETag of the answer: MD5 of the bytes that were copied. */
        readonly answered?: string
        /** Of the answer: what was copied. */
        readonly copied?: string
      }
    /** `versionId`: of the marker that was made. */
    | { readonly kind: 'delete'; readonly condition?: Condition; readonly versionId?: string }
    | { readonly kind: 'delete-version'; readonly versionId: string }
    | {
        readonly kind: 'get' | 'head'
        /** Asked for; undefined: the current one. */
        readonly versionId?: string
        readonly seen?: SeenVersion
        /** Of a 404: the delete marker that it names. */
        readonly marker?: string
      }
    | { readonly kind: 'tag'; readonly versionId: string; readonly tag: string }
    | { readonly kind: 'get-tags'; readonly versionId: string; readonly seenTag?: string }
    | { readonly kind: 'hold'; readonly versionId: string; readonly isHeld: boolean }
    | {
        /** A page of ListObjectVersions; `key` is ''. */
        readonly kind: 'list-versions'
        readonly after: PageMark
        /** undefined: the last page. */
        readonly last?: PageMark
        readonly listed?: readonly ListedVersion[]
        /** Nothing else was under way. */
        readonly isQuiet: boolean
      }
    /** ListObjectsV2 of everything; `key` is ''. */
    | { readonly kind: 'list'; readonly listed?: readonly { readonly key: string; readonly eTag: string }[] }
  )

export type EventOf<Kind extends VersionedEvent['kind']> = Extract<VersionedEvent, { readonly kind: Kind }>

/** What brings a version about. */
export type WriteEvent = EventOf<'put' | 'complete' | 'copy' | 'delete'>
