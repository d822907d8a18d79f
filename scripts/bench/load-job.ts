/** What bench.ts and the process that makes the load (load.ts) tell each other over IPC. */

/** A request, signed already: what a run costs the client is sending and receiving. */
export type LoadRequest = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Path and query as they go on the wire. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
}

export type LoadJob = {
  /** http://127.0.0.1:8080 */
  readonly origin: string
  /** PEM of the authority to trust; undefined for http and for certificates that the system trusts. */
  readonly authority: string | undefined
  /** Each sends its next request when it has the answer to the one before. */
  readonly connections: number
  /** In turn, from the first again after the last. */
  readonly requests: readonly LoadRequest[]
  /** Of each request's body, `fillerBody` in body.ts. */
  readonly bodyBytes: number
  /** No request begins after this many seconds; those under way are waited for, and counted. */
  readonly seconds: number
  /** Nor more than so many requests. */
  readonly most: number
}

export type LoadResult = {
  readonly requests: number
  /** Bytes of bodies that arrived. */
  readonly receivedBytes: number
  /** From the first request to the last answer. */
  readonly seconds: number
  /** User and system time of the load process in these seconds. */
  readonly cpuMs: number
  /** What the first of the requests that were not answered 2xx got. */
  readonly failure: string | undefined
  readonly failures: number
}

export type ToLoad = { readonly kind: 'job'; readonly job: LoadJob } | { readonly kind: 'go' }
/** `ready`: every connection is open and has had an answer. */
export type FromLoad = { readonly kind: 'ready' } | { readonly kind: 'done'; readonly result: LoadResult }
