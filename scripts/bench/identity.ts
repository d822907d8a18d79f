/**
 * `npm run bench:identity`: the same GET of 4 KiB asked for by nobody in particular, by a user of the local provider and by one of Active
 * Directory, in turn within each round; and what finding out who asks is of it. Starts Samba, which only root may. README.md says how to read the table.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, release } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { identityCost, type Pace, paceCost } from './identity-cost.ts'
import { startProviders } from './identity-providers.ts'
import { identityTable } from './identity-report.ts'
import { measureLoad } from './measure-load.ts'
import { costOf, median, type Sample } from './report.ts'
import { type LoadScenario, scenarios } from './scenario.ts'
import type { Scheme } from './server.ts'
import { wholeNumber } from './whole-number.ts'

type Options = {
  readonly rounds: number
  readonly seconds: number
  readonly warmUp: number
  readonly keys: number
  readonly scheme: Scheme
  readonly data: string
}

const command = new Command('bench:identity')
  .description('Measures what knowing who asks adds to a GET of 4 KiB, by provider; prints a Markdown table.')
  .option('--rounds <n>', 'everything once in each round', wholeNumber, 10)
  .option('--seconds <n>', 'of each in one round', wholeNumber, 3)
  .option('--warm-up <n>', 'seconds of each load that do not count', wholeNumber, 20)
  .option('--keys <n>', 'access keys in use at once, in turn', wholeNumber, 1)
  .addOption(new Option('--scheme <scheme>', 'which way in').choices(['https', 'http']).default('https'))
  .option('--data <dir>', 'make the tree below this directory, e.g. /dev/shm for a file system in memory', '/tmp')

await main(command.parse().opts<Options>())

async function main(options: Options): Promise<void> {
  const opened: (() => Promise<unknown>)[] = []
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort(new Error(signal)))
  try {
    const directory = await mkdtemp(join(resolve(options.data), 'causeway-bench-'))
    opened.push(() => rm(directory, { recursive: true, force: true }))
    const scenario = scenarios.find(({ name }) => name === 'get-4k') as LoadScenario // scenario.ts has it
    const providers = await startProviders({ directory, scenario, keys: options.keys }, opened)
    const servers = providers.flatMap(({ anonymous, signed }) => [anonymous, signed])
    for (const server of servers) {
      say(`warming up: ${server.name}`)
      await measureLoad(scenario, server, options.scheme, options.warmUp)
    }
    const inRounds = roundsOf(options.rounds, interrupted.signal)
    const gets = await inRounds('GET 4 KiB', servers, (server) =>
      measureLoad(scenario, server, options.scheme, options.seconds),
    )
    const pace = {
      perSecond: rateOfCore(providers.flatMap(({ signed }) => gets.get(signed) ?? [])),
      seconds: options.seconds,
    }
    const idle = { name: 'nobody is asked', cost: () => paceCost(pace) }
    const asked = providers.map(({ name, config, accessKeyIds }) => ({
      name,
      cost: () => identityCost(config, accessKeyIds, pace),
    }))
    const costs = await inRounds('identity', [idle, ...asked], ({ cost }) => cost())
    const rows = providers.map((provider, index) => ({
      provider: provider.name,
      anonymous: gets.get(provider.anonymous) ?? [],
      signed: gets.get(provider.signed) ?? [],
      identity: [...costs.values()][index + 1] ?? [],
      idle: costs.get(idle) ?? [],
    }))
    process.stdout.write(`\n${aboutThisRun(options, pace)}\n\n${identityTable(rows)}`)
  } finally {
    for (const close of opened.reverse()) await close()
  }
}

/** Measures each of some things once in each round, in turn, and each round begins with another one. */
function roundsOf(rounds: number, interrupted: AbortSignal) {
  return async <Measured extends { readonly name: string }, Result>(
    what: string,
    things: readonly Measured[],
    measure: (thing: Measured) => Promise<Result>,
  ): Promise<ReadonlyMap<Measured, readonly Result[]>> => {
    const results = new Map(things.map((thing) => [thing, [] as Result[]]))
    for (let round = 0; round < rounds; round++) {
      const first = round % things.length
      for (const thing of [...things.slice(first), ...things.slice(0, first)]) {
        interrupted.throwIfAborted()
        say(`${what}, round ${round + 1} of ${rounds}: ${thing.name}`)
        results.get(thing)?.push(await measure(thing))
      }
    }
    return results
  }
}

/**
 * Requests per second that use up a core. Much of identity is upkeep, which costs the same each second however many requests there are: on a machine that
 * other work shares there are fewer, and their share of it would say how busy that work was.
 */
function rateOfCore(samples: readonly Sample[]): number {
  return 1000 / median(samples.map((sample) => costOf(sample) ?? Number.NaN))
}

function aboutThisRun({ rounds, seconds, scheme, data, keys }: Options, { perSecond }: Pace): string {
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model}), Linux ${release()}, Node ${process.versions.node}`
  const how = `medians of ${rounds} rounds of ${seconds} s, ${scheme}`
  return `${machine}; tree below ${data}; ${how}; ${keys === 1 ? 'one access key' : `${keys} access keys`} in use; identity at ${Math.round(perSecond)} requests/s, which is a core of GETs.`
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
