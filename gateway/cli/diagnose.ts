/** What `causeway doctor` looks at: one probe per fact, each a sentence for a person. Nothing is changed, except for probe files that go again. */
import { existsSync } from 'node:fs'
import { access, constants, mkdtemp, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { probeDomain, readMasterKey, requireSealingKey } from '#auth'
import {
  type Capabilities,
  type MountInfo,
  mountFaults,
  openPosixFiles,
  probeCapabilities,
  publishRootAdvice,
  readMountInfo,
  usesAuthSys,
} from '#namespace'
import { type Config, splitAddress } from '../config.ts'
import { identityProvider } from '../identity-provider.ts'
import { daysLeft } from './certificate.ts'
import { CommandError, isErrno } from './command-error.ts'
import { probeLinks } from './diagnose-links.ts'
import { probeRights } from './diagnose-rights.ts'
import { type Diagnosis, failure, good, warning } from './diagnosis.ts'
import { expected } from './expected.ts'
import { findProgram } from './find-program.ts'
import { findInstance } from './instance.ts'
import { findNginxVersion } from './nginx-process.ts'
import { requireFreePort } from './ports.ts'

type Probe = (config: Config) => Promise<readonly Diagnosis[]>

const PROBES: readonly Probe[] = [
  async () => [good('The configuration is understood.')],
  probeNginx,
  probeCertificate,
  probeState,
  probeMasterKey,
  probeUsers,
  probeTree,
  probeMount,
  probeGroups,
  probeRights,
  probeLinks,
  probeSpace,
  probeClock,
  probeAudit,
  probeOpenFiles,
  probePorts,
]

/** `explain` makes a sentence of what a probe threw. */
export async function* diagnose(config: Config, explain: (error: unknown) => string): AsyncGenerator<Diagnosis> {
  for (const probe of PROBES) {
    try {
      yield* await probe(config)
    } catch (error) {
      yield failure(explain(error))
    }
  }
}

/** The oldest that knows all directives of the template. */
const NGINX_MINIMUM = [1, 18]

async function probeNginx(): Promise<readonly Diagnosis[]> {
  const version = await findNginxVersion()
  if (version === undefined) return [failure('nginx is not installed; install the package nginx.')]
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = NGINX_MINIMUM
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    return [failure(`nginx is ${version}; install ${NGINX_MINIMUM.join('.')} or newer.`)]
  }
  const found = [good(`nginx is ${version}.`)]
  if (findProgram('setpriv') === undefined) {
    found.push(warning('setpriv (package util-linux) is not installed: nginx would outlive a gateway that is killed.'))
  }
  return found
}

async function probeCertificate({ listen, tls }: Config): Promise<readonly Diagnosis[]> {
  if (listen.https === '') return [warning('listen.https is "": requests and secrets travel in the clear.')]
  if (!existsSync(tls.certificate)) {
    const place = `${tls.certificate} does not exist yet`
    return [
      findProgram('openssl') === undefined
        ? failure(`${place} and openssl, which makes it, is not installed; install the package openssl.`)
        : good(`${place}; the first start makes it.`),
    ]
  }
  const left = daysLeft(await readFile(tls.certificate), new Date())
  await access(tls.key, constants.R_OK)
  if (left === undefined)
    return [failure(`${tls.certificate} holds no certificate in PEM; put the certificate there, the chain behind it.`)]
  if (left < 0) return [failure(`The certificate ${tls.certificate} has ended; renew it.`)]
  if (left < 14) return [warning(`The certificate ${tls.certificate} ends in ${Math.floor(left)} days; renew it.`)]
  return [good(`The certificate is good for ${Math.floor(left)} days.`)]
}

async function probeState({ state }: Config): Promise<readonly Diagnosis[]> {
  if (!existsSync(state.directory)) return [await makeable('state.directory', state.directory)]
  await access(state.directory, constants.R_OK | constants.W_OK | constants.X_OK)
  const { mode } = await stat(state.directory)
  if ((mode & 0o007) !== 0) return [warning(`Everybody may look into ${state.directory}; chmod 750 ${state.directory}`)]
  return [good(`The state directory ${state.directory} can be used.`)]
}

async function probeMasterKey({ identity, namespace }: Config): Promise<readonly Diagnosis[]> {
  const { masterKeyFile } = identity
  if (existsSync(masterKeyFile)) {
    const masterKey = await readMasterKey(masterKeyFile)
    await requireSealingKey(join(namespace.root, '.causeway/keys'), masterKey)
    return [good(`The master key ${masterKeyFile} can be read; keep a copy of it in a safe place.`)]
  }
  return existsSync(join(namespace.root, '.causeway/format'))
    ? [
        failure(
          `The master key ${masterKeyFile} is missing, and the tree was written with one; restore the file from its backup.`,
        ),
      ]
    : [good(`The master key ${masterKeyFile} does not exist yet; the first start makes it.`)]
}

async function probeUsers(config: Config): Promise<readonly Diagnosis[]> {
  const provider = identityProvider(config)
  if (provider.provider === 'local') return []
  const { failure: broken, controllers } = await expected(() => probeDomain(provider))
  const away = controllers.map((message) => warning(`A domain controller does not answer: ${message}.`))
  if (broken !== undefined) return [...away, failure(`The users cannot be read: ${broken}; see [identity].`)]
  return [...away, good(`The domain ${config.identity.baseDn} answers and shows its users.`)]
}

/** Of a directory: what lies in it is renamed and deleted by its owner and the directory's alone (inode(7)). */
const STICKY = 0o1000

async function probeTree({ namespace: { root } }: Config): Promise<readonly Diagnosis[]> {
  if (!existsSync(root)) return [await makeable('namespace.root', root)]
  await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
  const { mode, uid } = await stat(root)
  const found = [good(`The tree ${root} can be read and written.`)]
  if ((mode & 0o022) !== 0 && (mode & STICKY) === 0) {
    found.push(
      warning(
        `Others may write ${root} itself and could put a bucket's directory aside; chmod go-w ${root}, or chmod +t ${root} where users make buckets themselves`,
      ),
    )
  }
  if (uid !== process.getuid?.()) {
    found.push(warning(`${root} belongs to uid ${uid}, not to this account; buckets may be put aside by that account.`))
  }
  return found
}

/** A first start makes the directory, if it may. */
async function makeable(setting: string, directory: string): Promise<Diagnosis> {
  let parent = dirname(directory)
  while (!existsSync(parent)) parent = dirname(parent)
  try {
    await access(parent, constants.W_OK | constants.X_OK)
    return good(`${directory} does not exist yet; the first start makes it.`)
  } catch {
    return failure(`${setting} is ${directory}, which does not exist, and this account may not make it in ${parent}.`)
  }
}

async function probeMount({ namespace }: Config): Promise<readonly Diagnosis[]> {
  const there = (roots: readonly string[]) => roots.filter((root) => existsSync(root))
  const found = await Promise.all([
    ...there([namespace.root]).map(probeRoot),
    ...there(namespace.publishRoot === undefined ? [namespace.root] : []).map(advisePublishRoot),
    ...there(namespace.roots).map(probeFurtherRoot),
  ])
  return found.flat()
}

/** As openNamespace decides. */
const WHY_READ_ONLY: Readonly<Record<string, string>> = {
  EROFS: 'is mounted read-only',
  EACCES: 'may not be written to by this account',
  EPERM: 'may not be written to by this account',
}

/** The gateway keeps nothing of its own in a further root, so one that cannot be written is as good as any for reading. */
async function probeFurtherRoot(root: string): Promise<readonly Diagnosis[]> {
  try {
    return await probeRoot(root)
  } catch (error) {
    const why = isErrno(error) ? WHY_READ_ONLY[error.code] : undefined
    if (why === undefined) throw error
    return [
      good(`${root} ${why}: buckets mapped there can be listed and read, and each change is refused (ReadOnlyTree).`),
    ]
  }
}

/** In a directory of its own, so that a mount that folds names cannot touch what is there. */
async function probeRoot(root: string): Promise<readonly Diagnosis[]> {
  const scratch = await mkdtemp(join(root, '.s3-doctor-'))
  const files = openPosixFiles(scratch, { threads: 1 })
  try {
    return [...describeMount(root, await probeCapabilities(files, '')), ...(await describeOptions(root))]
  } finally {
    files.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

/** A mount that shows others' writes late serves one gateway, which is then late as well; several it would have contradict each other. */
async function describeOptions(root: string): Promise<readonly Diagnosis[]> {
  const mount = await readMountInfo(root)
  return mount === undefined ? [] : mountFaults(mount).map(({ sentence }) => warning(sentence))
}

async function advisePublishRoot(root: string): Promise<readonly Diagnosis[]> {
  const mount = await readMountInfo(root)
  const advice = mount && publishRootAdvice(mount)
  return advice === undefined ? [] : [warning(advice)]
}

/** Which users that cuts only the directory can say. */
async function probeGroups({ namespace, identity }: Config): Promise<readonly Diagnosis[]> {
  const roots = [namespace.root, ...namespace.roots].filter((root) => existsSync(root))
  const mounts = await Promise.all(roots.map(readMountInfo))
  const found = new Map(mounts.filter((mount) => mount !== undefined).map((mount) => [mount.mountPoint, mount]))
  return [...found.values()].flatMap((mount) => describeGroups(mount, identity.enforcement))
}

/** With `service` enforcement calls come from one account, and users' own groups count for what they do over NFS themselves. Pure. */
export function describeGroups(mount: MountInfo, enforcement: Config['identity']['enforcement']): readonly Diagnosis[] {
  if (!usesAuthSys(mount)) return []
  const say = enforcement === 'service' ? good : warning
  return [
    say(
      `${mount.mountPoint} is mounted with sec=sys, which tells the file server at most 16 supplementary groups of a user; \`causeway explain --as USER …\` says what that cuts, and rpc.mountd --manage-gids on the server ends it.`,
    ),
  ]
}

type MountRule = {
  readonly level: 'warning' | 'failure'
  readonly broken: (capabilities: Capabilities) => boolean
  readonly sentence: (root: string) => string
}

const MOUNT_RULES: readonly MountRule[] = [
  {
    level: 'failure',
    broken: ({ openat2 }) => !openat2,
    sentence: (root) =>
      `The kernel does not let openat2 through for ${root}, which keeps requests inside the tree; use Linux 5.6 or newer, and allow it in the container's filter.`,
  },
  {
    level: 'failure',
    broken: ({ openat2, caseSensitive }) => openat2 && !caseSensitive,
    sentence: (root) =>
      `${root} takes "a" and "A" for one name, so two keys would be one file; choose a case-sensitive file system.`,
  },
  {
    level: 'failure',
    broken: ({ openat2, preservesNames }) => openat2 && !preservesNames,
    sentence: (root) =>
      `${root} changes names with accented letters (normalisation), so keys would not come back; choose a file system that keeps names as they are.`,
  },
  {
    level: 'failure',
    broken: ({ openat2, hardLinks }) => openat2 && !hardLinks,
    sentence: (root) =>
      `${root} has no hard links, without which "create only if it is not there" cannot be kept; choose another file system.`,
  },
  {
    level: 'warning',
    broken: ({ openat2, attributes }) => openat2 && !attributes,
    sentence: (root) =>
      `${root} has no extended attributes; what S3 knows of an object goes into side-car files, which is slower. Mount it with user_xattr or NFSv4.2.`,
  },
  {
    level: 'warning',
    broken: ({ attributes, attributeBytesMax }) => attributes && attributeBytesMax < 3900,
    sentence: (root) => `${root} takes small attributes only; large metadata go into side-car files, which is slower.`,
  },
  {
    level: 'warning',
    broken: ({ openat2, locks }) => openat2 && !locks,
    sentence: (root) =>
      `Locks on ${root} exclude nobody; run one worker only (pool.workers = 1) and no second gateway, or mount it with locks.`,
  },
  {
    level: 'warning',
    broken: ({ openat2, timeGranularityNs }) => openat2 && timeGranularityNs > 1000,
    sentence: (root) =>
      `${root} keeps coarse times; when others rewrite a file twice within one tick, at the same size, the second time goes unnoticed.`,
  },
]

/** What a mount can and cannot do. Pure. */
export function describeMount(root: string, capabilities: Capabilities): readonly Diagnosis[] {
  const broken = MOUNT_RULES.filter((rule) => rule.broken(capabilities))
  if (broken.length === 0) return [good(`The mount of ${root} can do all that is needed.`)]
  return broken.map(({ level, sentence }) => ({ level, sentence: sentence(root) }))
}

/** Throws CommandError where a root cannot be served: two keys would be one file, or worse. */
export async function requireMounts(config: Config): Promise<void> {
  const failures = (await probeMount(config)).filter(({ level }) => level === 'failure')
  if (failures.length > 0) throw new CommandError(failures.map(({ sentence }) => sentence).join('\n'))
}

const FREE_BYTES_MIN = 1024 ** 3
const FREE_FRACTION_MIN = 0.05

async function probeSpace({ namespace }: Config): Promise<readonly Diagnosis[]> {
  if (!existsSync(namespace.root)) return []
  const { bsize, blocks, bavail, files, ffree } = await statfs(namespace.root)
  const freeGib = ((bavail * bsize) / 1024 ** 3).toFixed(1)
  const found: Diagnosis[] = []
  if (bavail === 0) found.push(failure(`${namespace.root} is full; make room.`))
  else if (bavail * bsize < FREE_BYTES_MIN || bavail / blocks < FREE_FRACTION_MIN) {
    found.push(warning(`${namespace.root} has only ${freeGib} GiB left; make room.`))
  } else found.push(good(`${namespace.root} has ${freeGib} GiB left.`))
  if (files > 0 && ffree / files < FREE_FRACTION_MIN) {
    found.push(warning(`${namespace.root} has room for only ${ffree} more files (inodes); make room.`))
  }
  return found
}

/** The year this was written: a clock before it was never set. */
const EARLIEST_MS = Date.UTC(2025, 0)
const SKEW_MAX_MS = 2000

/** S3 refuses requests whose time is 15 minutes off, and a tree's own clock dates what others write to it. */
async function probeClock({ namespace }: Config): Promise<readonly Diagnosis[]> {
  if (Date.now() < EARLIEST_MS) {
    return [
      failure(
        `The clock says ${new Date().toISOString()}; set it, else every request is refused as too old or too new.`,
      ),
    ]
  }
  if (!existsSync(namespace.root)) return [good('The clock is plausible.')]
  const skewMs = await skewOf(namespace.root)
  return Math.abs(skewMs) > SKEW_MAX_MS
    ? [
        warning(
          `The clock of the file server of ${namespace.root} is ${(skewMs / 1000).toFixed(1)} s off this one; run NTP on both.`,
        ),
      ]
    : [good('The clock agrees with that of the tree.')]
}

/** The tree's clock minus ours, in milliseconds. */
async function skewOf(root: string): Promise<number> {
  const directory = await mkdtemp(join(root, '.s3-doctor-'))
  try {
    const before = Date.now()
    const file = join(directory, 'clock')
    await writeFile(file, '')
    const { mtimeMs } = await stat(file)
    return mtimeMs - (before + Date.now()) / 2
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Requests are answered without it, so that only here somebody asks whether it works. */
async function probeAudit({ log: { auditFile } }: Config): Promise<readonly Diagnosis[]> {
  if (auditFile === undefined) return []
  if (!existsSync(auditFile)) return [await makeable('log.audit_file', auditFile)]
  await access(auditFile, constants.W_OK)
  return [good(`The audit file ${auditFile} can be written.`)]
}

const OPEN_FILES_WANTED = 65_536
const OPEN_FILES_MIN = 1024

async function probeOpenFiles(): Promise<readonly Diagnosis[]> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1]
  const limit = hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
  const how = 'raise it with LimitNOFILE in the systemd unit or in /etc/security/limits.conf'
  if (limit < OPEN_FILES_MIN) return [failure(`Only ${limit} files may be open at once; ${how}.`)]
  if (limit < OPEN_FILES_WANTED)
    return [warning(`Only ${limit} files may be open at once, which bounds the clients; ${how}.`)]
  return [good(`${limit} files may be open at once.`)]
}

async function probePorts({ listen, state }: Config): Promise<readonly Diagnosis[]> {
  const running = await findInstance(state.directory)
  if (running !== undefined) return [good(`Causeway runs (process ${running.pid}).`)]
  const found: Diagnosis[] = []
  for (const address of [listen.https, listen.http].filter((each) => each !== '')) {
    try {
      await requireFreePort(splitAddress(address))
      found.push(good(`${address} is free.`))
    } catch (error) {
      if (!(error instanceof Error) || isErrno(error)) throw error
      found.push(failure(error.message))
    }
  }
  return found
}
