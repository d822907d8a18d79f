/**
 * A real Active Directory domain controller for tests: Samba, of which only the LDAP server runs, on an address of its own out of
 * 127.0.0.0/8 (its ports cannot be changed), in one process that dies with this one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { Client, type ClientOptions } from 'ldapts'
import { issueCertificate, readAuthority } from './certificates.ts'
import { type Administrator, openAdministrator } from './domain-administrator.ts'
import { domain, provisionedDomain, sambaEnvironment } from './provisioned-domain.ts'

export type DomainControllerOptions = {
  /** Absolute, the caller's own temporary one: the controller lives in a directory below it, which `stop` removes. */
  readonly directory: string
  /** Of 127.0.0.0/8; nothing else may listen on its ports 389, 636, 3268 and 3269. Default: one that is free. */
  readonly address?: string
  /** Wrong passwords in a row until an account is locked, 0 for never. Default 3. */
  readonly lockoutThreshold?: number
}

export type DomainController = {
  /** ldaps://<address> */
  readonly url: string
  readonly address: string
  /** The name that its certificate has beside the address. */
  readonly hostName: string
  /** PEM. All controllers of a machine have the same authority. */
  readonly ca: string
  readonly caFile: string
  /** DC=lab,DC=example,DC=test */
  readonly base: string
  /** LAB, of LAB\alice. */
  readonly netbiosName: string
  /** lab.example.test, of alice@lab.example.test. */
  readonly realm: string
  readonly pid: number
  readonly administrator: Administrator
  /** Not connected yet. Unbind it: an open one keeps the process. */
  client(options?: Partial<ClientOptions>): Client
  /** SIGSTOP: connections are accepted by the kernel and nothing answers. */
  pause(): void
  /** SIGCONT */
  resume(): void
  /** Ends the process and keeps the directory; connections are refused until `restart`. */
  halt(): Promise<void>
  /** Ends the process unless it has been, and starts it again on the same address. Resolves when it answers. */
  restart(): Promise<void>
  /**
   * Another controller with what the domain holds now: the same objects, GUIDs, SIDs and passwords. They do not replicate; tell both
   * what is to change later. Each counts its own USNs, but their dsServiceName is the same, which two real controllers never have.
   */
  replica(options?: { readonly address?: string }): Promise<DomainController>
  /** Ends the process and removes its directory. */
  stop(): Promise<void>
}

const READY_TIMEOUT_MS = 60_000
const OPERATION_TIMEOUT_MS = 5000
const CONNECT_TIMEOUT_MS = 2000
const LOG_LENGTH = 4000

/**
 * Resolves when it answers over LDAPS. The first one on a machine takes as long as provisioning does (5 to 20 s), later ones 0.5 to 2 s.
 *
 * Throws with one plain sentence where Samba is missing or this is not root, with Samba's last words where it does not start.
 */
export async function startDomainController(options: DomainControllerOptions): Promise<DomainController> {
  const controller = await startOn(await provisionedDomain(), options)
  try {
    const { lockoutThreshold = 3 } = options
    await controller.administrator.setDomain({ lockoutThreshold: String(lockoutThreshold), minPwdAge: '0' })
    return controller
  } catch (error) {
    await controller.stop()
    throw error
  }
}

/** @param tree has `private`, `state` and `tls`; it is copied */
async function startOn(tree: string, options: DomainControllerOptions): Promise<DomainController> {
  const address = options.address ?? (await freeAddress())
  const directory = await mkdtemp(join(options.directory, 'domain-controller-'))
  try {
    await execa('cp', [
      '-a',
      '--reflink=auto',
      ...['private', 'state', 'tls'].map((name) => join(tree, name)),
      directory,
    ])
    const authority = await readAuthority(join(directory, 'tls'))
    const names = [`DNS:${domain.hostName}`, `IP:${address}`]
    await issueCertificate(authority, { directory: authority.directory, names })
    await mkdir(join(directory, 'run/ncalrpc'), { recursive: true })
    await writeFile(join(directory, 'smb.conf'), smbConf(directory, address))
    return await run({ parent: options.directory, directory, address, ca: authority.ca, caFile: authority.caFile })
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

type Place = {
  readonly parent: string
  readonly directory: string
  readonly address: string
  readonly ca: string
  readonly caFile: string
}

async function run({ parent, directory, address, ca, caFile }: Place): Promise<DomainController> {
  const url = `ldaps://${address}`
  const client = (options: Partial<ClientOptions> = {}) =>
    new Client({
      url,
      tlsOptions: { ca },
      timeout: OPERATION_TIMEOUT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...options,
    })
  let samba = await startSamba(directory, client)
  const administrator = openAdministrator(client)
  const controller: DomainController = {
    ...{ url, address, hostName: domain.hostName, ca, caFile, base: domain.base },
    ...{ netbiosName: domain.netbiosName, realm: domain.realm, administrator, client },
    get pid() {
      return samba.pid
    },
    pause: () => samba.signal('SIGSTOP'),
    resume: () => samba.signal('SIGCONT'),
    halt: () => samba.end(),
    async restart() {
      await samba.end()
      samba = await startSamba(directory, client)
    },
    // Between two writes, and nobody else's meanwhile: files of a database under change are of no use.
    replica: (options = {}) =>
      administrator.exclusively(async () => {
        samba.signal('SIGSTOP')
        try {
          return await startOn(directory, { directory: parent, ...options })
        } finally {
          samba.signal('SIGCONT')
        }
      }),
    async stop() {
      await administrator.close()
      await samba.end()
      await rm(directory, { recursive: true, force: true })
    },
  }
  return controller
}

type Samba = {
  readonly pid: number
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  end(): Promise<void>
}

/** Resolves when it answers. */
async function startSamba(directory: string, client: () => Client): Promise<Samba> {
  // With -i the end of its standard input ends it; a stopped process reads no end of anything, for which there is the signal.
  const command = ['samba', '-i', '--no-process-group', '-M', 'single', '-s', join(directory, 'smb.conf')]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...sambaEnvironment },
  })
  const exited = once(child, 'exit')
  const log = lastWordsOf(child)
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGCONT')
    child.stdin?.end()
    await exited
  }
  try {
    await untilItAnswers(child, client)
  } catch (error) {
    await end()
    throw new Error(`Samba does not answer. It said:\n${log()}`, { cause: error })
  }
  return { pid: child.pid ?? 0, signal: (name) => void child.kill(name), end }
}

async function untilItAnswers(child: ChildProcess, client: () => Client): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    const attempt = client() // a new one each time: ldapts does not recover from every failed connect
    try {
      await attempt.search('', { scope: 'base', attributes: ['highestCommittedUSN'] })
      return
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) throw error
      await sleep(20)
    } finally {
      await attempt.unbind().catch(() => undefined)
    }
  }
}

function lastWordsOf(child: ChildProcess): () => string {
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (piece: string) => {
      said = (said + piece).slice(-LOG_LENGTH)
    })
  }
  return () => said
}

/** Taken at random out of 15 million, so that processes need not know each other. */
async function freeAddress(): Promise<string> {
  for (let tries = 1; ; tries++) {
    const [second = 0, third = 0, fourth = 0] = crypto.getRandomValues(new Uint8Array(3))
    const address = `127.${16 + (second % 224)}.${third}.${1 + (fourth % 254)}`
    const server = createServer()
    try {
      server.listen(636, address)
      await once(server, 'listening')
      return address
    } catch (cause) {
      if (tries === 5) throw new Error('Something listens on port 636 of every address of this machine.', { cause })
    } finally {
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    }
  }
}

function smbConf(directory: string, address: string): string {
  const settings = {
    'netbios name': 'DC1',
    workgroup: domain.netbiosName,
    realm: domain.realm.toUpperCase(),
    'server role': 'active directory domain controller',
    'server services': 'ldap',
    'idmap_ldb:use rfc2307': 'yes',
    interfaces: `${address}/8`,
    'bind interfaces only': 'yes',
    'private dir': join(directory, 'private'),
    'state directory': join(directory, 'state'),
    'lock directory': directory,
    'cache directory': join(directory, 'cache'),
    'pid directory': join(directory, 'run'),
    'ncalrpc dir': join(directory, 'run/ncalrpc'),
    'ntp signd socket directory': join(directory, 'run/ntp_signd'),
    'winbindd socket directory': join(directory, 'run/winbindd'),
    'log file': join(directory, 'log.%m'),
    'tls cafile': join(directory, 'tls/ca.pem'),
    'tls certfile': join(directory, 'tls/server.pem'),
    'tls keyfile': join(directory, 'tls/server.key'),
  }
  return `[global]\n${Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')}`
}
