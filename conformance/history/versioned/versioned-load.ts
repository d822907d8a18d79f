/** Many clients on one versioned bucket until enough has been done; every call is written down. */
import { randomBytes } from 'node:crypto'
import { type Random, randomOf } from '../../random.ts'
import { connectTo, type Endpoint } from '../endpoint.ts'
import { createRecorder, type Recorder } from '../recorder.ts'
import { type Bounds, runUsers } from '../run-users.ts'
import { createKnownVersions } from './known-versions.ts'
import type { VersionedEvent } from './versioned-event.ts'
import { createVersionedUser, VERSIONED_KEYS, type VersionedUser } from './versioned-user.ts'

type VersionedRecorder = Recorder<VersionedEvent>

export type VersionedLoadOptions = Bounds<VersionedRecorder> & {
  readonly endpoints: readonly Endpoint[]
  readonly bucket: string
  /** As create-versioned-bucket.ts says. */
  readonly hasLock: boolean
  readonly clients: number
  readonly seed: number
  /** Before everything is looked at a last time: ends what goes wrong, so that this is answered. */
  readonly beforeLast?: () => Promise<void>
  /** Of one request. Longer than a gateway is paused. */
  readonly timeoutMs?: number
}

/** Resolves when the last call has ended and every version has been looked at: listed by every gateway, then read by its id. */
export async function runVersionedLoad(
  options: VersionedLoadOptions,
  recorder: VersionedRecorder = createRecorder<VersionedEvent>(),
): Promise<VersionedRecorder> {
  const { endpoints, bucket, hasLock, clients, seed, timeoutMs = 60_000 } = options
  const perGateway = Math.ceil(clients / endpoints.length) + 2
  const connections = endpoints.map((endpoint) => connectTo(endpoint, perGateway, timeoutMs))
  const shared = { bucket, hasLock, known: createKnownVersions(), lastSeen: new Map<string, string>() }
  // Two runs on one bucket must not know each other's bytes.
  const run = randomBytes(2).toString('hex')

  const userOf = (gateway: number, name: string, random: Random): VersionedUser => {
    const client = connections[gateway]
    if (client === undefined) throw new Error(`there is no gateway ${gateway}`)
    return createVersionedUser({
      ...shared,
      client,
      name,
      random,
      tell: (told) => recorder.record(name, gateway, told),
    })
  }

  const users = Array.from({ length: clients }, (_, index) =>
    userOf(index % endpoints.length, `${run}-c${index}`, randomOf(seed + index)),
  )
  try {
    await runUsers(users, recorder, options)
    await options.beforeLast?.()
    await lookAtAll(endpoints.map((_, gateway) => userOf(gateway, `${run}-last${gateway}`, randomOf(seed))))
  } finally {
    await Promise.all(connections.map((client) => client.close()))
  }
  return recorder
}

const AT_ONCE = 8

async function lookAtAll(users: readonly VersionedUser[]): Promise<void> {
  const [first] = users
  if (first === undefined) return
  for (const user of users) {
    await Promise.all(VERSIONED_KEYS.map((key) => user.get(key)))
    await user.list()
    await user.listVersions(1000, true)
  }
  // Again, in pages: what one page has must be on small ones too.
  const all = [...(await first.listVersions(37, true))]
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, index) => {
      const user = users[index % users.length]
      for (let version = all.pop(); version !== undefined; version = all.pop()) {
        await user?.get(version.key, version.versionId)
        if (!version.isMarker) await user?.getTags(version)
      }
    }),
  )
}
