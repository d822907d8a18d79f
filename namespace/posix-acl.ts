import assert from 'node:assert/strict'
import type { PosixIdentity } from './files.ts'
import { askModeBits, bitsOf, type ModeClass, type Moded, type Permission } from './mode-bits.ts'

/**
 * POSIX ACLs as Linux keeps them beside the mode, and what one gives a user. Pure.
 * https://man7.org/linux/man-pages/man5/acl.5.html, "ACCESS CHECK ALGORITHM"; the bytes are those of linux/posix_acl_xattr.h.
 */
export type PosixAcl = readonly PosixAclEntry[]

export type PosixAclEntry = {
  readonly tag: 'owner' | 'user' | 'owningGroup' | 'group' | 'mask' | 'other'
  /** rwx as in a mode: 0 … 7. */
  readonly permissions: number
  /** Of `user` and `group`. */
  readonly id: number
}

/** Who decides: a class of the mode, or an entry for the user or for a group of theirs. */
export type DecidedBy = ModeClass | 'named user' | 'named group'

/** The attribute that an access ACL lies in. A server's own kind (nfs4_acl) is another; there the mode is made from the ACL. */
export const posixAclAttribute = 'system.posix_acl_access'

const tags: Readonly<Record<number, PosixAclEntry['tag']>> = {
  1: 'owner',
  2: 'user',
  4: 'owningGroup',
  8: 'group',
  16: 'mask',
  32: 'other',
}

const groupBits = 0o070
const version = 2
const headBytes = 4
const entryBytes = 8

/** The attribute's bytes; the kernel gives no others. */
export function parsePosixAcl(bytes: Buffer): PosixAcl {
  assert(bytes.length >= headBytes && bytes.readUInt32LE(0) === version, 'an ACL of version 2')
  const count = (bytes.length - headBytes) / entryBytes
  return Array.from({ length: count }, (_, index) => {
    const at = headBytes + index * entryBytes
    const tag = tags[bytes.readUInt16LE(at)]
    assert(tag !== undefined, 'an entry of an ACL has one of six tags')
    return { tag, permissions: bytes.readUInt16LE(at + 2), id: bytes.readUInt32LE(at + 4) }
  })
}

/** By the ACL where there is one, else by the mode. `missing`: those of `wanted` that are not given; none: it may. */
export function askPermissions(
  who: PosixIdentity,
  file: Moded & { readonly acl: PosixAcl | undefined },
  wanted: readonly Permission[],
): { readonly by: DecidedBy; readonly missing: readonly Permission[] } {
  const { acl } = file
  // Linux does not look at an ACL whose mask, which is the mode's bits for the group, is empty (fs/namei.c, acl_permission_check): whom it names is then
  // one of the others.
  const isAsked = acl !== undefined && (file.mode & groupBits) !== 0
  if (!isAsked || who.uid === file.uid) return askModeBits(who, file, wanted)
  const mask = acl.find(({ tag }) => tag === 'mask')?.permissions ?? 0o7
  const missingOf = ({ permissions }: PosixAclEntry) =>
    wanted.filter((permission) => (permissions & mask & bitsOf[permission]) === 0)
  const user = acl.find(({ tag, id }) => tag === 'user' && id === who.uid)
  if (user !== undefined) return { by: 'named user', missing: missingOf(user) }
  const isIn = (gid: number) => gid === who.gid || who.groups.includes(gid)
  // One entry must give all that is wanted; if some do but none all, those of other people do not help.
  const [best] = acl
    .filter(({ tag, id }) => (tag === 'owningGroup' ? isIn(file.gid) : tag === 'group' && isIn(id)))
    .map((entry) => ({ by: byGroup(entry), missing: missingOf(entry) }))
    .sort((one, other) => one.missing.length - other.missing.length)
  return best ?? { by: 'other', missing: askModeBits(stranger, file, wanted).missing }
}

const byGroup = ({ tag }: PosixAclEntry): DecidedBy => (tag === 'group' ? 'named group' : 'group')

/** The bits of others are the mode's own. */
const stranger: PosixIdentity = { uid: -1, gid: -1, groups: [] }
