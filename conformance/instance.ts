/**
 * The whole product as a person starts it: scripts/start on a directory of its own, the real nginx and pool on a free port. Each suite
 * starts its own, so that none sees what another one leaves.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { stringify } from 'smol-toml'
import { findClientEnv } from '../gateway/cli/client-env.ts'
import { asService } from './as-service.ts'
import type { Credentials } from './sign.ts'

export const projectDirectory = fileURLToPath(new URL('..', import.meta.url))

export type InstanceOptions = {
  /** Worker processes. Default 2. */
  readonly workers?: number
  /** Another gateway of the same tree, with its master key and users, and a state of its own. Stop it before that one. */
  readonly beside?: Instance
  /** What starts it. Default scripts/start of this project. */
  readonly program?: readonly string[]
  /** Uid and gid of an ordinary account with the capabilities of enforcement `kernel`, in whose tree everybody may make buckets. Needs root. */
  readonly account?: number
  /** Whose key `credentials` is, by name: for users of a domain. Default: the user that the first start makes. */
  readonly operator?: string
  /** Sections and keys of the configuration file, beside those that a test instance needs. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, string | number | boolean | readonly string[]>>>>
  /** Another tree than `tree` in the instance's own directory: a mount. It stays when the instance goes. */
  readonly root?: string
}

export type Instance = {
  /** https://127.0.0.1:<port> */
  readonly endpoint: string
  readonly port: number
  readonly region: string
  readonly credentials: Credentials
  /** The certificate authority to trust, PEM. */
  readonly caFile: string
  readonly authority: Buffer
  /** Its own: tree (unless `root` was given) and state. */
  readonly directory: string
  /** The served tree: a bucket is a directory in it. */
  readonly tree: string
  /** Path style, one attempt, keeps connections alive. Destroyed by `stop`. */
  s3(options?: S3ClientConfig): S3Client
  /** For processes: the variables that client.env has. */
  readonly env: Readonly<Record<string, string>>
  /** A key of another user, made on the command line. Throws where the command does not make one. */
  createKey(user: string): Promise<Credentials>
  /** `causeway <command…> --config … --data …`, never throws for a failure of it. */
  causeway(command: readonly string[]): Promise<CommandResult>
  /** Worker processes that live now. */
  workerPids(): readonly number[]
  /** The gateway, its workers, nginx and its workers. */
  allPids(): readonly number[]
  /** Lines of the gateway's own log at level error, and what it said on standard error. */
  errors(): Promise<readonly string[]>
  /** All that the gateway, its workers and nginx have written to standard output and standard error. */
  output(): string
  /** SIGKILL to every process at once: what a power switch leaves of the processes. */
  crash(): Promise<void>
  /** Serves the same directory on the same port again, after `crash`. */
  start(): Promise<void>
  /** Ends it, by force after some time, and removes the directory. */
  stop(): Promise<void>
}

export type CommandResult = {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Half of what a command takes is reading the program: what was compiled once is taken from there. */
const environment = { NODE_COMPILE_CACHE: join(projectDirectory, 'node_modules/.cache/compiled') }

const READY_TIMEOUT_MS = 120_000 // a first start on a fresh machine installs
const STOP_TIMEOUT_MS = 20_000
const START_TRIES = 3

/** Resolves when it serves. Throws with what it said when it does not. */
export async function startInstance(options: InstanceOptions = {}): Promise<Instance> {
  // Below /tmp whatever TMPDIR says: unix sockets have short names only.
  const directory = await mkdtemp('/tmp/causeway-conformance-')
  try {
    for (let tries = 1; ; tries++) {
      try {
        return await startIn(directory, options)
      } catch (error) {
        // Between finding a free port and using it, another program may take it.
        if (tries === START_TRIES || !String(error).includes('is in use')) throw error
      }
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

async function startIn(directory: string, options: InstanceOptions): Promise<Instance> {
  const port = await freePort()
  const configFile = join(directory, 'causeway.toml')
  await writeFile(configFile, configText(directory, options))
  // --data would put the tree below the directory, too.
  const place = ['--config', configFile, ...(hasOwnTree(options) ? ['--data', directory] : [])]
  const { account } = options
  if (account !== undefined) await giveTo(account, directory)
  const asAccount = account === undefined ? ['env'] : asService(account, account)
  const command = join(projectDirectory, 'scripts/causeway')
  const { program = account === undefined ? [join(projectDirectory, 'scripts/start')] : [command, 'serve'] } = options
  let gateway = await serve(directory, [...asAccount, ...program, ...place, '--port', String(port)])

  const causeway = async (input: readonly string[]): Promise<CommandResult> => {
    const [file = '', ...rest] = [...asAccount, command, ...input, ...place]
    const { exitCode, stdout, stderr } = await execa(file, rest, {
      reject: false,
      stdin: 'ignore',
      timeout: 60_000,
      env: environment,
    })
    return { exitCode, stdout, stderr }
  }
  const createKey = async (user: string): Promise<Credentials> => keyOf(await causeway(['keys', 'create', user]))
  const madeEnv = async (user: string) =>
    envOf({ key: await createKey(user), port, caFile: join(directory, 'state/ca.pem') })
  const env =
    options.operator === undefined
      ? await findClientEnv(join(directory, hasOwnTree(options) ? 'client.env' : 'state/client.env'))
      : await madeEnv(options.operator).catch(async (error: unknown) => {
          await end(gateway)
          throw error
        })
  const caFile = required(env, 'AWS_CA_BUNDLE')
  const authority = await readFile(caFile)
  const credentials: Credentials = {
    accessKeyId: required(env, 'AWS_ACCESS_KEY_ID'),
    secretAccessKey: required(env, 'AWS_SECRET_ACCESS_KEY'),
  }
  const endpoint = required(env, 'AWS_ENDPOINT_URL')
  const region = required(env, 'AWS_REGION')
  const clients: S3Client[] = []

  return {
    endpoint,
    port,
    region,
    credentials,
    caFile,
    authority,
    directory,
    tree: options.root ?? options.beside?.tree ?? join(directory, 'tree'),
    env: env ?? {},
    s3(changes = {}) {
      const client = new S3Client({
        endpoint,
        region,
        credentials,
        forcePathStyle: true,
        maxAttempts: 1,
        requestHandler: { httpsAgent: new Agent({ ca: authority, keepAlive: true, maxSockets: 128 }) },
        ...changes,
      })
      clients.push(client)
      return client
    },
    createKey,
    causeway,
    workerPids: () => descendants(gateway.pid).filter((pid) => commandLine(pid).includes('--worker=')),
    allPids: () => [gateway.pid, ...descendants(gateway.pid)],
    async errors() {
      const log = await readFile(join(directory, 'state/gateway.log'), 'utf8').catch(() => '')
      return [...log.split('\n').filter((line) => /^\{"level":"?(?:50|60|error|fatal)/.test(line)), ...gateway.said()]
    },
    output: () => gateway.output(),
    async crash() {
      const pids = [gateway.pid, ...descendants(gateway.pid)]
      for (const pid of pids) kill(pid, 'SIGKILL')
      await until('all killed processes have ended', () => pids.every((pid) => !isAlive(pid)))
    },
    async start() {
      gateway = await serve(directory, [...program, ...place, '--port', String(port)])
    },
    async stop() {
      for (const client of clients.splice(0)) client.destroy()
      await end(gateway)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function giveTo(account: number, directory: string): Promise<void> {
  const tree = join(directory, 'tree')
  await mkdir(tree, { recursive: true })
  for (const path of [directory, tree]) await chown(path, account, account)
  await chmod(directory, 0o755)
  await chmod(tree, 0o1777)
}

const hasOwnTree = ({ beside, root }: InstanceOptions): boolean => beside === undefined && root === undefined

function configText(directory: string, { workers = 2, config = {}, beside, root = beside?.tree }: InstanceOptions) {
  const elsewhere = root !== undefined && { namespace: { root }, state: { directory: join(directory, 'state') } }
  const shared = beside !== undefined && {
    identity: {
      master_key_file: join(beside.directory, 'state/master.key'),
      users_file: join(beside.directory, 'state/users.toml'),
    },
  }
  const own = {
    ...elsewhere,
    ...shared,
    pool: { workers },
    // The request log would fill the pipe to the test, and `errors` reads it.
    log: { file: join(directory, 'state/gateway.log') },
  }
  const sections = new Set([...Object.keys(own), ...Object.keys(config)])
  const merged = [...sections].map((name) => [
    name,
    { ...Object.entries(own).find(([n]) => n === name)?.[1], ...config[name] },
  ])
  return stringify(Object.fromEntries(merged))
}

type Gateway = {
  readonly child: ChildProcess
  readonly pid: number
  said(): readonly string[]
  output(): string
}

async function serve(directory: string, command: readonly string[]): Promise<Gateway> {
  // A test run that is killed itself takes the gateway along.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let [output, complaints, beforeReady] = ['', '', 0]
  child.stdout.on('data', (piece) => {
    output += piece
  })
  child.stderr.on('data', (piece) => {
    complaints += piece
  })
  const gateway: Gateway = {
    child,
    pid: child.pid ?? 0,
    // What came before "ready" tells of what was installed.
    said: () =>
      complaints
        .slice(beforeReady)
        .split('\n')
        .filter((line) => line !== ''),
    output: () => output + complaints,
  }
  const endWithUs = () => child.kill('SIGTERM')
  process.once('exit', endWithUs)
  child.once('close', () => process.off('exit', endWithUs))
  try {
    await until(
      'the gateway is ready',
      () => {
        if (hasEnded(child))
          throw new Error(`scripts/start ended (${child.exitCode ?? child.signalCode}): ${complaints}`)
        return /^ready /m.test(output)
      },
      READY_TIMEOUT_MS,
    )
  } catch (error) {
    await end(gateway)
    throw error
  }
  beforeReady = complaints.length
  return gateway
}

async function end({ child, pid }: Gateway): Promise<void> {
  const family = [pid, ...descendants(pid)]
  if (!hasEnded(child)) child.kill('SIGTERM')
  await until('the gateway has ended', () => family.every((each) => !isAlive(each)), STOP_TIMEOUT_MS).catch(() => {})
  for (const each of family) if (isAlive(each)) kill(each, 'SIGKILL')
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** Waits for something that must happen soon; throws when it does not. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs / 1000} seconds`)
    await sleep(25)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** What client.env has where the first start makes a user. */
function envOf({ key, port, caFile }: { readonly key: Credentials; readonly port: number; readonly caFile: string }) {
  const region = 'us-east-1'
  return {
    AWS_ENDPOINT_URL: `https://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_CA_BUNDLE: caFile,
    NODE_EXTRA_CA_CERTS: caFile,
  }
}

/** What `keys create` and `keys rotate` have shown. Throws with what they said where there is no key. */
export function keyOf({ stdout, stderr }: CommandResult): Credentials {
  const [, accessKeyId, secretAccessKey] = /^AWS_ACCESS_KEY_ID=(.+)\nAWS_SECRET_ACCESS_KEY=(.+)$/.exec(stdout) ?? []
  if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error(`There is no key: ${stderr}`)
  return { accessKeyId, secretAccessKey }
}

function required(env: Readonly<Record<string, string>> | undefined, name: string): string {
  const value = env?.[name]
  if (value === undefined) throw new Error(`client.env does not say ${name}`)
  return value
}

// --- Processes. Only ever by the id of one that was started here.

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

export function isAlive(pid: number): boolean {
  return statusOf(pid)?.state !== 'Z' && statusOf(pid) !== undefined
}

/** Children, their children and so on. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const status = /^\d+$/.test(name) ? statusOf(Number(name)) : undefined
    if (status !== undefined && status.state !== 'Z') parents.set(Number(name), status.parent)
  }
  const found = new Set([pid])
  for (let before = 0; before !== found.size; ) {
    before = found.size
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child)
  }
  found.delete(pid)
  return [...found]
}

function statusOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may hold anything, brackets too.
    const [state = '', parent = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return undefined
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** What a process has open: paths, `socket:[…]`, `pipe:[…]`. */
export function openDescriptors(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).flatMap((name) => {
    try {
      return [readlinkSync(join(directory, name))]
    } catch {
      return [] // closed meanwhile, the one of this very reading too
    }
  })
}

// --- The tree.

/** Paths of temporaries anywhere below a directory: files that are on their way in, or were left behind. */
export async function temporaries(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  return names.filter((name) => /(?:^|\/)\.s3-/.test(name))
}
