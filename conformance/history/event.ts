/** What is written down of each call, one JSON line each: enough to check a history again without the gateways. */

/** What a client saw of an object. */
export type Seen = {
  /** MD5 of the body, hex; undefined for HEAD. */
  readonly content?: string
  /** Of the body, or what Content-Length says. */
  readonly sizeBytes: number
  /** As answered, without quotes; undefined for a file user. */
  readonly eTag?: string
  readonly meta?: string
  /** Cache-Control, which S3 writers set to the id as well. */
  readonly cacheControl?: string
  /** Does x-amz-checksum-crc32 say what the body's CRC32 is? undefined without the header. */
  readonly checksumFits?: boolean
  /** Whose bytes the body is made of, where it is not that of a single write. */
  readonly writers?: readonly string[]
}

export type Listed = { readonly key: string; readonly eTag: string; readonly sizeBytes: number }

export type Outcome =
  /** Answered with success. */
  | 'done'
  /** Answered with a refusal that tells of the key: 412, 404. It did nothing. */
  | 'refused'
  /** No answer, or one that says a server between had none: perhaps, and perhaps later. */
  | 'unknown'
  /** It cannot have done anything, and tells nothing. */
  | 'nothing'

export type Call = {
  /** Position in the history. */
  readonly event: number
  readonly client: string
  /** Number of the gateway; -1 for a file user. */
  readonly gateway: number
  /** Microseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
  readonly startUs: number
  readonly endUs: number
  readonly outcome: Outcome
  readonly status?: number
  readonly code?: string
  readonly requestId?: string
  /** What an unknown outcome was, in words. */
  readonly error?: string
}

/** `content`: of a foreign ETag, the bytes that it was seen with. */
export type Condition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'match'; readonly eTag: string; readonly content?: string }

export type Event = Call &
  (
    | {
        /** `complete`: of a multipart upload; from the first Complete to the answer to the last. */
        readonly kind: 'put' | 'complete'
        readonly key: string
        readonly condition?: Condition
        readonly made: {
          readonly content: string
          readonly sizeBytes: number
          readonly meta: string
          readonly eTag: string
        }
        /** ETag of the answer. */
        readonly answered?: string
      }
    | { readonly kind: 'delete'; readonly key: string; readonly condition?: Condition }
    | {
        readonly kind: 'copy'
        readonly key: string
        readonly source: string
        /** undefined: taken over from the source. */
        readonly meta?: string
        readonly condition?: Condition
        /** ETag of the answer: MD5 of the bytes that were copied. */
        readonly answered?: string
      }
    /** A copy onto itself with new metadata. */
    | { readonly kind: 'metadata'; readonly key: string; readonly meta: string; readonly answered?: string }
    | { readonly kind: 'get' | 'head'; readonly key: string; readonly seen?: Seen }
    | {
        readonly kind: 'list'
        readonly prefix: string
        readonly delimiter: string
        /** The page begins after this key or common prefix; '' for the first. */
        readonly after: string
        /** It ends with this one; undefined for the last page. */
        readonly last?: string
        readonly listed?: readonly Listed[]
        readonly prefixes?: readonly string[]
      }
    | {
        /** By temporary and rename(2), or by writing into the file that is there. */
        readonly kind: 'file-rename' | 'file-rewrite'
        readonly key: string
        readonly id: string
        readonly made: { readonly content: string; readonly sizeBytes: number }
      }
    | { readonly kind: 'file-unlink'; readonly key: string }
    | { readonly kind: 'file-read'; readonly key: string; readonly seen?: Seen }
  )

/** Microseconds; the same for every process of this machine. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n)
