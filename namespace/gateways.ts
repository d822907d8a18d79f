import { Type as T } from 'typebox'
import { Value } from 'typebox/value'
import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls } from './files.ts'
import { join, state } from './layout.ts'
import { writeWhole } from './record-store.ts'

/** A gateway as others of the same tree see it. Two with the same `client` share their caches and cannot contradict each other. */
export type GatewaySelf = {
  /** Host name and device of the mount. */
  readonly client: string
  /** Why this mount must not be one of several, in a sentence; undefined: it may be. */
  readonly fault: string | undefined
}

export type Announced = { stop(): Promise<void> }

type Options = { readonly flush: boolean; readonly nonce: () => string; readonly problems: (message: string) => void }

const Lease = T.Object({ client: T.String(), fault: T.Optional(T.String()) })

/** A lease is renewed every so often, and believed for three times as long. */
const renewMs = 20_000
const leaseMs = 3 * renewMs

/**
 * Tells the other gateways of the tree about this one, by a file in `.causeway/leases/` that is written again while it lives. Throws
 * InvalidRequest with one sentence where one of the mounts would have several gateways contradict each other.
 *
 * Two that start in the same moment both see the other's lease: each writes before it looks.
 */
export async function announce(calls: FileCalls, self: GatewaySelf, options: Options): Promise<Announced> {
  await calls.makeDirectory(state.leases, 0o700)
  const path = join(state.leases, `${options.nonce()}.json`)
  const bytes = Buffer.from(`${JSON.stringify(self)}\n`)
  const renew = (): Promise<void> => writeWhole(calls, path, bytes, options)
  await renew()
  try {
    await requireCoherence(calls, path, self)
  } catch (error) {
    await calls.unlink(path)
    throw error
  }
  const timer = setInterval(() => {
    renew().catch((error: unknown) => options.problems(String(error)))
  }, renewMs).unref()
  return {
    async stop() {
      clearInterval(timer)
      await calls.unlink(path)
    },
  }
}

async function requireCoherence(calls: FileCalls, own: string, self: GatewaySelf): Promise<void> {
  for (const other of await liveLeases(calls, own)) {
    if (other.client === self.client) continue
    const fault = self.fault ?? other.fault
    if (fault === undefined) continue
    const whose = self.fault === undefined ? `The gateway on ${other.client}` : 'This gateway'
    const message = `${whose} cannot be one of several of this tree (the other is ${self.fault === undefined ? self.client : other.client}): ${fault}`
    throw new NamespaceError('InvalidRequest', { message })
  }
}

/** By the file system's own clock: one's own lease was written just now. */
async function liveLeases(calls: FileCalls, own: string): Promise<readonly GatewaySelf[]> {
  const now = (await calls.statPath(own))?.mtimeNs ?? 0n
  const scan = await calls.scan(state.leases)
  const found: GatewaySelf[] = []
  for (let index = 0; index < scan.count; index += 1) {
    const path = join(state.leases, scan.name(index).toString('utf8'))
    if (path === own) continue
    const written = (await calls.statPath(path))?.mtimeNs
    if (written === undefined) continue
    const self = await readLease(calls, path)
    // Half of a lease goes like a whole one: a crash has left it.
    if (now - written >= BigInt(leaseMs) * 1_000_000n) await calls.unlink(path)
    else if (self !== undefined) found.push({ fault: undefined, ...self })
  }
  return found
}

async function readLease(calls: FileCalls, path: string) {
  try {
    const found = await calls.find(path, { attribute: 'user.none', bodyBytesMax: 4096, keepOpen: false })
    const self: unknown = JSON.parse(found?.body?.toString('utf8') ?? 'null')
    return Value.Check(Lease, self) ? self : undefined
  } catch (error) {
    // Half of a lease, or one that has just gone.
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ESTALE')) return undefined
    throw error
  }
}
