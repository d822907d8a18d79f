import { NamespaceError } from './errors.ts'
import { type Expired, expire } from './expire.ts'
import { state } from './layout.ts'
import { writeWhole } from './record-store.ts'
import { type Swept, sweep } from './sweep.ts'
import type { Tree } from './tree.ts'

/** Sweeps, unless another gateway of the tree is at it, or was within `everyMs`: then undefined. */
export function upkeep(tree: Tree, everyMs: number): Promise<Swept | undefined> {
  return inTurn(tree, { lock: '\0upkeep', mark: state.swept, everyMs }, () => sweep(tree))
}

/** Carries out the lifecycle rules, unless another gateway of the tree is at it, or was within `everyMs`: then undefined. */
export function lifecycle(
  tree: Tree,
  { everyMs, dayMs }: { readonly everyMs: number; readonly dayMs: number },
): Promise<Expired | undefined> {
  return inTurn(tree, { lock: '\0lifecycle', mark: state.expired, everyMs }, () => expire(tree, dayMs))
}

type Turn = { readonly lock: string; readonly mark: string; readonly everyMs: number }

/**
 * Whose turn it is holds a lock, which the file system takes from a gateway that has died. One that was paused may go on beside its successor:
 * each removal looks again.
 */
async function inTurn<Result>(
  tree: Tree,
  { lock, mark, everyMs }: Turn,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await tree.bucketLocks.hold(lock, 'exclusive', async () => {
      if (await wasDoneWithin(tree, mark, everyMs)) return undefined
      const result = await work()
      await writeWhole(tree.service, mark, Buffer.from(`${JSON.stringify(result)}\n`), tree.options)
      return result
    })
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'SlowDown') return undefined
    throw error
  }
}

/** By times of the file system alone: a gateway's clock may be wrong. */
async function wasDoneWithin({ service, options }: Tree, mark: string, everyMs: number): Promise<boolean> {
  const last = await service.statPath(mark)
  if (last === undefined) return false
  const now = `${mark}.${options.nonce()}.now`
  const descriptor = await service.create(now, 0o600, true)
  try {
    const { mtimeNs } = await service.stat(descriptor)
    return mtimeNs - last.mtimeNs < BigInt(everyMs) * 1_000_000n
  } finally {
    await service.close(descriptor)
    await service.unlink(now)
  }
}
