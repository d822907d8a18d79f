/** What enforcement "service" does with files that others could have hard-linked into the tree. */
import { existsSync } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readMountInfo } from '#namespace'
import type { Config } from '../config.ts'
import { isErrno } from './command-error.ts'
import { type Diagnosis, good, warning } from './diagnosis.ts'
import { findInstance } from './instance.ts'
import { readProcessCapabilities } from './process-capabilities.ts'

/** Nothing with enforcement "kernel", where the file system says who may read a file. */
export async function probeLinks({ identity, namespace, state }: Config): Promise<readonly Diagnosis[]> {
  if (identity.enforcement !== 'service' || !existsSync(namespace.root)) return []
  const running = await findInstance(state.directory)
  const { uid } = readProcessCapabilities(running?.pid ?? 'self')
  const { uid: owner } = await stat(namespace.root)
  const roots = [namespace.root, ...namespace.roots].filter((root) => existsSync(root))
  const shared = await Promise.all(roots.map((root) => whyShared(root, owner)))
  return [
    ...shared.filter((why) => why !== undefined).map((why) => describeLinks(why, namespace.linkedFileUids)),
    ...(namespace.linkedFileUids.includes(uid) ? [ownUidListed(uid)] : []),
  ]
}

/** Pure. `why`: who may write what. */
export function describeLinks(why: string, uids: readonly number[]): Diagnosis {
  const except = uids.length === 0 ? '' : ` except those of ${uids.length === 1 ? 'uid' : 'uids'} ${uids.join(', ')}`
  return good(
    `${why}: files of theirs with a second name (hard link) may be somebody else's and are refused to S3 clients${except}; see namespace.linked_file_uids.`,
  )
}

const ownUidListed = (uid: number): Diagnosis =>
  warning(
    `namespace.linked_file_uids has ${uid}, which is the gateway's own uid: whoever can make a hard link of an object reads it in a bucket of theirs; take it out.`,
  )

/** Where others may write by another machine, whatever the modes say here. */
const NETWORK_TYPES = /^(?:nfs|cifs|smb|ceph|lustre|fuse|9p)/

/** Of the directories in a root, which are buckets mostly, the first ones are as the others. */
const LOOKED_AT_MAX = 1000

async function whyShared(root: string, owner: number): Promise<string | undefined> {
  const mount = await readMountInfo(root)
  if (mount !== undefined && NETWORK_TYPES.test(mount.type))
    return `${root} is on ${mount.type}, where other machines may write`
  if (await isShared(root, owner)) return `Others than the gateway's account may write ${root}`
  let looked = 0
  for await (const entry of await opendir(root)) {
    looked += 1
    if (looked > LOOKED_AT_MAX) return undefined
    const path = join(root, entry.name)
    // What begins with a dot is no bucket.
    if (entry.isDirectory() && !entry.name.startsWith('.') && (await isShared(path, owner)))
      return `Others than the gateway's account may write ${path}`
  }
  return undefined
}

/** The bits of a group are those of an ACL as well. */
async function isShared(path: string, owner: number): Promise<boolean> {
  try {
    const { mode, uid } = await stat(path)
    return uid !== owner || (mode & 0o022) !== 0
  } catch (error) {
    if (isErrno(error) && ['ENOENT', 'EACCES'].includes(error.code)) return false
    throw error
  }
}
