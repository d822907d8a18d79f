/** The unit and its drop-in by a real systemd, as the first process of namespaces: what it takes away is not in the product's way. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { descendants, freePort, until } from '../../conformance/instance.ts'
import { capability, readProcessCapabilities } from '../../gateway/cli/process-capabilities.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const init = fileURLToPath(new URL('systemd-init.sh', import.meta.url))
const read = (name: string) => readFileSync(join(project, 'scripts/systemd', name), 'utf8')

/** What this machine lacks of what is needed. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/usr/lib/systemd/systemd')) return 'needs systemd'
  const hierarchy = ['-m', 'mount', '-t', 'cgroup', '-o', 'none,name=systemd', 'cgroup', '/mnt']
  return spawnSync('unshare', hierarchy).status === 0 ? undefined : 'needs a control group hierarchy of its own'
}

/** As the addon does for a caller, on a thread of its own: prints who owns what it made, and how another user is refused. */
const SWITCH = `
  import { statSync } from 'node:fs'
  const { openPosixFiles } = await import('/opt/causeway/namespace/posix-files.ts')
  const files = openPosixFiles('/srv/tree', { threads: 2 })
  const answer = (work) => work.then(() => 'allowed', (error) => error.code)
  const make = async (calls) => calls.close(await calls.create('mine', 0o640, true))
  const made = await answer(make(files.as({ uid: 30005, gid: 40005, groups: [50005] })))
  const owner = made === 'allowed' ? statSync('/srv/tree/mine').uid : undefined
  const other = files.as({ uid: 30006, gid: 40006, groups: [] })
  const find = other.find('mine', { attribute: '', bodyBytesMax: 10, keepOpen: false })
  console.log(JSON.stringify({ made, owner, other: await answer(find) }))
  files.close()
`

const ACCOUNT = 977
/** The unit's own output goes to its journal, which is not there. */
const OUTPUT = (name: string) =>
  `[Service]\nRestart=no\nStandardOutput=file:/run/lab/${name}.out\nStandardError=file:/run/lab/${name}.out\n`

let directory: string
let systemd: ChildProcess | undefined

afterEach(async () => {
  if (systemd?.pid !== undefined && systemd.exitCode === null) {
    const ended = once(systemd, 'exit')
    // With the first process of the namespace all others end; its parent cleans up behind it.
    const first = running().find(({ command }) => command.startsWith('/usr/lib/systemd/systemd --system '))
    if (first !== undefined) process.kill(first.pid, 'SIGKILL')
    await ended
  }
  systemd = undefined
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
})

/** `switch.service` is the unit with another program. */
async function boot(enforcement: 'service' | 'kernel'): Promise<(name: string) => string> {
  directory = mkdtempSync(join(tmpdir(), 'causeway-systemd-'))
  chmodSync(directory, 0o755)
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  put('passwd', `causeway:x:${ACCOUNT}:${ACCOUNT}::/var/lib/causeway:/usr/sbin/nologin\n`)
  put('group', `causeway:x:${ACCOUNT}:\n`)
  put('console', '')
  put('switch.mjs', SWITCH)
  const config = {
    listen: `https = "127.0.0.1:${await freePort()}"`,
    state: 'directory = "/var/lib/causeway"',
    namespace: 'root = "/srv/tree"',
    identity: `enforcement = "${enforcement}"`,
    pool: 'workers = 2',
    log: 'file = "/var/log/causeway/gateway.log"',
  }
  put(
    'causeway.toml',
    Object.entries(config)
      .map(([name, line]) => `[${name}]\n${line}\n`)
      .join(''),
  )

  const unit = read('causeway.service').replace('--config /etc/causeway/', '--config /run/lab/')
  put('units/causeway.service', unit)
  const program = 'ExecStart=/opt/causeway/node_modules/.bin/node /run/lab/switch.mjs'
  put('units/switch.service', unit.replace(/^ExecStart=.*/m, program).replace('Type=exec', 'Type=oneshot'))
  for (const name of ['causeway', 'switch']) {
    put(`units/${name}.service.d/output.conf`, OUTPUT(name))
    if (enforcement === 'kernel') put(`units/${name}.service.d/kernel.conf`, read('causeway-kernel.conf'))
  }
  for (const name of ['sysinit', 'basic', 'shutdown']) put(`units/${name}.target`, '[Unit]\nDefaultDependencies=no\n')
  put('units/lab.target', '[Unit]\nDefaultDependencies=no\nWants=causeway.service switch.service\n')

  const environment = { ...process.env, LAB_DIRECTORY: directory, LAB_PROJECT: project }
  systemd = spawn('unshare', ['--mount', 'sh', init, 'outside'], { env: environment, stdio: 'ignore' })
  return (name) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8') : '')
}

/** Of all processes below the one that was started: what each is and what it may. */
function running() {
  return descendants(systemd?.pid ?? 0).map((pid) => ({
    pid,
    command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '),
    may: readProcessCapabilities(pid),
  }))
}

const FIVE = [
  capability.DAC_READ_SEARCH,
  capability.FOWNER,
  capability.SETGID,
  capability.SETUID,
  capability.NET_BIND_SERVICE,
]

test.for([
  { enforcement: 'service', bits: [capability.NET_BIND_SERVICE], switched: { made: 'ENOTSUP', other: 'ENOTSUP' } },
  { enforcement: 'kernel', bits: FIVE, switched: { made: 'allowed', owner: 30_005, other: 'EACCES' } },
] as const)(
  'under systemd with enforcement $enforcement it serves, with what the unit gives and no more',
  {
    timeout: 120_000,
  },
  async ({ enforcement, bits, switched }, context) => {
    const lacking = missing()
    if (lacking !== undefined) context.skip(lacking)
    const file = await boot(enforcement)
    const isReady = () => {
      const said = file('causeway.out')
      if (/^causeway: /m.test(said)) throw new Error(said)
      return /^ready /m.test(said)
    }
    await until('the service is ready', isReady, 60_000).catch((error: unknown) => {
      throw new Error(`${error}\n${file('console')}`)
    })
    await until('the switch has been tried', () => file('switch.out').endsWith('\n'), 30_000)
    expect(JSON.parse(file('switch.out'))).toEqual(switched)

    const [own, ports] = [new Set<number>(bits), new Set<number>([capability.NET_BIND_SERVICE])]
    const ofCommand = (pattern: RegExp) => running().filter(({ command }) => pattern.test(command))
    const gateway = [...ofCommand(/causeway\.ts serve/), ...ofCommand(/--worker=/)]
    expect(gateway).toHaveLength(3)
    for (const { may } of gateway) expect(may).toEqual({ uid: ACCOUNT, permitted: own, inheritable: own, ambient: own })
    const nginx = ofCommand(/nginx: |nginx -p/)
    expect(nginx.length).toBeGreaterThan(1)
    for (const { may } of nginx) {
      expect(may).toEqual({ uid: ACCOUNT, permitted: ports, inheritable: ports, ambient: ports })
    }
  },
)
