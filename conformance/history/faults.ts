/** What goes wrong during a run: workers are killed, gateways stand still; the lab adds what only machines of one's own can do. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Instance, kill } from '../instance.ts'
import type { Random } from '../random.ts'

export type Fault = {
  /** Between two of them, ± 50 %. */
  readonly everyMs: number
  /** All is well again when it resolves. `wait` ends early when the run is over. false: there was nothing to be done. */
  strike(random: Random, wait: (ms: number) => Promise<void>): Promise<boolean>
}

export type Faults = {
  /** No more of them. Resolves with how many of each there were, when none lasts any more. Rejects when one could not be undone. */
  stop(): Promise<Readonly<Record<string, number>>>
}

export function startFaults(faults: Readonly<Record<string, Fault>>, random: Random): Faults {
  const counts = new Map<string, number>()
  const stopping = new AbortController()
  const wait = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => {})

  async function striking(name: string, { everyMs, strike }: Fault): Promise<void> {
    counts.set(name, 0)
    for (;;) {
      await wait(everyMs * (0.5 + random.next()))
      if (stopping.signal.aborted) return
      if (await strike(random, wait)) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }

  const running = Promise.all(Object.entries(faults).map(([name, fault]) => striking(name, fault)))
  running.catch(() => {}) // told by stop
  return {
    async stop() {
      stopping.abort()
      await running
      return Object.fromEntries(counts)
    },
  }
}

/** A worker dies in the middle of its work. */
export const killing = (instances: readonly Instance[], everyMs = 3000): Fault => ({
  everyMs,
  async strike(random) {
    const pids = random.pick(instances).workerPids()
    // One stays, so that there is work under way for the next one, too.
    if (pids.length < 2) return false
    kill(random.pick(pids), 'SIGKILL')
    return true
  },
})

/** All workers of a gateway stand still with what they have locked; nginx goes on taking requests. */
export const pausing = (
  instances: readonly Instance[],
  { everyMs = 12_000, pauseMs = 3000 }: { readonly everyMs?: number; readonly pauseMs?: number } = {},
): Fault => ({
  everyMs,
  async strike(random, wait) {
    const pids = random.pick(instances).workerPids()
    for (const pid of pids) kill(pid, 'SIGSTOP')
    await wait(pauseMs)
    for (const pid of pids) kill(pid, 'SIGCONT')
    return true
  },
})

/** `kill,pause` → what those names stand for. Throws for a name that `all` has not. */
export function namedFaults<Name extends string>(
  text: string,
  all: Readonly<Record<Name, Fault>>,
): Readonly<Record<string, Fault>> {
  const known = new Map(Object.entries<Fault>(all))
  const names = text.split(',').filter((name) => name !== '' && name !== 'none')
  return Object.fromEntries(
    names.map((name) => {
      const fault = known.get(name)
      if (fault === undefined) throw new Error(`there is no fault ${name}; there are ${[...known.keys()].join(', ')}`)
      return [name, fault]
    }),
  )
}
