/**
 * Several gateways of one tree, each with nginx, pool and state of its own: on a local tree what several machines on one mount are, or on the mounts of
 * several machines.
 */
import { type Instance, startInstance } from '../instance.ts'
import type { Endpoint } from './endpoint.ts'

export type Gateways = {
  readonly instances: readonly Instance[]
  readonly endpoints: readonly Endpoint[]
  readonly tree: string
  stop(): Promise<void>
}

export type GatewaysOptions = {
  readonly count?: number
  /** The tree as each of them sees it, instead of `count` on a new one; it stays when they go. */
  readonly roots?: readonly { readonly root: string; readonly publishRoot?: string | undefined }[]
  /** Of each. */
  readonly workers?: number
  /** What starts one. Default scripts/start. */
  readonly program?: readonly string[]
  readonly durability?: 'strict' | 'relaxed'
  /** How long a call to the tree may take, where that is on a server. Default: the product's. */
  readonly callTimeoutSeconds?: number | undefined
}

export async function startGateways(options: GatewaysOptions = {}): Promise<Gateways> {
  const { count = 2, workers = 2, program, durability = 'strict', callTimeoutSeconds } = options
  const { roots = Array.from({ length: count }, () => undefined) } = options
  const instances: Instance[] = []
  const stop = async () => {
    // The first one has the tree.
    for (const instance of instances.splice(0).reverse()) await instance.stop()
  }
  try {
    for (const place of roots) {
      const [first] = instances
      const publishing = place?.publishRoot !== undefined && { publish_root: place.publishRoot }
      const waiting = callTimeoutSeconds !== undefined && { call_timeout_seconds: callTimeoutSeconds }
      instances.push(
        await startInstance({
          workers,
          config: { namespace: { durability, ...publishing, ...waiting } },
          ...(place && { root: place.root }),
          ...(program && { program }),
          ...(first && { beside: first }),
        }),
      )
    }
  } catch (error) {
    await stop()
    throw error
  }
  const endpoints = instances.map(({ endpoint: url, region, credentials, authority }) => ({
    url,
    region,
    credentials,
    authority,
  }))
  return { instances: [...instances], endpoints, tree: instances[0]?.tree ?? '', stop }
}
