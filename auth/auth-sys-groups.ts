import type { Identity } from './identity.ts'

/** RFC 5531, 8.2 and appendix A: `unsigned int gids<16>`, beside uid and gid. */
const AUTH_SYS_GROUPS_MAX = 16

/**
 * Supplementary gids as an NFS client with sec=sys sends them: the first 16 of the kernel's list, which is in rising order
 * (set_groups, net/sunrpc/auth_unix.c). The server does not know of those that are cut, unless its rpc.mountd runs with --manage-gids.
 */
export function authSysGroups({ groups }: NonNullable<Identity['posix']>): {
  readonly sent: readonly number[]
  readonly cut: readonly number[]
} {
  const rising = [...groups].sort((one, other) => one - other)
  return { sent: rising.slice(0, AUTH_SYS_GROUPS_MAX), cut: rising.slice(AUTH_SYS_GROUPS_MAX) }
}
