/** Many clients and a file user on one bucket, until enough has been done; every call is written down. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Random, randomOf } from '../random.ts'
import { connectTo, type Endpoint } from './endpoint.ts'
import { createFileUser } from './file-user.ts'
import { ALL_KEYS } from './keys.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { type Bounds, runUsers } from './run-users.ts'
import { createS3User, type Habit, type S3User, type S3UserOptions } from './s3-user.ts'

export type LoadOptions = Bounds<Recorder> & {
  readonly endpoints: readonly Endpoint[]
  readonly bucket: string
  /** Where a file user finds the buckets; undefined: there is none. May be another mount of the same tree. */
  readonly filesRoot?: string | undefined
  /** The same by a mount that asks the server for each name, where `filesRoot` may remember them: what is read or rewritten is found by it. */
  readonly freshFilesRoot?: string | undefined
  readonly clients: number
  /** S3 clients write this one and no other: for what shows only where somebody always holds the lock. */
  readonly hotKey?: string | undefined
  readonly habit?: Habit | undefined
  readonly seed: number
  /** Before every key is looked at a last time: ends what goes wrong, so that these are answered. */
  readonly beforeLast?: () => Promise<void>
  /** Of one request. Longer than a gateway is paused. */
  readonly timeoutMs?: number
}

/** Resolves when the last call has ended and every key has been looked at through every gateway. */
export async function runLoad(options: LoadOptions, recorder: Recorder = createRecorder()): Promise<Recorder> {
  const { endpoints, bucket, filesRoot, clients, seed, timeoutMs = 60_000 } = options
  const perGateway = Math.ceil(clients / endpoints.length) + 2
  const connections = endpoints.map((endpoint) => connectTo(endpoint, perGateway, timeoutMs))
  const shared = { bucket, lastSeen: new Map(), written: new Set<string>() }
  // Two runs on one bucket must not know each other's bytes.
  const run = randomBytes(2).toString('hex')

  const userOf = (gateway: number, name: string, random: Random): S3User => {
    const client = connections[gateway]
    if (client === undefined) throw new Error(`there is no gateway ${gateway}`)
    const userOptions: S3UserOptions = {
      ...shared,
      hotKey: options.hotKey,
      habit: options.habit,
      client,
      name,
      random,
      tell: (told) => recorder.record(name, gateway, told),
    }
    return createS3User(userOptions)
  }

  const users: { step(): Promise<void> }[] = Array.from({ length: clients }, (_, index) =>
    userOf(index % endpoints.length, `${run}-c${index}`, randomOf(seed + index)),
  )
  if (filesRoot !== undefined) {
    const name = `${run}-f`
    const tell = recorder.record.bind(recorder, name, -1)
    const { freshFilesRoot } = options
    const places = {
      directory: join(filesRoot, bucket),
      ...(freshFilesRoot !== undefined && { freshDirectory: join(freshFilesRoot, bucket) }),
    }
    users.push(createFileUser({ ...shared, ...places, name, random: randomOf(seed - 1), tell }))
  }
  try {
    await runUsers(users, recorder, options)
    await options.beforeLast?.()
    const last = endpoints.map((_, gateway) => userOf(gateway, `${run}-last${gateway}`, randomOf(seed)))
    for (const user of last) {
      await Promise.all(ALL_KEYS.map((key) => user.get(key)))
      await user.list('', '', 1000)
    }
  } finally {
    await Promise.all(connections.map((client) => client.close()))
  }
  return recorder
}

/** The bucket must not be there yet: the history begins with nothing in it. Throws when it is, or cannot be made. */
export async function createBucket(endpoint: Endpoint, bucket: string): Promise<void> {
  const client = connectTo(endpoint, 1, 30_000)
  try {
    const answer = await client.send({ method: 'HEAD', target: `/${bucket}` })
    if (answer.status !== 404) throw new Error(`bucket ${bucket} is there already (${answer.status}); name a new one`)
    const made = await client.send({ method: 'PUT', target: `/${bucket}` })
    if (made.status !== 200) throw new Error(`bucket ${bucket} was not made: ${made.status} ${made.text}`)
  } finally {
    await client.close()
  }
}
