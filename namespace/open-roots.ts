import { type BoundedFiles, boundedFiles, type Trouble } from './bounded-files.ts'
import type { Files } from './files.ts'
import { openPosixFiles } from './posix-files.ts'

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
  /** Called when a root stops answering, and when it answers again, with all that do not. */
  readonly rootsChanged?: (troubles: readonly RootTrouble[]) => void
  /** For tests: another Files over a root. */
  readonly openFiles?: (path: string, options: { readonly threads: number; readonly publishRoot?: string }) => Files
  /** For tests: what feels whether a root answers. With it, calls are bounded on any file system. */
  readonly openPulse?: (path: string) => Files
}

export type Roots = {
  /** Throws FileError (ENOENT, ENOTDIR, EACCES). */
  open(path: string, publishRoot?: string): Files
  /** Roots on servers that do not answer; those of this machine are never among them. */
  troubles(): readonly RootTrouble[]
  /** Calls that were given up and have not come back. */
  hung(): number
  /** Whatever was opened: each holds a descriptor and threads. */
  close(): void
}

/** Opens the file systems that a tree lies on; on those that are not of this machine every call is bounded in time. */
export function openRoots(options: RootOptions): Roots {
  const { root, threads, openFiles = openPosixFiles, openPulse } = options
  const { callTimeoutMs: timeoutMs = 30_000, longCallTimeoutMs: longTimeoutMs = 3_600_000 } = options
  const opened: Files[] = []
  const bounded: { readonly path: string; readonly files: BoundedFiles }[] = []

  const keep = <Kind extends Files>(files: Kind): Kind => {
    opened.push(files)
    return files
  }
  const feel = openPulse ?? ((path: string): Files => openPosixFiles(path, { threads: 1 }))

  const troubles = (): readonly RootTrouble[] =>
    bounded.flatMap(({ path, files }) => {
      const trouble = files.trouble()
      return trouble === undefined ? [] : [{ path, isMain: path === root, trouble }]
    })
  const changed = (): void => options.rootsChanged?.(troubles())

  return {
    open(path, publishRoot) {
      const plain = keep(openFiles(path, { threads, ...(publishRoot === undefined ? {} : { publishRoot }) }))
      if (plain.isLocal && openPulse === undefined) return plain
      const pulse = [path, ...(publishRoot === undefined ? [] : [publishRoot])].map((each) => keep(feel(each)))
      const limits = { timeoutMs, longTimeoutMs, threads, pulse, changed }
      const files = keep(boundedFiles(plain, limits))
      bounded.push({ path, files })
      return files
    },
    troubles,
    hung: () => bounded.reduce((sum, { files }) => sum + files.hung(), 0),
    close() {
      for (const files of opened) files.close()
    },
  }
}
