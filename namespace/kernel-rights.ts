import { NamespaceError } from './errors.ts'
import { native } from './native/native.ts'

/** Bits of linux/capability.h. */
const needed = { FOWNER: 3, DAC_READ_SEARCH: 2, SETGID: 6, SETUID: 7 } as const
const dacOverride = 1

/**
 * Enforcement `kernel` holds only in a process that can be its users and nothing more than that: an ordinary account that may switch, has the way to all
 * files for the gateway's own state, and never the right to pass permissions (CAP_DAC_OVERRIDE). Throws InvalidRequest with one sentence.
 * https://man7.org/linux/man-pages/man7/capabilities.7.html
 */
export function requireKernelRights([uid, permitted]: ReturnType<typeof native.rights> = native.rights()): void {
  const has = (bit: number): boolean => (permitted & (1 << bit)) !== 0
  const missing = Object.entries(needed).flatMap(([name, bit]) => (has(bit) ? [] : [`CAP_${name}`]))
  const fault =
    (uid === 0 && 'this process is root, which no file system refuses anything') ||
    (has(dacOverride) && 'this process has CAP_DAC_OVERRIDE, which passes all permissions') ||
    (missing.length > 0 && `this process lacks ${missing.join(', ')}`)
  if (fault === false) return
  throw new NamespaceError('InvalidRequest', {
    message: `identity.enforcement is "kernel", and ${fault}; run it as an ordinary account with the capabilities of scripts/systemd/causeway-kernel.conf.`,
  })
}
