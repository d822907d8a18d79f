/**
 * A mount whose server goes away: from `hang` on calls stay in the kernel, and are carried out when it is back, as on a hard NFS mount. The
 * pulse of bounded-files.ts is among them, and answers at once where nothing hangs.
 */
import type { Descriptor, FileCalls, Files } from '../files.ts'
import { openPosixFiles } from '../posix-files.ts'

export type HangingFiles = {
  readonly openFiles: (path: string, options: { readonly threads: number }) => Files
  readonly openPulse: (path: string) => Files
  readonly reach: (path: string) => Promise<void>
  /** From now on, for the mount at `root` ('' for any): these calls, or all and the pulse. */
  hang(root: string, calls?: readonly (keyof FileCalls)[]): void
  /** What hangs stays so; calls from now on are answered. */
  pass(): void
  /** Everything that hangs goes on, in its order. */
  release(): Promise<void>
  /** Calls that hang, the pulse not counted. */
  hanging(): readonly string[]
  /** All calls asked for, hanging or not. */
  asked(): readonly string[]
  /** Descriptors opened through this and not closed, by path. */
  open(): readonly string[]
}

type Hang = { readonly root: string; readonly calls: readonly (keyof FileCalls)[] | undefined }
type Waiting = { readonly what: string; readonly go: () => void; readonly done: Promise<unknown> }

export function hangingFiles(): HangingFiles {
  let hang: Hang | undefined
  let waiting: Waiting[] = []
  const asked: string[] = []
  const opened = new Map<Descriptor, string>()

  const hangs = (root: string, call: keyof FileCalls | 'pulse'): boolean => {
    if (hang === undefined || (hang.root !== '' && hang.root !== root)) return false
    if (hang.calls === undefined) return true
    return call !== 'pulse' && hang.calls.includes(call)
  }
  const wait = <Answer>(what: string, run: () => Promise<Answer>): Promise<Answer> => {
    const gate = Promise.withResolvers<void>()
    const answer = gate.promise.then(run)
    waiting.push({ what, go: gate.resolve, done: answer.catch(() => undefined) })
    return answer
  }
  const note = (call: keyof FileCalls, args: readonly unknown[], answer: unknown): void => {
    if (call === 'open' || call === 'create') opened.set(Number(answer), String(args[0]))
    if (call !== 'find' || typeof answer !== 'object' || answer === null || !('descriptor' in answer)) return
    if (typeof answer.descriptor === 'number') opened.set(answer.descriptor, String(args[0]))
  }
  const slow = (inner: FileCalls, root: string): FileCalls =>
    // A Proxy over the very type it stands for: every property is one of the calls.
    new Proxy(inner, {
      get: (_target, call: keyof FileCalls) => {
        const real = inner[call] as (...args: readonly unknown[]) => Promise<unknown>
        return async (...args: readonly unknown[]) => {
          asked.push(`${call} ${args[0]}`)
          const run = async (): Promise<unknown> => {
            if (call === 'close') opened.delete(Number(args[0]))
            const answer = await real(...args)
            note(call, args, answer)
            return answer
          }
          return hangs(root, call) ? wait(`${call} ${args[0]}`, run) : run()
        }
      },
    })

  return {
    openFiles(path, options) {
      const files = openPosixFiles(path, options)
      const known = new WeakMap<FileCalls, FileCalls>()
      return {
        ...files,
        as(identity) {
          const inner = files.as(identity)
          const calls = known.get(inner) ?? slow(inner, path)
          known.set(inner, calls)
          return calls
        },
      }
    },
    openPulse(path) {
      const answer = { totalBytes: 0, availableBytes: 0 }
      const files = openPosixFiles(path, { threads: 1 })
      const space = (): Promise<typeof answer> =>
        hangs(path, 'pulse') ? wait('pulse', async () => answer) : Promise.resolve(answer)
      return { ...files, as: (identity) => ({ ...files.as(identity), space }) }
    },
    reach: (path) => (hangs(path, 'pulse') ? wait('pulse', async () => undefined) : Promise.resolve()),
    hang(root, calls) {
      hang = { root, calls }
    },
    pass() {
      hang = undefined
    },
    async release() {
      hang = undefined
      const released = waiting
      waiting = []
      for (const each of released) each.go()
      await Promise.all(released.map(({ done }) => done))
    },
    hanging: () => waiting.map(({ what }) => what).filter((what) => what !== 'pulse'),
    asked: () => asked,
    open: () => [...opened.values()].sort(),
  }
}
