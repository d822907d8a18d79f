/** The product as scripts/start starts it, on ports and in a directory of its own. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'smol-toml'
import { findClientEnv } from '../../gateway/cli/client-env.ts'
import { endProcess, freePort } from './own-process.ts'
import { processorTime } from './processor-time.ts'
import type { Server } from './server.ts'
import { type Credentials, signedRequest, targetOf } from './signed-request.ts'

const START = fileURLToPath(new URL('../start', import.meta.url))
const READY_TIMEOUT_MS = 120_000 // a first start on a fresh machine installs

export type Gateway = Server & {
  readonly tree: string
  /** Absolute, as the next four. */
  readonly stateDirectory: string
  readonly configFile: string
  readonly certificate: string
  readonly key: string
}

export type GatewayOptions = {
  /** As it stands in the table. */
  readonly name: string
  readonly durability: 'strict' | 'relaxed'
  /** Another tree than `tree` in its directory: that of a gateway that runs already. */
  readonly tree?: string
  /** Sections of its configuration, beside those that a benchmark needs. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** Its first user asks, where it keeps the users itself. Rejects with what scripts/start said when it does not serve. */
export async function startGateway(directory: string, options: GatewayOptions): Promise<Gateway> {
  const { name, durability, tree = join(directory, 'tree') } = options
  await mkdir(directory, { recursive: true })
  const ports = { https: await freePort(), http: await freePort() }
  const configFile = join(directory, 'causeway.toml')
  const state = join(directory, 'state')
  const config = {
    listen: { https: `127.0.0.1:${ports.https}`, http: `127.0.0.1:${ports.http}` },
    namespace: { root: tree, durability },
    state: { directory: state },
    // As a service logs; standard output is a pipe to this process here.
    log: { file: join(state, 'gateway.log') },
    ...options.config,
  }
  await writeFile(configFile, stringify(config))
  const child = spawn(START, ['--config', configFile], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece))
  process.once('exit', () => child.kill('SIGTERM'))
  for (const deadline = Date.now() + READY_TIMEOUT_MS; !/^ready /m.test(said); await sleep(50)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await endProcess(child)
      throw new Error(`scripts/start does not serve: ${said}`)
    }
  }
  const pid = child.pid ?? 0
  const credentials = await credentialsIn(join(state, 'client.env'))
  const origin = (scheme: 'https' | 'http') => `${scheme}://127.0.0.1:${ports[scheme]}`
  return {
    name,
    isS3: true,
    durability,
    schemes: ['https', 'http'],
    origin,
    authority: await readFile(join(state, 'ca.pem'), 'utf8'),
    request: (wanted, scheme) => signedRequest(wanted, origin(scheme), credentials),
    processorTime: () => processorTime(pid),
    tree,
    stateDirectory: state,
    configFile,
    certificate: join(state, 'certificate.pem'),
    key: join(state, 'certificate.key'),
    stop: () => endProcess(child),
  }
}

/** The same gateway, asked with these keys in turn; with none of them: by nobody in particular. */
export function askedWith<Asked extends Server>(gateway: Asked, name: string, keys: readonly Credentials[]): Asked {
  let signed = 0
  return {
    ...gateway,
    name,
    request(wanted, scheme) {
      const key = keys[signed++ % keys.length]
      if (key === undefined) return { method: wanted.method, target: targetOf(wanted), headers: {} }
      return signedRequest(wanted, gateway.origin(scheme), key)
    },
  }
}

async function credentialsIn(clientEnv: string): Promise<Credentials> {
  const values = await findClientEnv(clientEnv)
  return {
    accessKeyId: values?.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: values?.AWS_SECRET_ACCESS_KEY ?? '',
    region: values?.AWS_REGION ?? '',
  }
}
