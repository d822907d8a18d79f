/** Who somebody is to the gateway and to the file system, as lines for a person. */
import { authSysGroups, type User } from '#auth'

export type IdentityLinesOptions = {
  /** Mount points where groups are cut (usesAuthSys). */
  readonly authSysMounts: readonly string[]
}

/** `user` undefined: an anonymous caller. */
export function identityLines(user: User | undefined, { authSysMounts }: IdentityLinesOptions): readonly string[] {
  if (user === undefined) return ['user: an anonymous caller']
  const { userName, sid, canonicalId, groups, posix, whyNoPosix } = user
  const ids = [sid, canonicalId].filter((id) => id !== undefined)
  return [
    `user: ${userName} (${ids.join(', ')})${user.disabled ? ', disabled' : ''}`,
    `groups: ${listed(groups)}`,
    posix === undefined
      ? `uid: none${whyNoPosix === undefined ? '' : `; ${whyNoPosix}`}`
      : `uid: ${posix.uid}, gid ${posix.gid}, supplementary gids ${listed(posix.groups)}`,
    ...cutLines(user, authSysMounts),
  ]
}

function cutLines({ userName, posix }: User, mounts: readonly string[]): readonly string[] {
  const { sent, cut } = posix === undefined ? { sent: [], cut: [] } : authSysGroups(posix)
  if (cut.length === 0) return []
  return mounts.map(
    (mount) =>
      `warning: ${mount} is mounted with sec=sys, which sends the ${sent.length} lowest of ${userName}'s supplementary gids; the file server does not know of ${listed(cut)}, unless it looks groups up itself (rpc.mountd --manage-gids).`,
  )
}

const listed = (each: readonly (string | number)[]): string => (each.length === 0 ? 'none' : each.join(', '))
