import type { OpenNamespace, PosixIdentity } from '#namespace'
import type { Config } from './config.ts'
import type { Denial } from './denial-line.ts'
import { fileNeedOf } from './file-rights.ts'
import { findModeRefusal, type ModeRefusal } from './mode-lines.ts'

/** The part of the way to an object that refuses whoever was denied it; undefined: none does, or nobody can tell. Never rejects. */
export type RefusalByFiles = (denial: Denial) => Promise<ModeRefusal | undefined>

/** With identity.enforcement "kernel"; undefined with "service", where the file system refuses no user. */
export function refusalByFiles(
  { enforcement, anonymousUid, anonymousGid }: Config['identity'],
  path: OpenNamespace['path'] | undefined,
): RefusalByFiles | undefined {
  if (enforcement !== 'kernel' || path === undefined) return undefined
  const anonymous: PosixIdentity = { uid: anonymousUid, gid: anonymousGid, groups: [] }
  return async ({ identity, action, resource }) => {
    const need = action === undefined ? undefined : fileNeedOf(action, resource?.key ?? '')
    if (need === undefined || resource === undefined) return undefined
    try {
      const way = await path(need === 'makeBucket' ? undefined : resource)
      const who = identity === undefined ? anonymous : identity.posix
      return findModeRefusal({ who, path: way, need, enforcement })
    } catch {
      // It is told beside the reason of the answer, which nothing may keep from the log.
      return undefined
    }
  }
}
