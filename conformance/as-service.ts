/**
 * What systemd does for the service with scripts/systemd/causeway-kernel.conf, for tests and labs that start as root: an ordinary
 * account with five ambient capabilities. Needs root, and setpriv of util-linux.
 */

/** As in the drop-in; the last one is nginx's, for ports below 1024. */
export const serviceCapabilities = ['dac_read_search', 'fowner', 'setgid', 'setuid', 'net_bind_service'] as const

/** setpriv itself may not yet search a directory such as /root, where a checkout may lie; what it starts may. */
const fromAnywhere = ['/bin/sh', '-c', 'exec "$@"', 'sh'] as const

/**
 * What to put before a command: it runs as `uid` and `gid` without further groups, and these capabilities are all that it and its
 * children can have, in each of their sets. It ends when its parent does: a change of account takes the death signal of an outer setpriv away.
 */
export function asService(uid: number, gid: number): readonly string[] {
  const exactly = ['-all', ...serviceCapabilities.map((name) => `+${name}`)].join(',')
  const account = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
  const capabilities = [`--bounding-set=${exactly}`, `--inh-caps=${exactly}`, `--ambient-caps=${exactly}`]
  return ['setpriv', ...account, ...capabilities, '--no-new-privs', '--pdeathsig=TERM', '--', ...fromAnywhere]
}
