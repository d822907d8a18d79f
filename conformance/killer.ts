import { setTimeout as sleep } from 'node:timers/promises'
import { type Instance, kill } from './instance.ts'
import type { Random } from './random.ts'

export type Killer = {
  /** Kills no more. Resolves with the number of killed workers when all of them have been replaced. */
  stop(): Promise<number>
}

/**
 * SIGKILL to one worker after the other, until stopped. The pool waits twice as long each time before it replaces a worker again, so
 * `killsMax` bounds how much of a run is spent waiting.
 */
export function startKiller(instance: Instance, random: Random, killsMax = 8): Killer {
  const workers = instance.workerPids().length
  let [kills, stopped] = [0, false]
  const running = (async () => {
    while (!stopped && kills < killsMax) {
      await sleep(150 + random.below(500))
      const pids = instance.workerPids()
      // One stays, so that there is work under way for the next one, too.
      if (stopped || pids.length < Math.min(2, workers)) continue
      kill(random.pick(pids), 'SIGKILL')
      kills++
    }
  })()
  return {
    async stop() {
      stopped = true
      await running
      const deadline = Date.now() + 20_000
      while (instance.workerPids().length < workers) {
        if (Date.now() > deadline) throw new Error('killed workers have not been replaced within 20 seconds')
        await sleep(50)
      }
      return kills
    },
  }
}
