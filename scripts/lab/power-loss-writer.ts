/** One of the writers of a power-loss test, and the bytes that it makes. */
import type { FastClient } from '../../conformance/fast-client.ts'
import type { KnownVersions } from '../../conformance/history/versioned/known-versions.ts'
import { type Random, randomBytesOf } from '../../conformance/random.ts'
import type { Description } from './power-loss-client.ts'
import type { Journal, Version } from './power-loss-journal.ts'

const MiB = 1024 * 1024

export type Writer = {
  readonly random: Random
  readonly client: FastClient
  readonly journal: Journal
  /** Unique over all boots. */
  readonly nextId: () => string
  /** As far as anybody has been told; another writer may know better. */
  readonly known: Map<string, Version>
  /** Of the versioned bucket, likewise; whether that has object lock. */
  readonly versions: { readonly known: KnownVersions; readonly hasLock: boolean }
}

const fills = [0, 0, 0, 100, 900]
const base = randomBytesOf(7, 6 * MiB)

/** No two versions have the same bytes, where there are any. */
export function bytesOf(id: string, sizeBytes: number): Buffer {
  const bytes = Buffer.from(base.subarray(0, sizeBytes))
  bytes.write(id.padEnd(24).slice(0, sizeBytes), 'latin1')
  return bytes
}

export const description = ({ random, nextId }: Writer): Description => ({
  id: nextId(),
  fill: random.pick(fills),
  contentType: `text/x-${random.below(1000)}`,
})
