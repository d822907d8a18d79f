import { readFile, realpath } from 'node:fs/promises'

/** A mounted file system as the kernel describes it (proc_pid_mountinfo(5)). */
export type MountInfo = {
  /** `nfs4`, `xfs`, `fuse.glusterfs` … */
  readonly type: string
  readonly mountPoint: string
  /** Of the mount and of its file system; a bare option is its own value. */
  readonly options: ReadonlyMap<string, string>
  /** major:minor: one for all mounts that share a client's caches. */
  readonly device: string
}

export type MountFault = {
  /**
   * `stale`: what others write is seen late, so several gateways would contradict each other; `locks`: locks exclude nobody on other machines;
   * `advice`: works, and could be better.
   */
  readonly kind: 'stale' | 'locks' | 'advice'
  /** Says what to do. */
  readonly sentence: string
}

/** The mount that `path` lies on; undefined where the kernel does not say. Throws where the path is not there. */
export async function readMountInfo(path: string): Promise<MountInfo | undefined> {
  return findMount(await readFile('/proc/self/mountinfo', 'utf8'), await realpath(path))
}

/** The last of the mounts whose point is the longest prefix of `path`: a later one covers an earlier. */
export function findMount(mountInfo: string, path: string): MountInfo | undefined {
  let best: MountInfo | undefined
  for (const line of mountInfo.split('\n')) {
    const mount = parseLine(line)
    if (mount === undefined || !covers(mount.mountPoint, path)) continue
    if (best === undefined || mount.mountPoint.length >= best.mountPoint.length) best = mount
  }
  return best
}

/** `36 35 98:0 /root /mnt rw,noatime master:1 - nfs4 server:/ rw,vers=4.2`: optional fields end at the hyphen. */
function parseLine(line: string): MountInfo | undefined {
  const [before = '', after] = line.split(' - ')
  const [, , device, , mountPoint, mountOptions = ''] = before.split(' ')
  const [type, , superOptions = ''] = after?.split(' ') ?? []
  if (device === undefined || mountPoint === undefined || type === undefined) return undefined
  const options = new Map(
    [...mountOptions.split(','), ...superOptions.split(',')].map((option): [string, string] => {
      const [name = '', ...value] = option.split('=')
      return [name, value.length === 0 ? name : value.join('=')]
    }),
  )
  return { type, mountPoint: unescaped(mountPoint), options, device }
}

/** Space, tab, newline and backslash are octal there. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const covers = (mountPoint: string, path: string): boolean =>
  path === mountPoint || mountPoint === '/' || path.startsWith(`${mountPoint}/`)

/** What is wrong with a mount for this product; nothing for file systems of this machine. */
export function mountFaults(mount: MountInfo): readonly MountFault[] {
  if (mount.type === 'nfs' || mount.type === 'nfs4')
    return nfsRules.filter(({ broken }) => broken(mount)).map(faultOf(mount))
  if (mount.type === 'fuse.glusterfs') return [faultOf(mount)(glusterRule)]
  if (remoteTypes.test(mount.type)) return [faultOf(mount)(unknownRule)]
  return []
}

type Rule<Kind = MountFault['kind']> = {
  readonly kind: Kind
  readonly broken: (mount: MountInfo) => boolean
  readonly say: (mount: MountInfo) => string
}

const faultOf =
  (mount: MountInfo) =>
  <Kind>({ kind, say }: Rule<Kind>) => ({ kind, sentence: say(mount) })

/** All four times zero, as by actimeo=0 and noac. */
const keepsNoAttributes = ({ options }: MountInfo): boolean =>
  ['acregmin', 'acregmax', 'acdirmin', 'acdirmax'].every((name) => options.get(name) === '0')

/** nfs(5). What each costs when it is missing was measured on two clients: see README.md, "Mounts". */
const nfsRules: readonly Rule[] = [
  {
    kind: 'stale',
    broken: (mount) => mount.options.get('lookupcache') !== 'none' && !keepsNoAttributes(mount),
    say: ({ mountPoint }) =>
      `${mountPoint} remembers names: what another machine has overwritten or deleted is served for up to a minute. Mount it with lookupcache=none.`,
  },
  {
    kind: 'locks',
    broken: ({ options }) => options.has('nolock') || ['all', 'posix'].includes(options.get('local_lock') ?? 'none'),
    say: ({ mountPoint }) =>
      `${mountPoint} keeps locks on this machine alone, so conditional writes through another one are not excluded. Mount it without nolock and local_lock.`,
  },
  {
    kind: 'advice',
    broken: ({ options }) => Number(options.get('vers') ?? '4.2') < 4.2,
    say: ({ mountPoint, options }) =>
      `${mountPoint} speaks NFS ${options.get('vers')}: no extended attributes and no copying by the server. Mount it with vers=4.2.`,
  },
  {
    kind: 'advice',
    broken: ({ options }) => options.has('soft') || options.has('softerr'),
    say: ({ mountPoint }) =>
      `${mountPoint} is mounted soft: while the server is slow, writes fail that a hard mount would have ended. Mount it hard; requests are bounded in time all the same.`,
  },
]

/** How client and volume are set up is nowhere in the kernel's list of mounts. What was measured without it: README.md, "Mounts". */
const glusterRule: Rule = {
  kind: 'advice',
  broken: () => true,
  say: ({ mountPoint }) =>
    `${mountPoint} is GlusterFS, whose clients remember what others have changed since, unless told otherwise, and the kernel does not say whether they are. Mount it with attribute-timeout=0,entry-timeout=0,gid-timeout=0, and set performance.{open-behind,quick-read,io-cache,read-ahead,readdir-ahead,stat-prefetch,write-behind} of the volume to off.`,
}

/** Callers are numbers there, and at most 16 of their groups go with a call (RFC 5531, 8.2); Kerberos leaves groups to the server. */
export const usesAuthSys = ({ type, options }: MountInfo): boolean =>
  (type === 'nfs' || type === 'nfs4') && (options.get('sec') ?? 'sys') === 'sys'

export type IdentityFault = {
  /** `refused`: whose uid a call has is not what decides; `unknown`: whether it is, in all that S3 asks for, cannot be seen from here. */
  readonly kind: 'refused' | 'unknown'
  /** Says what to do. */
  readonly sentence: string
}

/** Why calls under the uid, gid and groups of a user would not get the user's rights on this mount. */
export function identityFaults(mount: MountInfo): readonly IdentityFault[] {
  return identityRules.filter(({ broken }) => broken(mount)).map(faultOf(mount))
}

const identityRules: readonly Rule<IdentityFault['kind']>[] = [
  {
    // nfs(5): the server goes by the ticket that rpc.gssd finds for the uid, and without one the call fails.
    kind: 'refused',
    broken: ({ type, options }) => /^nfs4?$/.test(type) && /^krb5[ip]?$/.test(options.get('sec') ?? ''),
    say: ({ mountPoint, options }) =>
      `${mountPoint} is mounted with sec=${options.get('sec')}: the file server wants a Kerberos ticket of each user, and S3 keys bring none. Mount it with sec=sys, or set identity.enforcement to "service".`,
  },
  {
    // A 4.0 client opens a file by its name, so also the right to its directory is asked for, which the service has not.
    kind: 'unknown',
    broken: ({ type, options }) => /^nfs4?$/.test(type) && Number(options.get('vers') ?? '4.2') < 4.2,
    say: ({ mountPoint, options }) =>
      `${mountPoint} is mounted with vers=${options.get('vers')}: there the gateway cannot look at all files of users for itself, and versioned buckets fail where it cannot. Mount it with vers=4.2.`,
  },
  {
    // mount.cifs(8): all calls are those of the mount's account; with multiuser each uid needs a password or ticket in its keyring.
    kind: 'refused',
    broken: ({ type }) => /^(cifs|smb3?)$/.test(type),
    say: ({ mountPoint, type }) =>
      `${mountPoint} is ${type}: the file server knows users by their passwords or tickets, and S3 keys bring none. Serve the tree from another mount, or set identity.enforcement to "service".`,
  },
  {
    // fuse(4): with default_permissions the kernel goes by owner, group and mode; without it the file system is only told who calls, without groups.
    kind: 'unknown',
    broken: ({ type, options }) => /^fuse(\.|blk$|$)/.test(type) && !options.has('default_permissions'),
    say: ({ mountPoint, type }) =>
      `${mountPoint} is ${type} without default_permissions, so that not the kernel but its file system decides who may do what, and nothing here knows how. Mount it with default_permissions, or try as two users whether it refuses what it should.`,
  },
]

/** Where names are published by the very client that reads them. */
export const publishRootAdvice = ({ type, mountPoint }: MountInfo): string | undefined =>
  type.startsWith('nfs')
    ? `Overwriting an object that this machine is sending is a short 404 on other machines. Mount the export of ${mountPoint} a second time, with nosharecache, and name it in namespace.publish_root.`
    : undefined

const remoteTypes = /^(fuse(\.|$)|fuseblk$|ceph$|cifs$|smb3?$|9p$|lustre$|gpfs$|beegfs$|afs$|virtiofs$|ocfs2$|gfs2$)/

const unknownRule: Rule = {
  kind: 'advice',
  broken: () => true,
  say: ({ mountPoint, type }) =>
    `${mountPoint} is ${type}, whose caches and locks between machines nothing here knows about; try it: NAMESPACE_ROOT=${mountPoint} npx vitest run namespace`,
}
