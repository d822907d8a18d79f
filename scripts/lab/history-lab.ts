/** In the lab's guest: gateways on the mounts of two machines, a file user on a third one, and what goes wrong with them. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectTo, type Endpoint } from '../../conformance/history/endpoint.ts'
import { type Fault, killing, pausing, startFaults } from '../../conformance/history/faults.ts'
import { type Gateways, startGateways } from '../../conformance/history/gateways.ts'
import { createBucket, runLoad } from '../../conformance/history/load.ts'
import { createRecorder, type Recorder } from '../../conformance/history/recorder.ts'
import type { Habit } from '../../conformance/history/s3-user.ts'
import { tellProgress } from '../../conformance/history/tell.ts'
import { createVersionedBucket } from '../../conformance/history/versioned/create-versioned-bucket.ts'
import type { VersionedEvent } from '../../conformance/history/versioned/versioned-event.ts'
import { runVersionedLoad } from '../../conformance/history/versioned/versioned-load.ts'
import { randomOf } from '../../conformance/random.ts'
import { cutting, type Hand, mountAgain, restarting, slowDown, takeHand } from './history-machines.ts'

const TREE = 'tree'
const FRESH_MOUNT = '/mnt/user-fresh'
/** Longer than the lease: the machine's kernel renews it all the same, so the locks of who stands still are kept. */
const PAUSE_MS = 13_000
const GATEWAY_MACHINES = [
  { name: 'gateway1', number: 1 },
  { name: 'gateway2', number: 2 },
] as const

export type LabFault = 'kill' | 'pause' | 'cut' | 'restart'

/** Of one load. */
export type LabRun = {
  /** Not there yet. */
  readonly bucket: string
  readonly clients: number
  readonly hotKey?: string | undefined
  readonly habit?: Habit | undefined
  readonly seed: number
  readonly operations: number
  readonly seconds: number
  readonly faults: readonly LabFault[]
  /** Between two pauses, cuts or restarts, ± 50 %. */
  readonly faultEveryMs: number
}

/** `LAB_…`, as guest-init.sh sets it. Throws outside of the guest. */
export function labPlace(name: string): string {
  const directory = process.env[name]
  if (directory === undefined) throw new Error(`${name} is not set; run this by npm run lab:nfs -- --only history.`)
  return directory
}

export type LabGateways = Gateways & { readonly hand: Hand }

/**
 * `publishRoot`: what is published is renamed through a second mount of each machine. `program`: what starts a gateway, default
 * scripts/start.
 */
export async function startOnMounts(options: {
  readonly publishRoot: boolean
  /** Of a gateway's call to its mount. */
  readonly callTimeoutSeconds?: number | undefined
  /** Of each answer of the server to a gateway's machine. Default: none. */
  readonly delayMs?: number | undefined
  readonly program?: readonly string[] | undefined
}): Promise<LabGateways> {
  const { publishRoot, program, callTimeoutSeconds, delayMs } = options
  const hand = takeHand()
  await mkdir(join(labPlace('LAB_GATEWAY_1'), TREE), { recursive: true })
  await mountAgain(hand, { name: 'user', number: 3 }, FRESH_MOUNT, 'lookupcache=none')
  const roots: { root: string; publishRoot?: string }[] = []
  for (const machine of GATEWAY_MACHINES) {
    const publishMount = `/mnt/${machine.name}-publish`
    if (publishRoot) await mountAgain(hand, machine, publishMount, 'lookupcache=none,nosharecache')
    const root = join(labPlace(`LAB_GATEWAY_${machine.number}`), TREE)
    roots.push({ root, ...(publishRoot && { publishRoot: join(publishMount, TREE) }) })
  }
  if (delayMs !== undefined) for (const machine of GATEWAY_MACHINES) await slowDown(hand, machine, delayMs)
  const gateways = await startGateways({ roots, callTimeoutSeconds, ...(program !== undefined && { program }) })
  return {
    ...gateways,
    hand,
    async stop() {
      await gateways.stop()
      hand.end()
    },
  }
}

/** Resolves when every fault is over, both gateways answer, and every key has been looked at once more. */
export async function runInLab(gateways: LabGateways, run: LabRun): Promise<Recorder> {
  const { endpoints } = gateways
  const { bucket, hotKey, habit } = run
  const recorder = createRecorder()
  await createBucket(firstOf(endpoints), bucket)
  // There is nothing for a file user on the plain keys.
  const files = habit !== 'looks-first' && {
    filesRoot: join(labPlace('LAB_USER'), TREE),
    freshFilesRoot: join(FRESH_MOUNT, TREE),
  }
  await runLoad({ ...amidFaults(gateways, run), ...files, hotKey, habit }, recorder)
  return recorder
}

/** The same of a versioned bucket, in whose files nobody works. */
export async function runVersionedInLab(gateways: LabGateways, run: LabRun): Promise<Recorder<VersionedEvent>> {
  const recorder = createRecorder<VersionedEvent>()
  const { hasLock } = await createVersionedBucket(firstOf(gateways.endpoints), run.bucket)
  if (!hasLock) console.log('this mount has no object lock: nothing is retained or held')
  await runVersionedLoad({ ...amidFaults(gateways, run), hasLock }, recorder)
  return recorder
}

function firstOf(endpoints: readonly Endpoint[]): Endpoint {
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no gateway')
  return first
}

/** Of a load: faults begin at once, and are over before everything is looked at a last time. */
function amidFaults({ instances, endpoints, hand }: LabGateways, run: LabRun) {
  const { bucket, clients, seed, operations, seconds, faultEveryMs } = run
  const all: Readonly<Record<LabFault, Fault>> = {
    kill: killing(instances, 5000),
    pause: pausing(instances, { everyMs: faultEveryMs, pauseMs: PAUSE_MS }),
    cut: cutting(hand, GATEWAY_MACHINES, faultEveryMs),
    restart: restarting(hand, faultEveryMs),
  }
  const faults = startFaults(Object.fromEntries(run.faults.map((name) => [name, all[name]])), randomOf(seed))
  return {
    endpoints,
    bucket,
    clients,
    seed,
    operationsMax: operations,
    secondsMax: seconds,
    isEnough: tellProgress(),
    timeoutMs: 120_000,
    async beforeLast() {
      console.log(`faults: ${JSON.stringify(await faults.stop())}`)
      for (const endpoint of endpoints) await untilItAnswers(endpoint, bucket)
    },
  }
}

/** A machine that was cut off is back only when its kernel sends again what was not answered. Throws when it is not back after two minutes. */
async function untilItAnswers(endpoint: Endpoint, bucket: string): Promise<void> {
  const client = connectTo(endpoint, 1, 60_000)
  const deadline = Date.now() + 120_000
  try {
    for (;;) {
      const answer = await client.send({ method: 'GET', target: `/${bucket}?list-type=2` }).catch(() => undefined)
      if (answer?.status === 200) return
      if (Date.now() > deadline)
        throw new Error(`${endpoint.url} does not come back: ${answer?.status} ${answer?.text}`)
      await sleep(500)
    }
  } finally {
    await client.close()
  }
}
