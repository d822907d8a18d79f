import type { OpenUpload } from './power-loss-judge.ts'

/** What the host has a guest do in one boot. */
export type Task = {
  readonly boot: number
  readonly seed: number
  readonly durability: 'strict' | 'relaxed'
  /** `nfs`: a gateway on each of the two mounts. `local`: both on the server's own file system. */
  readonly on: 'nfs' | 'local'
  /** To be looked at. */
  readonly keys: readonly string[]
  readonly uploads: readonly OpenUpload[]
  /** The left-overs of the cuts until here are to be cleared away. */
  readonly clears: boolean
  readonly loads: boolean
}
