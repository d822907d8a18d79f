/** What enforcement "kernel" needs: the capabilities of the service, mounts that go by the caller's uid, users who have one. */
import { existsSync } from 'node:fs'
import { openLocalUsers, type User } from '#auth'
import { identityFaults, type MountInfo, readMountInfo } from '#namespace'
import type { Config } from '../config.ts'
import { CommandError } from './command-error.ts'
import { type Diagnosis, failure, good, warning } from './diagnosis.ts'
import { expected } from './expected.ts'
import { findProgram } from './find-program.ts'
import { findInstance } from './instance.ts'
import { capability, type ProcessCapabilities, readProcessCapabilities } from './process-capabilities.ts'

/** Nothing with enforcement "service", which needs none of it. */
export async function probeRights(config: Config): Promise<readonly Diagnosis[]> {
  if (config.identity.enforcement !== 'kernel') return []
  const service = await findService(config)
  return [
    ...(service === undefined ? [NOT_SEEN] : describeService(service)),
    ...describeSetpriv(findProgram('setpriv')),
    ...(await probeMounts(config)),
    ...(await probeLocalUsers(config, service?.uid)),
  ]
}

/** Throws CommandError where calls could not run as the users of this configuration; for the process that is to serve. */
export async function requireRights(config: Config): Promise<void> {
  if (config.identity.enforcement !== 'kernel') return
  const found = [...describeService(readProcessCapabilities('self')), ...(await probeMounts(config))]
  const failures = found.filter(({ level }) => level === 'failure')
  if (failures.length > 0) throw new CommandError(failures.map(({ sentence }) => sentence).join('\n'))
}

/** What threads take a caller's identity with, and what the service's own calls need (scripts/systemd/causeway-kernel.conf). */
const NEEDED = ['SETUID', 'SETGID', 'DAC_READ_SEARCH', 'FOWNER'] as const

const NOT_SEEN = warning(
  'Whether the service has the capabilities of identity.enforcement "kernel" was not looked at: nothing serves, and doctor itself was not started as the service is. Run it again while Causeway serves.',
)

/** The gateway that serves; else this process where it was started as one. Root and an administrator's shell tell nothing of the service. */
async function findService({ state }: Config): Promise<ProcessCapabilities | undefined> {
  const running = await findInstance(state.directory)
  if (running !== undefined) return readProcessCapabilities(running.pid)
  const own = readProcessCapabilities('self')
  const isLikeService = own.uid !== 0 && NEEDED.some((name) => own.ambient.has(capability[name]))
  return isLikeService ? own : undefined
}

/** Workers are programs of their own, so only what is ambient reaches them. Pure. */
export function describeService({ uid, permitted, ambient }: ProcessCapabilities): readonly Diagnosis[] {
  if (uid === 0) {
    return [
      failure(
        'identity.enforcement is "kernel" and the gateway runs as root, to whom no file is closed; run it as an ordinary account, by scripts/systemd/causeway.service with causeway-kernel.conf.',
      ),
    ]
  }
  const found: Diagnosis[] = []
  if (permitted.has(capability.DAC_OVERRIDE)) {
    found.push(
      failure(
        'The gateway has CAP_DAC_OVERRIDE, with which no file is closed to anybody; take it away (AmbientCapabilities of the systemd unit, --ambient-caps of setpriv).',
      ),
    )
  }
  const missing = NEEDED.filter((name) => !ambient.has(capability[name]))
  if (missing.length > 0) {
    const wanted = NEEDED.map((name) => `+${name.toLowerCase()}`).join(',')
    found.push(
      failure(
        `The gateway lacks ${missing.map((name) => `CAP_${name}`).join(', ')}, which identity.enforcement "kernel" needs; install scripts/systemd/causeway-kernel.conf, or start it as root by setpriv --reuid=ACCOUNT --regid=ACCOUNT --clear-groups --inh-caps=-all,${wanted} --ambient-caps=-all,${wanted} --bounding-set=-all,${wanted}.`,
      ),
    )
  }
  return found.length > 0 ? found : [good('The gateway has the capabilities with which calls run as the users.')]
}

function describeSetpriv(setpriv: string | undefined): readonly Diagnosis[] {
  if (setpriv !== undefined) return []
  return [
    failure('setpriv is not installed, which starts nginx without the capabilities; install the package util-linux.'),
  ]
}

async function probeMounts({ namespace }: Config): Promise<readonly Diagnosis[]> {
  const roots = [namespace.root, ...namespace.roots].filter((root) => existsSync(root))
  const mounts = await Promise.all(roots.map(readMountInfo))
  const found = new Map(mounts.filter((mount) => mount !== undefined).map((mount) => [mount.mountPoint, mount]))
  return [...found.values()].flatMap(describeIdentities)
}

const LEVELS = { refused: failure, unknown: warning } as const

/** Pure. */
export function describeIdentities(mount: MountInfo): readonly Diagnosis[] {
  return identityFaults(mount).map(({ kind, sentence }) => LEVELS[kind](sentence))
}

/** Users of a domain have ids by a rule, which config.ts has seen to. */
async function probeLocalUsers({ identity }: Config, serviceUid: number | undefined): Promise<readonly Diagnosis[]> {
  if (identity.provider !== 'local') return []
  const users = await expected(async () => (await openLocalUsers({ path: identity.usersFile })).listUsers())
  return describeLocalUsers(users, identity.usersFile, serviceUid)
}

/** Pure. */
export function describeLocalUsers(
  users: readonly Pick<User, 'userName' | 'posix' | 'disabled'>[],
  usersFile: string,
  serviceUid: number | undefined,
): readonly Diagnosis[] {
  const without = users.filter(({ posix, disabled }) => posix === undefined && !disabled)
  const reserved = users.filter(({ posix }) => posix !== undefined && [0, serviceUid].includes(posix.uid))
  return [
    ...reserved.map(({ userName, posix }) =>
      failure(
        `${userName} has the uid ${posix?.uid} in ${usersFile}, which is ${posix?.uid === 0 ? "root's" : "the gateway's own"}; give each user one of their own.`,
      ),
    ),
    ...(without.length === 0
      ? []
      : [
          warning(
            `${named(without.map(({ userName }) => userName))} without uid and gid in ${usersFile}, so identity.enforcement "kernel" refuses what they ask for; add them.`,
          ),
        ]),
  ]
}

const NAMES_MAX = 5

/** "alice is", "alice, bob are", "alice, bob, carol, dave, erin and 7 more are". */
function named(names: readonly string[]): string {
  const more = names.length - NAMES_MAX
  const shown = names.slice(0, NAMES_MAX).join(', ')
  return `${shown}${more > 0 ? ` and ${more} more` : ''} ${names.length === 1 ? 'is' : 'are'}`
}
