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
import type { Event } from './event.ts'
import { killing, namedFaults, pausing, startFaults } from './faults.ts'
import { type Gateways, startGateways } from './gateways.ts'
import { createBucket, runLoad } from './load.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { tellHistory, tellProgress, tellSurprises } from './tell.ts'

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
  .parse()
  .opts<Options>()

const gatewaysOptions = () => ({
  count: options.gateways,
  workers: options.workers,
  durability: options.durability,
  ...(options.source !== undefined && { program: [join(resolve(options.source), 'scripts/causeway'), 'serve'] }),
})

process.exitCode = options.check === undefined ? await run() : tellHistory(await readHistory(options.check))

async function run(): Promise<number> {
  const seed = seedOf('history')
  const gateways = options.endpoints === undefined ? await startGateways(gatewaysOptions()) : undefined
  const recorder = createRecorder()
  try {
    const endpoints = gateways?.endpoints ?? (await Promise.all((options.endpoints ?? []).map(readEndpoint)))
    await load(endpoints, gateways, seed, recorder)
    await tellSurprises(gateways?.instances ?? [])
  } finally {
    await gateways?.stop()
    if (options.history !== undefined) await recorder.write(options.history)
  }
  const failed = tellHistory(recorder.events)
  if (failed !== 0 && options.history === undefined) {
    const file = join(tmpdir(), `causeway-history-${seed}.jsonl`)
    await recorder.write(file)
    console.log(`the history: ${file}; again with --check`)
  }
  return failed
}

async function load(
  endpoints: readonly Endpoint[],
  gateways: Gateways | undefined,
  seed: number,
  recorder: Recorder,
): Promise<void> {
  const [first] = endpoints
  if (first === undefined) throw new Error('there is no gateway')
  await createBucket(first, options.bucket)
  const instances = gateways?.instances ?? []
  const all = { kill: killing(instances), pause: pausing(instances) }
  const faults = startFaults(instances.length === 0 ? {} : namedFaults(options.faults, all), randomOf(seed))
  await runLoad(
    {
      endpoints,
      bucket: options.bucket,
      filesRoot: options.fileUser ?? gateways?.tree,
      clients: options.clients,
      seed,
      operationsMax: options.operations,
      secondsMax: options.seconds,
      isEnough: tellProgress(),
    },
    recorder,
  )
  const counts = await faults.stop()
  console.log(`faults: ${JSON.stringify(counts)}`)
}

async function readHistory(file: string): Promise<readonly Event[]> {
  const events: Event[] = []
  for await (const line of createInterface({ input: createReadStream(file) })) {
    // Written by this program.
    if (line !== '') events.push(JSON.parse(line) as Event)
  }
  return events
}
