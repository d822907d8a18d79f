import type { PosixIdentity, Stat } from './files.ts'

/**
 * What mode bits give a user, as the kernel reads them: one class decides, and a later one that gives more does not help. Pure. ACLs
 * (posix-acl.ts) and the powers of root are left out.
 * https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap04.html, "File Access Permissions"; path_resolution(7)
 */
export type ModeClass = 'owner' | 'group' | 'other'

/** `search` of a directory is the bit that lets a file be executed. */
export type Permission = 'read' | 'write' | 'search'

export type Moded = Pick<Stat, 'mode' | 'uid' | 'gid'>

/** Of one class. */
export const bitsOf: Readonly<Record<Permission, number>> = { read: 0o4, write: 0o2, search: 0o1 }
const shifts: Readonly<Record<ModeClass, number>> = { owner: 6, group: 3, other: 0 }
const sticky = 0o1000

/** `missing`: those of `wanted` that the class does not have; none: it may. */
export function askModeBits(
  who: PosixIdentity,
  file: Moded,
  wanted: readonly Permission[],
): { readonly by: ModeClass; readonly missing: readonly Permission[] } {
  const by = classOf(who, file)
  const given = file.mode >> shifts[by]
  return { by, missing: wanted.filter((permission) => (given & bitsOf[permission]) === 0) }
}

/** true: only who owns the file or its directory may remove or replace it there, whatever else the mode of the directory gives. */
export function isKeptBySticky({ uid }: PosixIdentity, directory: Moded, file: Moded): boolean {
  return (directory.mode & sticky) !== 0 && uid !== file.uid && uid !== directory.uid
}

function classOf({ uid, gid, groups }: PosixIdentity, file: Moded): ModeClass {
  if (uid === file.uid) return 'owner'
  return gid === file.gid || groups.includes(file.gid) ? 'group' : 'other'
}
