/**
 * One guest: user-mode Linux on the host's own file tree, with a kernel NFS server over one data disk and three NFS clients of it
 * (guest-init.sh). Needs no root and no KVM, only the packages of scripts/setup-lab.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, rmSync } from 'node:fs'
import { access, mkdir, open, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const labDirectory = import.meta.dirname
export const projectDirectory = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Where things are in every guest; the commands in it find these as environment variables. */
export const guestPlaces = {
  /** Mounts of two gateway machines, with `lookupcache=none`. */
  LAB_GATEWAY_1: '/mnt/gateway1',
  LAB_GATEWAY_2: '/mnt/gateway2',
  /** The mount of a plain NFS user, with default options. */
  LAB_USER: '/mnt/user',
  /** The server's own file system, which all three mounts show. */
  LAB_BACKING: '/mnt/backing',
  /** `outDirectory` of the host. */
  LAB_OUT: '/mnt/out',
} as const

export type GuestOptions = {
  /** A data disk, made by `makeDisk`; its content outlives the guest. An absolute path, as all here. */
  readonly disk: string
  /** For bash, in the project's directory, with `node` and `vitest` of the project in PATH. */
  readonly command: string
  /** A directory on the host, made where it is missing: the guest's console (`console.log`), and what the command writes to $LAB_OUT. */
  readonly outDirectory: string
  /** After this long the guest is cut off, and its exit code undefined. Default 10 minutes. */
  readonly timeoutMs?: number
  /** Memory of the guest; as much is needed in `memoryDirectory`. Default 3072. */
  readonly memoryMiB?: number
  /** More environment for the command. */
  readonly environment?: Readonly<Record<string, string>>
  /** What the guest writes on its console, as it comes. */
  readonly onOutput?: (piece: Buffer) => void
}

export type Guest = {
  /** The mounts are there and the command starts. Rejects when the guest ends before. */
  readonly ready: Promise<void>
  /** The command's exit code; undefined when the guest was cut off or died. Never rejects. */
  readonly ended: Promise<number | undefined>
  /** The power goes: SIGKILL to all processes of the guest. Whatever was not on the disk is lost. Resolves when they are gone. */
  cut(): Promise<void>
}

const BOOT_TIMEOUT_MS = 120_000
const MEMORY_MIB = 3072

/** Of a data disk; in the guest's environment LAB_DISK has to say the same. */
export const fileSystems = {
  xfs: ['mkfs.xfs', '-q', '-f'],
  /** Its attributes have 4 KiB together. */
  ext4: ['mkfs.ext4', '-q', '-F'],
} as const

/** A sparse file with an empty file system. `keep`: a disk that is there already stays as it is. */
export async function makeDisk(
  path: string,
  options: { readonly keep?: boolean; readonly sizeBytes?: number; readonly type?: keyof typeof fileSystems } = {},
): Promise<void> {
  const { keep = false, sizeBytes = 4 * 1024 ** 3, type = 'xfs' } = options
  if (keep && (await exists(path))) return
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, 'w')
  await file.truncate(sizeBytes)
  await file.close()
  const [program, ...how] = fileSystems[type]
  await execa(program, [...how, path], { env: { PATH: systemPath } })
}

/** Throws with the sentence that says what is missing. */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  const { outDirectory, memoryMiB = MEMORY_MIB, timeoutMs = 600_000 } = options
  await mkdir(outDirectory, { recursive: true })
  const memoryDirectory = process.env.TMPDIR ?? '/dev/shm'
  await requireLab()
  await requireRoom(options, memoryDirectory)
  for (const old of ['ready', 'exit-code']) await rm(join(outDirectory, old), { force: true })
  const scratch = join(outDirectory, 'tmp.img')
  await makeDisk(scratch, { sizeBytes: 2 * 1024 ** 3 })
  await writeFile(join(outDirectory, 'environment.sh'), environmentOf(options))
  await writeFile(join(outDirectory, 'command.sh'), `${options.command}\n`)

  // Its own process group: user-mode Linux is a family of processes, and the power goes for all of them at once.
  const child = spawn('linux.uml', bootArguments(options, scratch, memoryMiB), {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: systemPath, HOME: outDirectory, TMPDIR: memoryDirectory },
  })
  const log = createWriteStream(join(outDirectory, 'console.log'))
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece: Buffer) => {
      log.write(piece)
      options.onOutput?.(piece)
    })
  }
  const closed = new Promise<void>((resolve) => {
    child.once('close', resolve)
    child.once('error', resolve)
  })
  const cutNow = () => killGroup(child)
  const cutWithUs = () => {
    cutNow()
    rmSync(scratch, { force: true })
  }
  process.once('exit', cutWithUs)
  const timer = setTimeout(cutNow, timeoutMs)
  const ended = closed.then(async () => {
    clearTimeout(timer)
    process.off('exit', cutWithUs)
    cutNow()
    log.end()
    await finished(log).catch(() => undefined)
    await rm(scratch, { force: true })
    return exitCodeIn(outDirectory)
  })
  const ready = untilReady(child, outDirectory)
  ready.catch(() => undefined) // whoever waits for the end only hears of it there
  return {
    ready,
    ended,
    async cut() {
      cutNow()
      await ended
    },
  }
}

function bootArguments({ disk, outDirectory }: GuestOptions, scratch: string, memoryMiB: number): string[] {
  return [
    `mem=${memoryMiB}M`,
    `uml_dir=${outDirectory}/uml/`,
    'umid=guest',
    // The host's tree, read-only; guest-init.sh lays an overlay in memory over it.
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `init=${join(labDirectory, 'guest-init.sh')}`,
    'con=null',
    'con0=null,fd:1',
    'quiet',
    'loglevel=1',
    'panic=1',
    `ubd0=${disk}`,
    `ubd1=${scratch}`,
    // What the kernel does not know becomes the environment of init.
    `lab_dir=${labDirectory}`,
    `lab_out=${outDirectory}`,
  ]
}

function environmentOf({ environment = {} }: GuestOptions): string {
  const all = {
    ...guestPlaces,
    LAB_DIRECTORY: projectDirectory,
    PATH: [join(projectDirectory, 'node_modules/.bin'), systemPath].join(delimiter),
    ...environment,
  }
  const quoted = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`
  return Object.entries(all)
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`)
    .join('')
}

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const hiddenInGuest = ['/tmp', '/run', '/mnt', '/dev', '/proc', '/sys', '/var/lib/nfs', '/lib/modules']

/** Throws with the sentence that says why no guest can run on this machine. */
export async function requireLab(checkout = projectDirectory, path = systemPath.split(delimiter)): Promise<void> {
  const hidden = hiddenInGuest.find((place) => `${checkout}/`.startsWith(`${place}/`))
  if (hidden !== undefined)
    throw new Error(`The lab's guest has a ${hidden} of its own and does not see ${checkout}; move the checkout.`)
  for (const program of programs)
    if (!(await isInstalled(program, path)))
      throw new Error(`The lab needs ${program}, which is not installed; run scripts/setup-lab once.`)
}

const programs = ['linux.uml', 'mkfs.xfs', 'rpc.nfsd', 'mount.nfs', 'rpcbind', 'modprobe', 'ip', 'tc', 'busybox']

async function requireRoom({ disk, outDirectory, memoryMiB = MEMORY_MIB }: GuestOptions, memoryDirectory: string) {
  const spaced = [projectDirectory, disk, outDirectory].find((path) => /[\s,"]/.test(path))
  if (spaced !== undefined) throw new Error(`The guest's kernel takes no path with a space, comma or quote: ${spaced}`)
  const { bavail, bsize } = await statfs(memoryDirectory)
  if (bavail * bsize < memoryMiB * 2 ** 20)
    throw new Error(
      `The guest's memory of ${memoryMiB} MiB does not fit into ${memoryDirectory}; let TMPDIR name a larger place.`,
    )
}

async function isInstalled(program: string, path: readonly string[]): Promise<boolean> {
  const found = await Promise.all(path.map((directory) => exists(join(directory, program))))
  return found.includes(true)
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function untilReady(child: ChildProcess, outDirectory: string): Promise<void> {
  const deadline = Date.now() + BOOT_TIMEOUT_MS
  for (;;) {
    const uptime = await readFile(join(outDirectory, 'ready'), 'utf8').catch(() => '')
    if (uptime !== '') return
    if (hasEnded(child) || Date.now() > deadline)
      throw new Error(`The guest did not come up; ${join(outDirectory, 'console.log')} says why.`)
    await sleep(25)
  }
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // All of them have ended by themselves.
  }
}

async function exitCodeIn(outDirectory: string): Promise<number | undefined> {
  const text = await readFile(join(outDirectory, 'exit-code'), 'utf8').catch(() => '')
  return /^\d+\n$/.test(text) ? Number(text) : undefined
}
