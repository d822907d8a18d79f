import { setTimeout as sleep } from 'node:timers/promises'

export type Bounds<Recorder> = {
  /** Ends after so many events, or so long, whatever is first. */
  readonly operationsMax: number
  readonly secondsMax: number
  /** Asked now and then with the events so far; true ends the run. */
  readonly isEnough?: (recorder: Recorder) => boolean
}

const CHECK_EVERY_MS = 200

/** Each does one thing after the other until enough has been done. Resolves when the last call has ended. */
export async function runUsers<Recorder extends { readonly events: readonly unknown[] }>(
  users: readonly { step(): Promise<void> }[],
  recorder: Recorder,
  { operationsMax, secondsMax, isEnough }: Bounds<Recorder>,
): Promise<void> {
  let isOver = false
  const all = Promise.all(
    users.map(async (user) => {
      while (!isOver) await user.step()
    }),
  )
  try {
    const deadline = performance.now() + secondsMax * 1000
    while (recorder.events.length < operationsMax && performance.now() < deadline) {
      await Promise.race([sleep(CHECK_EVERY_MS), all])
      if (isEnough?.(recorder) === true) break
    }
  } finally {
    isOver = true
  }
  await all
}
