/**
 * npm run lab:nfs [-- --only PART,…]          the parts below, each in a guest and on a disk of its own
 * npm run lab:nfs [-- options] -- COMMAND …   any command in a guest; its exit code is the exit code
 *
 * A guest has a real NFS server with flexible-file layouts, two gateway machines and a plain user (README.md).
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { fileSystems, makeDisk, requireLab, startGuest } from './guest.ts'
import { type Part, type PartName, parts } from './parts.ts'
import { breakages, type PowerLossOptions } from './power-loss.ts'

type Options = {
  readonly only?: readonly PartName[]
  readonly out?: string
  readonly keepDisk?: string
  readonly memory: number
  readonly timeout: number
  readonly delegations: boolean
  readonly operations: number
  readonly faults: string
} & Omit<PowerLossOptions, 'memoryMiB'>

const names = Object.keys(parts)
const isPart = (name: string): name is PartName => names.includes(name)

function partsOf(list: string): readonly PartName[] {
  return list.split(',').map((name) => {
    if (!isPart(name)) throw new InvalidArgumentError(`There is no part ${name}; there are ${names.join(', ')}.`)
    return name
  })
}

function positive(value: string): number {
  const number = Number(value)
  if (!(number > 0)) throw new InvalidArgumentError('It must be a number above 0.')
  return number
}

const durability = new Option('--durability <how>', 'of the gateways in power-loss').choices(['strict', 'relaxed'])
const where = new Option(
  '--on <tree>',
  'what the gateways of power-loss serve: the mounts, or the file system of the server',
)
const disk = new Option('--disk <type>', 'the file system of the server in power-loss').choices(
  Object.keys(fileSystems),
)
const broken = new Option('--broken <what>', 'power-loss with something wrong: it has to lose something').choices(
  Object.keys(breakages),
)
const program = new Command('lab:nfs')
  .argument('[command...]', 'what to run in the guest, for bash, instead of the parts')
  .option(`--only <parts>`, `of ${names.join(', ')}, separated by commas`, partsOf)
  .option(
    '--out <directory>',
    'where consoles and reports go; default: a temporary directory, removed when all went well',
  )
  .option('--keep-disk <directory>', 'keep the data disk there, and boot on the one that is there')
  .option('--memory <MiB>', 'of the guest, taken from TMPDIR (default /dev/shm)', positive, 3072)
  .option('--delegations', 'let the server give delegations, as it would by itself (README.md says why not)', false)
  .option('--operations <number>', 'of the history', positive, 10_000)
  .option('--faults <kinds>', 'of the history: of kill, pause, cut and restart, or none', 'kill,pause,cut,restart')
  .option('--cuts <number>', 'of power-loss', positive, 50)
  .addOption(durability.default('strict'))
  .addOption(where.choices(['nfs', 'local']).default('nfs'))
  .addOption(disk.default('xfs'))
  .addOption(broken)
  .option('--timeout <seconds>', 'of a command; the parts have their own', positive, 600)
  .parse()

// A guest goes with this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
try {
  process.exitCode = await run(program.args, program.opts<Options>())
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function run(command: readonly string[], options: Options): Promise<number> {
  await requireLab()
  const out = options.out === undefined ? await mkdtemp('/tmp/causeway-lab-') : resolve(options.out)
  const code =
    command.length > 0
      ? await runCommand(command.join(' '), out, options)
      : await runParts(options.only ?? possibleParts(), out, options)
  if (code === 0 && options.out === undefined) await rm(out, { recursive: true, force: true })
  else console.error(`lab: consoles and reports are in ${out}`)
  return code
}

async function runCommand(command: string, out: string, options: Options): Promise<number> {
  return (await inGuest(command, out, { ...options, timeoutMs: options.timeout * 1000 })) ?? 99
}

async function runParts(wanted: readonly PartName[], out: string, options: Options): Promise<number> {
  const results: { name: PartName; code: number | undefined; seconds: number }[] = []
  for (const name of wanted) {
    const started = performance.now()
    console.log(`lab: ${name}: ${parts[name].about}`)
    const code = await runPart(parts[name], join(out, name), options)
    results.push({ name, code, seconds: Math.round((performance.now() - started) / 1000) })
  }
  for (const { name, code, seconds } of results)
    console.log(`lab: ${name.padEnd(10)} ${verdict(code)}, ${seconds} s with the boot`)
  return results.every(({ code }) => code === 0) ? 0 : 1
}

function possibleParts(): readonly PartName[] {
  return names.filter(isPart).filter((name) => {
    const { needs }: Part = parts[name]
    const isPossible = needs === undefined || process.env[needs] !== undefined
    if (!isPossible) console.log(`lab: ${name}: left out, since ${needs} is not set`)
    return isPossible
  })
}

async function runPart(part: Part, out: string, options: Options): Promise<number | undefined> {
  if ('command' in part) {
    await part.prepare?.()
    return inGuest(part.command, out, { ...options, timeoutMs: part.timeoutMs })
  }
  return part.run(out, { ...options, memoryMiB: options.memory })
}

function verdict(code: number | undefined): string {
  if (code === undefined) return 'cut off: the guest died or took too long'
  return code === 0 ? 'passed' : `failed (${code})`
}

function environmentOf({ delegations, operations, faults }: Options): Readonly<Record<string, string>> {
  return {
    LAB_DELEGATIONS: delegations ? '1' : '0',
    LAB_OPERATIONS: String(operations),
    LAB_FAULTS: faults,
    ...(process.env.S3_TESTS !== undefined && { S3_TESTS: resolve(process.env.S3_TESTS) }),
  }
}

async function inGuest(
  command: string,
  outDirectory: string,
  options: Options & { readonly timeoutMs: number },
): Promise<number | undefined> {
  const directory = options.keepDisk === undefined ? outDirectory : resolve(options.keepDisk)
  await mkdir(directory, { recursive: true })
  const disk = join(directory, 'data.img')
  await makeDisk(disk, { keep: options.keepDisk !== undefined })
  try {
    const guest = await startGuest({
      disk,
      command,
      outDirectory,
      memoryMiB: options.memory,
      environment: environmentOf(options),
      timeoutMs: options.timeoutMs,
      onOutput: (piece) => process.stdout.write(piece),
    })
    return await guest.ended
  } finally {
    if (options.keepDisk === undefined) await rm(disk, { force: true })
  }
}
