/**
 * npm run lab:gluster [-- --only PART,…]      parts of the lab, each on a GlusterFS volume of its own
 * npm run lab:gluster [-- options] -- COMMAND any command beside such a volume; its exit code is the exit code
 *
 * Servers and clients are ordinary processes of this machine in namespaces of their own (gluster-init.sh): root, /dev/fuse and Debian's
 * glusterfs-server are needed. One process is the first of them all, and they end with it.
 */
import { rmSync } from 'node:fs'
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { execa } from 'execa'
import { makeDisk, projectDirectory } from './guest.ts'
import { parts } from './parts.ts'

type Options = {
  readonly only: readonly PartName[]
  readonly out?: string
  readonly timeout: number
  readonly defaults: boolean
}

const names = ['contract', 'namespace', 'product'] as const
type PartName = (typeof names)[number]

const isPart = (name: string): name is PartName => names.some((each) => each === name)

function partsOf(list: string): readonly PartName[] {
  return list.split(',').map((name) => {
    if (!isPart(name)) throw new InvalidArgumentError(`There is no part ${name}; there are ${names.join(', ')}.`)
    return name
  })
}

const program = new Command('lab:gluster')
  .argument('[command...]', 'what to run beside the volume, for bash, instead of the parts')
  .option('--only <parts>', `of ${names.join(', ')}, separated by commas`, partsOf, names)
  .option('--out <directory>', 'where logs and reports go; default: a temporary directory, removed when all went well')
  .option('--defaults', 'leave the caches of the volume and of its mounts as they are (README.md says why not)', false)
  .option('--timeout <seconds>', 'of a command; the parts have their own', Number, 600)
  .parse()

// The namespaces go with this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
try {
  process.exitCode = await run(program.args, program.opts<Options>())
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function run(command: readonly string[], options: Options): Promise<number> {
  await requireGluster()
  const out = options.out === undefined ? await mkdtemp('/var/tmp/causeway-lab-') : resolve(options.out)
  let failed = 0
  if (command.length > 0) failed = await beside(command.join(' '), out, options.timeout * 1000, options)
  else
    for (const name of options.only) {
      console.log(`lab: ${name}: ${parts[name].about}`)
      const code = await beside(parts[name].command, join(out, name), parts[name].timeoutMs, options)
      console.log(`lab: ${name.padEnd(10)} ${code === 0 ? 'passed' : `failed (${code})`}`)
      failed ||= code
    }
  if (failed === 0 && options.out === undefined) await rm(out, { recursive: true, force: true })
  else console.error(`lab: logs and reports are in ${out}`)
  return failed
}

/** 99: cut off. */
async function beside(
  command: string,
  outDirectory: string,
  timeoutMs: number,
  { defaults }: Options,
): Promise<number> {
  await mkdir(outDirectory, { recursive: true })
  const disk = join(outDirectory, 'bricks.img')
  await makeDisk(disk, { sizeBytes: 8 * 1024 ** 3 })
  const removeDisk = () => rmSync(disk, { force: true })
  process.once('exit', removeDisk)
  try {
    const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    const { exitCode } = await execa('unshare', [...namespaces, 'bash', join(import.meta.dirname, 'gluster-init.sh')], {
      env: {
        LAB_GATEWAY_1: '/run/lab/gateway1',
        LAB_GATEWAY_2: '/run/lab/gateway2',
        LAB_USER: '/run/lab/user',
        LAB_BACKING: '/run/lab/bricks',
        LAB_OUT: outDirectory,
        LAB_DISK_IMAGE: disk,
        LAB_DEFAULTS: defaults ? '1' : '0',
        LAB_DIRECTORY: projectDirectory,
        LAB_COMMAND: command,
        PATH: [join(projectDirectory, 'node_modules/.bin'), process.env.PATH, '/usr/sbin:/sbin'].join(delimiter),
      },
      stdin: 'ignore',
      stdout: 'inherit',
      stderr: 'inherit',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      reject: false,
    })
    return exitCode ?? 99
  } finally {
    removeDisk()
    process.off('exit', removeDisk)
  }
}

/** Throws with the sentence that says what is missing. */
async function requireGluster(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('GlusterFS mounts by FUSE and makes namespaces: run this as root.')
  for (const path of ['/dev/fuse', '/usr/sbin/glusterd', '/usr/sbin/mkfs.xfs'])
    await access(path).catch(() => {
      throw new Error(`The lab needs ${path}, which is not there; run scripts/setup-lab gluster once.`)
    })
}
