/** Several gateways on one local tree, each with nginx, pool and state of its own: what several machines on one mount are. */
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
  /** Of each. */
  readonly workers?: number
  /** What starts one. Default scripts/start. */
  readonly program?: readonly string[]
  readonly durability?: 'strict' | 'relaxed'
}

export async function startGateways(options: GatewaysOptions = {}): Promise<Gateways> {
  const { count = 2, workers = 2, program, durability = 'strict' } = options
  const instances: Instance[] = []
  const stop = async () => {
    // The first one has the tree.
    for (const instance of instances.splice(0).reverse()) await instance.stop()
  }
  try {
    for (let index = 0; index < count; index++) {
      const [first] = instances
      const config = { namespace: { durability, ...(first && { root: first.tree }) } }
      instances.push(
        await startInstance({ workers, config, ...(program && { program }), ...(first && { beside: first }) }),
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
