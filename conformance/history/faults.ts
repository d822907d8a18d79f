/** What goes wrong during a run: workers are killed, gateways stand still. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Instance, kill } from '../instance.ts'
import type { Random } from '../random.ts'

export type FaultKind = 'kill' | 'pause'

export type Faults = {
  /** No more of them. Resolves with how many of each there were, when no gateway is paused any more. */
  stop(): Promise<Readonly<Record<FaultKind, number>>>
}

type FaultsOptions = {
  readonly instances: readonly Instance[]
  readonly random: Random
  readonly kinds: readonly FaultKind[]
  /** Between two of one kind, ± 50 %. */
  readonly killEveryMs?: number
  readonly pauseEveryMs?: number
  readonly pauseMs?: number
}

export function startFaults(options: FaultsOptions): Faults {
  const { instances, random, kinds, killEveryMs = 3000, pauseEveryMs = 12_000, pauseMs = 3000 } = options
  const counts = { kill: 0, pause: 0 }
  const stopping = new AbortController()
  const wait = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => {})
  const about = (ms: number) => ms * (0.5 + random.next())

  async function killing(): Promise<void> {
    while (!stopping.signal.aborted) {
      await wait(about(killEveryMs))
      const pids = random.pick(instances).workerPids()
      // One stays, so that there is work under way for the next one, too.
      if (stopping.signal.aborted || pids.length < 2) continue
      kill(random.pick(pids), 'SIGKILL')
      counts.kill++
    }
  }

  /** Workers stand still with what they have locked; nginx goes on taking requests. */
  async function pausing(): Promise<void> {
    while (!stopping.signal.aborted) {
      await wait(about(pauseEveryMs))
      if (stopping.signal.aborted) return
      const pids = random.pick(instances).workerPids()
      for (const pid of pids) kill(pid, 'SIGSTOP')
      counts.pause++
      await wait(pauseMs)
      for (const pid of pids) kill(pid, 'SIGCONT')
    }
  }

  const loops: Readonly<Record<FaultKind, () => Promise<void>>> = { kill: killing, pause: pausing }
  const running = Promise.all(kinds.map((kind) => loops[kind]()))
  return {
    async stop() {
      stopping.abort()
      await running
      return counts
    },
  }
}
