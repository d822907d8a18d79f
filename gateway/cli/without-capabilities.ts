import { CommandError } from './command-error.ts'
import { findProgram } from './find-program.ts'
import { capability, type ProcessCapabilities, readProcessCapabilities } from './process-capabilities.ts'

/**
 * The command for another program that is to have none of this process's capabilities but that of ports below 1024. With enforcement
 * `kernel` they are ambient, so that workers have them, and any program that is started would have them as well. A process without
 * them cannot trace one of the same account that has them (ptrace(2)), so whoever takes nginx over has its account's files and no user's.
 *
 * Throws CommandError where something is to be dropped and setpriv is not installed.
 */
export function withoutCapabilities(
  command: readonly string[],
  own: ProcessCapabilities = readProcessCapabilities('self'),
  /** '' where it is not installed. */
  setpriv: string = findProgram('setpriv') ?? '',
): readonly string[] {
  const inherited = new Set([...own.inheritable, ...own.ambient])
  const keepsPorts = own.ambient.has(capability.NET_BIND_SERVICE)
  inherited.delete(capability.NET_BIND_SERVICE)
  if (inherited.size === 0) return command
  if (setpriv === '') {
    throw new CommandError(
      'setpriv is not installed, without which nginx would have the capabilities of this process; install the package util-linux.',
    )
  }
  const kept = keepsPorts ? '-all,+net_bind_service' : '-all'
  return [setpriv, `--ambient-caps=${kept}`, `--inh-caps=${kept}`, ...command]
}
