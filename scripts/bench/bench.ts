/**
 * `npm run bench`: the gateway beside nginx that serves the same files, in turn within each round, through https and http. README.md
 * says how to read the table.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { changedDirectory } from './changed-directory.ts'
import { completeUpload } from './complete-upload.ts'
import { type Gateway, startGateway } from './gateway-server.ts'
import { measureLoad } from './measure-load.ts'
import { otherEndpoint } from './other-endpoint.ts'
import { preparer } from './prepare.ts'
import { type Row, type Sample, table } from './report.ts'
import { isLarge, type Scenario, scenarios } from './scenario.ts'
import type { Scheme, Server } from './server.ts'
import { startStaticNginx } from './static-nginx.ts'
import { wholeNumber } from './whole-number.ts'

/** Of what compiles nothing. */
const WARM_UP_SECONDS = 4

const NAMES = { strict: 'Causeway', relaxed: 'Causeway, relaxed' } as const

type Options = {
  readonly only?: readonly string[]
  readonly rounds: number
  readonly seconds: number
  readonly warmUp: number
  readonly scheme: 'https' | 'http' | 'both'
  readonly durability: 'strict' | 'relaxed' | 'both'
  readonly large?: true
  readonly data?: string
  readonly against?: string
  readonly againstPid?: number
}

const names = scenarios.map(({ name }) => name)

const command = new Command('bench')
  .description('Measures the gateway beside nginx that serves the same files; prints Markdown tables.')
  .option('--only <names>', `comma-separated, of: ${names.join(', ')}`, namesIn)
  .option('--rounds <n>', 'every server once in each round', wholeNumber, 3)
  .option('--seconds <n>', 'load of one server in one round', wholeNumber, 3)
  .option('--warm-up <n>', 'seconds of each load that do not count, of a gateway', wholeNumber, 20)
  .addOption(new Option('--scheme <scheme>', 'which way in').choices(['https', 'http', 'both']).default('both'))
  .addOption(new Option('--durability <how>', 'of writes').choices(['strict', 'relaxed', 'both']).default('both'))
  .option('--large', 'the directory of 1,000,000 as well')
  .option('--data <dir>', 'make the trees below this directory, e.g. /dev/shm for a file system in memory')
  .option('--against <url>', 'another S3 endpoint; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION say who asks')
  .option(
    '--against-pid <pid>',
    'its process, where it runs here: then its processor time is measured too',
    wholeNumber,
  )

await main(command.parse().opts<Options>())

async function main(options: Options): Promise<void> {
  const directory = await mkdtemp(join(resolve(options.data ?? tmpdir()), 'causeway-bench-'))
  const servers: Server[] = []
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort(new Error(signal)))
  try {
    await startServers(directory, options, servers)
    const chosen = scenarios.filter((scenario) =>
      options.only === undefined ? options.large || !isLarge(scenario) : options.only.includes(scenario.name),
    )
    const rows = await measureAll(chosen, servers, options, interrupted.signal)
    process.stdout.write(reportOf(rows, options))
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
    await rm(directory, { recursive: true, force: true })
  }
}

async function startServers(directory: string, options: Options, servers: Server[]): Promise<void> {
  const wanted = options.durability === 'both' ? (['strict', 'relaxed'] as const) : [options.durability]
  const gateways: Gateway[] = []
  for (const durability of wanted) {
    say(`starting the gateway, ${durability}`)
    gateways.push(await startGateway(join(directory, durability), { name: NAMES[durability], durability }))
    servers.push(...gateways.slice(-1))
  }
  const [first] = gateways
  if (first === undefined) return
  for (const isCopying of [true, false]) {
    const own = join(directory, isCopying ? 'nginx-copying' : 'nginx')
    await mkdir(own)
    servers.unshift(await startStaticNginx({ ...first, directory: own, isCopying }))
  }
  if (options.against === undefined) return
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', AWS_REGION = 'us-east-1' } = process.env
  const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, region: AWS_REGION }
  servers.push(otherEndpoint(options.against, credentials, options.againstPid))
}

type SchemeRow = Row & { readonly scheme: Scheme }

async function measureAll(
  chosen: readonly Scenario[],
  servers: readonly Server[],
  options: Options,
  interrupted: AbortSignal,
): Promise<readonly SchemeRow[]> {
  const { prepare } = preparer()
  const schemes = options.scheme === 'both' ? (['https', 'http'] as const) : [options.scheme]
  const rows: SchemeRow[] = []
  for (const scenario of chosen) {
    const inScenario = servers.filter((server) => takesPart(server, scenario, servers))
    for (const server of inScenario) await prepare(scenario, server)
    for (const scheme of schemes) {
      const inScheme = inScenario.filter((server) => server.schemes.includes(scheme))
      const samples = new Map(inScheme.map((server) => [server, [] as Sample[]]))
      // What just-in-time compilers and caches have not seen yet is not what a server costs that has been up for a minute.
      if (scenario.kind === 'load') {
        for (const server of inScheme) {
          say(`${scenario.title}, ${scheme}, warming up: ${server.name}`)
          await measureLoad(scenario, server, scheme, server.isS3 ? options.warmUp : WARM_UP_SECONDS)
        }
      }
      for (let round = 0; round < options.rounds; round++) {
        // In turn, and each round begins with another one.
        for (let turn = 0; turn < inScheme.length; turn++) {
          const server = inScheme[(round + turn) % inScheme.length]
          if (server === undefined) continue
          interrupted.throwIfAborted()
          say(`${scenario.title}, ${scheme}, round ${round + 1} of ${options.rounds}: ${server.name}`)
          samples.get(server)?.push(await measure(scenario, server, scheme, options))
        }
      }
      for (const [server, of] of samples) rows.push({ ...rowOf(scenario, server), scheme, samples: of })
    }
  }
  return rows
}

/** Where only `relaxed` was asked for, it is the one gateway that reads are measured on. */
function takesPart(server: Server, scenario: Scenario, servers: readonly Server[]): boolean {
  const isOnly = servers.filter(({ durability }) => durability !== undefined).length === 1
  return scenario.takesPart(isOnly && server.durability !== undefined ? { ...server, durability: 'strict' } : server)
}

function measure(scenario: Scenario, server: Server, scheme: Scheme, options: Options): Promise<Sample> {
  if (scenario.kind === 'load') return measureLoad(scenario, server, scheme, options.seconds)
  if (scenario.kind === 'complete') return completeUpload(server, scheme)
  return changedDirectory(server, scheme, scenario.needsFlat ?? 0)
}

function rowOf(scenario: Scenario, server: Server): Omit<Row, 'samples'> {
  return {
    title: scenario.title,
    server: server.name,
    isLimit: !server.isS3 && server.isCopying !== true,
    objectBytes: scenario.kind === 'load' ? scenario.objectBytes : 0,
    isTimed: scenario.kind !== 'load',
  }
}

function reportOf(rows: readonly SchemeRow[], options: Options): string {
  const cores = availableParallelism()
  const machine = `${cores} cores (${cpus()[0]?.model}), Linux ${release()}, Node ${process.versions.node}`
  const how = `medians of ${options.rounds} rounds of ${options.seconds} s`
  const where = `trees below ${options.data ?? tmpdir()}`
  const parts = (['https', 'http'] as const).flatMap((scheme) => {
    const some = rows.filter((row) => row.scheme === scheme)
    return some.length === 0 ? [] : [`### ${scheme}\n\n${table(some, cores)}`]
  })
  return `\n${machine}; ${where}; ${how}.\n\n${parts.join('\n')}`
}

function namesIn(text: string): readonly string[] {
  const wanted = text.split(',')
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${names.join(', ')}.`)
  return wanted
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
