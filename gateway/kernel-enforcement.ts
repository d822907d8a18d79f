import type { Directory } from '#auth'
import type { Kernel } from '#namespace'
import type { Config } from './config.ts'
import { parseFileMode } from './file-mode.ts'

/**
 * identity.enforcement "kernel" as the namespace takes it; undefined for "service". From here on this process makes files with
 * identity.file_mode. `directory`: asked when lifecycle rules are carried out, in the name of a bucket's owner; a group has no uid.
 */
export function kernelEnforcement(
  { enforcement, fileMode, anonymousUid, anonymousGid }: Config['identity'],
  directory: () => Pick<Directory, 'findByCanonicalId'>,
): Kernel | undefined {
  if (enforcement !== 'kernel') return undefined
  const { directoryMode, umask } = parseFileMode(fileMode)
  process.umask(umask)
  return {
    anonymous: { uid: anonymousUid, gid: anonymousGid, groups: [] },
    posixOf: async ({ canonicalId }) => (await directory().findByCanonicalId(canonicalId))?.posix,
    directoryMode,
  }
}
