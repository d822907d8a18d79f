import type { FileCalls, Files } from '../files.ts'
import { openPosixFiles } from '../posix-files.ts'
import { type FaultyFiles, faultyFiles, type Plan } from './faulty-files.ts'

/** Files that are sound until `arm`: what opens a namespace is not what a test wants to break. */
export type DyingFiles = {
  readonly openFiles: (path: string, options: { readonly threads: number }) => Files
  arm(plan: Plan): void
  /** Changes since `arm`. */
  changes(): number
  log(): readonly string[]
  bury(): Promise<void>
}

export function dyingFiles(): DyingFiles {
  let sound: Files | undefined
  let faulty: FaultyFiles | undefined
  const current = (): Files => {
    const files = faulty ?? sound
    if (files === undefined) throw new Error('not opened yet')
    return files
  }
  return {
    openFiles(path, options) {
      sound = openPosixFiles(path, options)
      return {
        as: (identity) => followed(() => current().as(identity)),
        linkAcross: (source, target) => current().linkAcross(source, target),
        createHasher: (digests) => current().createHasher(digests),
        isLocal: sound.isLocal,
        load: () => current().load(),
        close: () => sound?.close(),
      }
    },
    arm(plan) {
      if (sound !== undefined) faulty = faultyFiles(sound, plan)
    },
    changes: () => faulty?.changes() ?? 0,
    log: () => faulty?.log() ?? [],
    async bury() {
      await faulty?.bury()
      // Hundreds of them die in one test.
      sound?.close()
      sound = undefined
    },
  }
}

/** Callers keep their FileCalls: each call asks again which ones count now. */
function followed(calls: () => FileCalls): FileCalls {
  // A Proxy over the very type it stands for: every property is one of the calls.
  return new Proxy({} as FileCalls, { get: (_target, name: keyof FileCalls) => calls()[name] })
}
