import { type BoundedFiles, boundedFiles, type Trouble } from './bounded-files.ts'
import { FileError, type Files } from './files.ts'
import { whenBack } from './no-answer.ts'
import { openPosixFiles, type PosixFilesOptions } from './posix-files.ts'
import { reach as reachMount } from './reach.ts'

/** A root that cannot be expected to answer. `isMain`: the namespace root, without which no bucket is found. */
export type RootTrouble = { readonly path: string; readonly isMain: boolean; readonly trouble: Trouble }

export type RootOptions = {
  /** Absolute path of the namespace root. */
  readonly root: string
  /** Of each root's pool. */
  readonly threads: number
  /** How long a call to a file system that is not of this machine may take: bounded-files.ts. Default 30 seconds, an hour. */
  readonly callTimeoutMs?: number
  readonly longCallTimeoutMs?: number
  /** See PosixFilesOptions. */
  readonly userThreads?: boolean
  /** Called when a root stops answering, and when it answers again, with all that do not. */
  readonly rootsChanged?: (troubles: readonly RootTrouble[]) => void
  /** For tests: another Files over a root. */
  readonly openFiles?: (path: string, options: PosixFilesOptions) => Files
  /** For tests: what feels whether a root answers. With it, calls are bounded on any file system. */
  readonly openPulse?: (path: string) => Files
  /** For tests: waits for a first answer of whatever is at `path`. */
  readonly reach?: (path: string, signal: AbortSignal) => Promise<void>
}

export type Roots = {
  /** Throws FileError (ENOENT, ENOTDIR, EACCES). */
  open(path: string, publishRoot?: string): Files
  /**
   * Opens a further root and makes of it what it is to be. undefined: it does not answer within the time-out of a call; then nobody waits any more,
   * and `late` gets it when it has answered. Throws as `open` and `use` do, but not once nobody waits: then it stays among `troubles`.
   */
  openFurther<Opened>(
    path: string,
    use: (files: Files) => Promise<Opened>,
    late: (opened: Opened) => void,
  ): Promise<Opened | undefined>
  /** Further roots that have not answered since the start. */
  awaited(): readonly string[]
  /** Roots on servers that do not answer; those of this machine are never among them. */
  troubles(): readonly RootTrouble[]
  /** Calls that were given up and have not come back. */
  hung(): number
  /** Whatever was opened: each holds a descriptor and threads. */
  close(): void
}

/** Opens the file systems that a tree lies on; on those that are not of this machine every call is bounded in time. */
export function openRoots(options: RootOptions): Roots {
  const { root, threads, userThreads = false, openFiles = openPosixFiles, openPulse, reach = reachMount } = options
  const { callTimeoutMs: timeoutMs = 30_000, longCallTimeoutMs: longTimeoutMs = 3_600_000 } = options
  const opened: Files[] = []
  const bounded: { readonly path: string; readonly files: BoundedFiles }[] = []
  const awaited = new Map<string, Trouble>()
  const closing = new AbortController()

  const keep = <Kind extends Files>(files: Kind): Kind => {
    opened.push(files)
    return files
  }
  const feel = openPulse ?? ((path: string): Files => openPosixFiles(path, { threads: 1 }))

  const troubles = (): readonly RootTrouble[] => {
    const ofOpened = bounded.flatMap(({ path, files }) => {
      const trouble = awaited.has(path) ? undefined : files.trouble()
      return trouble === undefined ? [] : [{ path, isMain: path === root, trouble }]
    })
    return [...ofOpened, ...[...awaited].map(([path, trouble]) => ({ path, isMain: false, trouble }))]
  }
  const changed = (): void => options.rootsChanged?.(troubles())

  const open = (path: string, publishRoot?: string): Files => {
    const plain = keep(openFiles(path, { threads, publishRoot, userThreads }))
    if (plain.isLocal && openPulse === undefined) return plain
    const pulse = [path, ...(publishRoot === undefined ? [] : [publishRoot])].map((each) => keep(feel(each)))
    const limits = { timeoutMs, longTimeoutMs, threads, pulse, changed }
    const files = keep(boundedFiles(plain, limits))
    bounded.push({ path, files })
    return files
  }

  /** Opening asks the server from the loop, which would stand still with it; so somebody else has asked before. */
  async function openAnswering<Opened>(path: string, use: (files: Files) => Promise<Opened>): Promise<Opened> {
    await reach(path, closing.signal)
    if (closing.signal.aborted) throw new Error('closed before it was opened')
    const files = open(path)
    for (;;) {
      try {
        return await use(files)
      } catch (error) {
        const back = whenBack(error)
        if (back === undefined) throw error
        await back()
      }
    }
  }

  return {
    open,
    async openFurther(path, use, late) {
      const opening = openAnswering(path, use)
      const timeout = Promise.withResolvers<undefined>()
      const timer = setTimeout(() => timeout.resolve(undefined), timeoutMs)
      const opened = await Promise.race([opening, timeout.promise]).finally(() => clearTimeout(timer))
      if (opened !== undefined) return opened
      awaited.set(path, 'does not answer')
      changed()
      opening.then(
        (found) => {
          if (closing.signal.aborted) return
          awaited.delete(path)
          late(found)
          changed()
        },
        (error: unknown) => {
          if (closing.signal.aborted) return
          awaited.set(path, `answers ${error instanceof FileError ? error.code : String(error)}`)
          changed()
        },
      )
      return undefined
    },
    awaited: () => [...awaited.keys()],
    troubles,
    hung: () => bounded.reduce((sum, { files }) => sum + files.hung(), 0),
    close() {
      closing.abort()
      for (const files of opened) files.close()
    },
  }
}
