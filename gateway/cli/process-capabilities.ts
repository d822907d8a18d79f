import { readFileSync } from 'node:fs'

/** linux/capability.h: the number of each is its bit in the sets of /proc/PID/status. */
export const capability = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  SETGID: 6,
  SETUID: 7,
  NET_BIND_SERVICE: 10,
} as const

export type ProcessCapabilities = {
  /** The real one. */
  readonly uid: number
  readonly permitted: ReadonlySet<number>
  readonly inheritable: ReadonlySet<number>
  /** What an ordinary account's programs get from it (capabilities(7)). */
  readonly ambient: ReadonlySet<number>
}

/** Throws ENOENT where the process is not there. */
export function readProcessCapabilities(pid: number | 'self'): ProcessCapabilities {
  return parseProcessCapabilities(readFileSync(`/proc/${pid}/status`, 'utf8'))
}

/** proc_pid_status(5). */
export function parseProcessCapabilities(status: string): ProcessCapabilities {
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\w+)`, 'm').exec(status)?.[1] ?? '0'
  return {
    uid: Number(field('Uid')),
    permitted: bitsOf(field('CapPrm')),
    inheritable: bitsOf(field('CapInh')),
    ambient: bitsOf(field('CapAmb')),
  }
}

/** "00000000000004c0" → 6, 7, 10. */
function bitsOf(hexDigits: string): ReadonlySet<number> {
  const bits = BigInt(`0x${hexDigits}`)
  return new Set(Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (bits >> BigInt(bit)) & 1n))
}
