import { NamespaceError } from './errors.ts'
import { state } from './layout.ts'
import { writeWhole } from './record-store.ts'
import { type Swept, sweep } from './sweep.ts'
import type { Tree } from './tree.ts'

/**
 * Sweeps, unless another gateway of the tree is at it, or was within `everyMs`: then undefined. Whoever sweeps holds a lock, which the file system
 * takes from a gateway that has died. One that was paused may go on beside its successor: each removal looks again.
 */
export async function upkeep(tree: Tree, everyMs: number): Promise<Swept | undefined> {
  try {
    return await tree.bucketLocks.hold('\0upkeep', 'exclusive', async () => {
      if (await wasSweptWithin(tree, everyMs)) return undefined
      const swept = await sweep(tree)
      await writeWhole(tree.service, state.swept, Buffer.from(`${JSON.stringify(swept)}\n`), tree.options)
      return swept
    })
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'SlowDown') return undefined
    throw error
  }
}

/** By times of the file system alone: a gateway's clock may be wrong. */
async function wasSweptWithin({ service, options }: Tree, everyMs: number): Promise<boolean> {
  const last = await service.statPath(state.swept)
  if (last === undefined) return false
  const now = `${state.swept}.${options.nonce()}.now`
  const descriptor = await service.create(now, 0o600, true)
  try {
    const { mtimeNs } = await service.stat(descriptor)
    return mtimeNs - last.mtimeNs < BigInt(everyMs) * 1_000_000n
  } finally {
    await service.close(descriptor)
    await service.unlink(now)
  }
}
