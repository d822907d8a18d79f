/** User and system time of process trees, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** Milliseconds since each process began. `nginx`: processes of that name; `workers`: all others (pool, workers). */
export type ProcessorTime = { readonly nginx: number; readonly workers: number }

/** /proc counts in hundredths of a second on every Linux (USER_HZ). */
const TICK_MS = 10

type Status = {
  readonly pid: number
  readonly name: string
  readonly state: string
  readonly parent: number
  readonly cpuMs: number
}

/** Of the process and all that descend from it. Those that end between two readings are missed. */
export function processorTime(pid: number): ProcessorTime {
  const family = familyOf(pid)
  const sum = (some: readonly Status[]) => some.reduce((total, { cpuMs }) => total + cpuMs, 0)
  return {
    nginx: sum(family.filter(({ name }) => name === 'nginx')),
    workers: sum(family.filter(({ name }) => name !== 'nginx')),
  }
}

/** Process ids of the process and all that descend from it, those that have ended and wait to be noticed left out. */
export function livingFamily(pid: number): readonly number[] {
  return familyOf(pid)
    .filter(({ state }) => state !== 'Z')
    .map((status) => status.pid)
}

function familyOf(root: number): readonly Status[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statusOf(name) ?? [])
  const members = new Set([root])
  for (let before = 0; before !== members.size; ) {
    before = members.size
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid)
  }
  return all.filter(({ pid }) => members.has(pid))
}

function statusOf(pid: string): Status | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined // it has ended
  }
}

/** "42 (a b) c) S 1 …": the name stands in brackets and may hold brackets and blanks itself (proc_pid_stat(5)). */
export function parseStat(text: string): Status {
  const [open, close] = [text.indexOf('('), text.lastIndexOf(')')]
  // From the third field on.
  const fields = text.slice(close + 2).split(' ')
  return {
    pid: Number(text.slice(0, open - 1)),
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
  }
}
