/** What pool and workers say to each other over the IPC channel of child_process.fork. Plain JSON. */
import type { MetricObject } from 'prom-client'
import type { RootTrouble } from '#namespace'
import type { Config } from './config.ts'

export type ToWorker =
  /** The first message. `index` names the worker's place, not its process: a replacement has the same. */
  | { readonly kind: 'start'; readonly config: Config; readonly index: number }
  /** With a socket: serve this connection, and answer `taken`. */
  | { readonly kind: 'connection'; readonly id: number }
  /** Finish what has begun, answer what still comes on open connections with `Connection: close`, then exit. */
  | { readonly kind: 'drain' }
  /** As drain, but idle connections are closed at once: nobody is in front any more. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'reopen-logs' }
  | { readonly kind: 'metrics'; readonly id: number }

export type FromWorker =
  /** Connections may come. */
  | { readonly kind: 'ready' }
  /** It cannot start; `message` is for a person. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'taken'; readonly id: number }
  /** Roots that do not answer, all there are: with each change. */
  | { readonly kind: 'roots'; readonly troubles: readonly RootTrouble[] }
  | { readonly kind: 'metrics'; readonly id: number; readonly metrics: readonly MetricObject[] }
