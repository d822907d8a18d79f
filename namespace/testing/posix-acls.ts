import type { FileCalls } from '../files.ts'
import { type PosixAcl, type PosixAclEntry, posixAclAttribute } from '../posix-acl.ts'

const tags: Readonly<Record<PosixAclEntry['tag'], number>> = {
  owner: 0x01,
  user: 0x02,
  owningGroup: 0x04,
  group: 0x08,
  mask: 0x10,
  other: 0x20,
}

/** Entries in the order that acl(5) has: owner, users by id, owningGroup, groups by id, mask, other. The mode follows. */
export async function writeAcl(calls: FileCalls, path: string, acl: PosixAcl): Promise<void> {
  const bytes = Buffer.alloc(4 + acl.length * 8)
  bytes.writeUInt32LE(2)
  for (const [index, { tag, permissions, id }] of acl.entries()) {
    bytes.writeUInt16LE(tags[tag], 4 + index * 8)
    bytes.writeUInt16LE(permissions, 6 + index * 8)
    bytes.writeUInt32LE(id, 8 + index * 8)
  }
  const stat = await calls.statPath(path)
  const descriptor = await calls.open(path, stat?.type === 'directory' ? 'directory' : 'read')
  try {
    await calls.writeAttribute(descriptor, posixAclAttribute, bytes)
  } finally {
    await calls.close(descriptor)
  }
}
