/**
 * The history test of any size: npm run conformance:history [-- options]
 *
 * Starts gateways on a local tree of their own, or uses those that --endpoints names (the client.env of each), runs clients and a file
 * user against them while things go wrong, writes down every call, and says what of it no order of events explains.
 */
import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError } from 'commander'
import { randomOf, seedOf } from '../random.ts'
import { type Endpoint, readEndpoint } from './endpoint.ts'
import type { Call, Event } from './event.ts'
import { killing, namedFaults, pausing, startFaults } from './faults.ts'
import { type Gateways, startGateways } from './gateways.ts'
import { createBucket, runLoad } from './load.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { tellHistory, tellProgress, tellSurprises } from './tell.ts'
import { createVersionedBucket } from './versioned/create-versioned-bucket.ts'
import { tellVersions } from './versioned/tell-versions.ts'
import type { VersionedEvent } from './versioned/versioned-event.ts'
import { runVersionedLoad } from './versioned/versioned-load.ts'

type Options = {
  readonly operations: number
  readonly seconds: number
  readonly clients: number
  readonly gateways: number
  readonly workers: number
  readonly faults: string
  readonly endpoints?: readonly string[]
  readonly fileUser?: string
  readonly bucket: string
  readonly durability: 'strict' | 'relaxed'
  readonly source?: string
  readonly history?: string
  readonly check?: string
  readonly versioned: boolean
}

const whole = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('give a whole number')
  return Number(text)
}

const options = new Command('conformance:history')
  .option('--operations <number>', 'calls to make', whole, 20_000)
  .option('--seconds <number>', 'and no longer than this', whole, 600)
  .option('--clients <number>', 'S3 clients', whole, 16)
  .option('--gateways <number>', 'gateways to start', whole, 2)
  .option('--workers <number>', 'workers of each', whole, 2)
  .option(
    '--faults <kinds>',
    'kill (a worker every few seconds), pause (all workers of one gateway for 3 seconds), none',
    'kill',
  )
  .option('--endpoints <files>', 'client.env of each gateway, instead of starting some (no faults then)', (text) =>
    text.split(','),
  )
  .option(
    '--file-user <directory>',
    'the tree as a file user sees it; default: the tree of the gateways that were started',
  )
  .option('--bucket <name>', 'a bucket that is not there yet', 'history')
  .option('--durability <kind>', 'strict or relaxed', 'strict')
  .option('--source <directory>', 'start the gateways from another source tree')
  .option('--history <file>', 'write the history here, whatever comes of it')
  .option('--check <file>', 'check a history that was written before')
  .option('--versioned', 'of a versioned bucket; nobody works on its files', false)
  .parse()
  .opts<Options>()

const gatewaysOptions = () => ({
  count: options.gateways,
  workers: options.workers,
  durability: options.durability,
  ...(options.source !== undefined && { program: [join(resolve(options.source), 'scripts/causeway'), 'serve'] }),
})

/** What is done to a bucket, and judged. */
type Suite<Kind extends Call> = {
  /** Makes the bucket, and resolves when nothing is under way any more. */
  load(
    recorder: Recorder<Kind>,
    endpoints: readonly Endpoint[],
    gateways: Gateways | undefined,
    seed: number,
  ): Promise<void>
  /** The exit code. */
  tell(events: readonly Kind[]): number
}

const plain: Suite<Event> = {
  async load(recorder, endpoints, gateways, seed) {
    await createBucket(firstOf(endpoints), options.bucket)
    const filesRoot = options.fileUser ?? gateways?.tree
    await amidFaults(gateways, seed, () => runLoad({ ...loadOptions(endpoints, seed), filesRoot }, recorder))
  },
  tell: tellHistory,
}

const versioned: Suite<VersionedEvent> = {
  async load(recorder, endpoints, gateways, seed) {
    const { hasLock } = await createVersionedBucket(firstOf(endpoints), options.bucket)
    if (!hasLock) console.log('this mount has no object lock: nothing is retained or held')
    await amidFaults(gateways, seed, () => runVersionedLoad({ ...loadOptions(endpoints, seed), hasLock }, recorder))
  },
  tell: tellVersions,
}

process.exitCode = await (options.versioned ? perform(versioned) : perform(plain))

async function perform<Kind extends Call>(suite: Suite<Kind>): Promise<number> {
  // A history that was written by the same suite.
  if (options.check !== undefined) return suite.tell(await readHistory<Kind>(options.check))
  const seed = seedOf('history')
  const gateways = options.endpoints === undefined ? await startGateways(gatewaysOptions()) : undefined
  const recorder = createRecorder<Kind>()
  try {
    const endpoints = gateways?.endpoints ?? (await Promise.all((options.endpoints ?? []).map(readEndpoint)))
    await suite.load(recorder, endpoints, gateways, seed)
    await tellSurprises(gateways?.instances ?? [])
  } finally {
    await gateways?.stop()
    if (options.history !== undefined) await recorder.write(options.history)
  }
  const failed = suite.tell(recorder.events)
  if (failed !== 0 && options.history === undefined) {
    const file = join(tmpdir(), `causeway-history-${seed}.jsonl`)
    await recorder.write(file)
    console.log(`the history: ${file}; again with --check`)
  }
  return failed
}

function firstOf(endpoints: readonly Endpoint[]): Endpoint {
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no gateway')
  return first
}

function loadOptions(endpoints: readonly Endpoint[], seed: number) {
  const { bucket, clients, operations, seconds } = options
  const bounds = { operationsMax: operations, secondsMax: seconds, isEnough: tellProgress() }
  return { endpoints, bucket, clients, seed, ...bounds }
}

async function amidFaults(gateways: Gateways | undefined, seed: number, load: () => Promise<unknown>): Promise<void> {
  const instances = gateways?.instances ?? []
  const all = { kill: killing(instances), pause: pausing(instances) }
  const faults = startFaults(instances.length === 0 ? {} : namedFaults(options.faults, all), randomOf(seed))
  await load()
  const counts = await faults.stop()
  console.log(`faults: ${JSON.stringify(counts)}`)
}

async function readHistory<Kind extends Call>(file: string): Promise<readonly Kind[]> {
  const events: Kind[] = []
  for await (const line of createInterface({ input: createReadStream(file) })) {
    // Written by this program.
    if (line !== '') events.push(JSON.parse(line) as Kind)
  }
  return events
}
