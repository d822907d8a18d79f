import type { LoadRequest } from './load-job.ts'
import type { ProcessorTime } from './processor-time.ts'
import type { Wanted } from './signed-request.ts'

export type Scheme = 'https' | 'http'

/** Something that is measured: nginx over the files, the gateway, another S3 endpoint. */
export type Server = {
  /** As it stands in the table. */
  readonly name: string
  /** nginx serves files and knows no S3: it takes part in what a file server can do. */
  readonly isS3: boolean
  /** nginx without `sendfile`: it takes part where large bodies are read. Default: no. */
  readonly isCopying?: boolean
  /** What scenarios about writing are told apart by; undefined where nobody knows. */
  readonly durability?: 'strict' | 'relaxed'
  readonly schemes: readonly Scheme[]
  origin(scheme: Scheme): string
  /** PEM; undefined where the system's own are enough. */
  readonly authority: string | undefined
  /** Signed, where it is S3. */
  request(wanted: Wanted, scheme: Scheme): LoadRequest
  /** Of all its processes; undefined for an endpoint elsewhere. */
  processorTime(): ProcessorTime | undefined
  /** The directory in which a bucket's directory lies; undefined where it cannot be reached. */
  readonly tree?: string
  /** Ends its processes. */
  stop(): Promise<void>
}
