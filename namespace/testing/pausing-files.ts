/**
 * A machine that stops before its n-th call and wakes up later, its locks gone: what an NFS server does to a client that was cut off, paused or
 * frozen for longer than a lease. The fused `publish` is taken apart (faulty-files.ts), so that the pause can lie inside it too.
 */
import type { Descriptor, FileCalls, Files } from '../files.ts'
import { openPosixFiles } from '../posix-files.ts'
import { faultyFiles } from './faulty-files.ts'

export type PausingFiles = {
  readonly openFiles: (path: string, options: { readonly threads: number }) => Files
  /** From now on: before the call after `calls` more, its locks are lost (unless it is `'keeping its locks'`) and `meanwhile` runs. */
  pauseAfter(calls: number, meanwhile: () => Promise<void>, how?: 'keeping its locks'): void
  /** No pause any more; resolves when what runs meanwhile is over: a request does not wait long for its lock to be let go. */
  forget(): Promise<void>
  /** What the machine called since, for the message of a test that fails. */
  log(): readonly string[]
}

export function pausingFiles(): PausingFiles {
  const held = new Map<string, { readonly descriptor: Descriptor; readonly offset: bigint }>()
  let plan: { calls: number; readonly meanwhile: () => Promise<void>; readonly keepsLocks: boolean } | undefined
  let made: string[] = []
  let running: Promise<unknown> = Promise.resolve()

  const loseLocks = async (calls: FileCalls): Promise<void> => {
    for (const { descriptor, offset } of held.values()) await calls.lock(descriptor, offset, 'none')
    held.clear()
  }
  const arrive = async (calls: FileCalls, what: string): Promise<void> => {
    if (plan === undefined) return
    plan.calls -= 1
    if (plan.calls >= 0) return void made.push(what)
    const { meanwhile, keepsLocks } = plan
    plan = undefined
    made.push('— pause —', what)
    const over = (keepsLocks ? Promise.resolve() : loseLocks(calls)).then(meanwhile)
    running = over.catch(() => undefined)
    await over
  }
  const slow = (calls: FileCalls): FileCalls =>
    // A Proxy over the very type it stands for: every property is one of the calls.
    new Proxy(calls, {
      get: (_target, name: keyof FileCalls) => {
        const real = calls[name] as (...args: readonly unknown[]) => Promise<unknown>
        return async (...args: readonly unknown[]) => {
          await arrive(calls, `${name} ${args.filter((arg) => typeof arg === 'string').join(' → ')}`)
          const answer = await real(...args)
          if (name === 'close') for (const [at, { descriptor }] of held) if (descriptor === args[0]) held.delete(at)
          if (name === 'lock' && answer === true) note(args[0] as Descriptor, args[1] as bigint, args[2] !== 'none')
          return answer
        }
      },
    })
  const note = (descriptor: Descriptor, offset: bigint, isHeld: boolean): void => {
    const name = `${descriptor} ${offset}`
    if (isHeld) held.set(name, { descriptor, offset })
    else held.delete(name)
  }
  return {
    openFiles(path, options) {
      const files = openPosixFiles(path, options)
      return faultyFiles({ ...files, as: (identity) => slow(files.as(identity)) })
    },
    pauseAfter(calls, meanwhile, how) {
      made = []
      plan = { calls, meanwhile, keepsLocks: how === 'keeping its locks' }
    },
    async forget() {
      plan = undefined
      await running
    },
    log: () => made,
  }
}
