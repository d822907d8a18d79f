/**
 * Files that can be interrupted: `before` and `after` run something of a test's own exactly there, once, as another process might.
 * They also know what a loss of power could still take away: every entry of a directory and every file that was changed and not flushed.
 */
import type { Descriptor, FileCalls, Files, PublishSteps } from '../files.ts'
import { nameOf, parentOf } from '../layout.ts'
import { openPosixFiles } from '../posix-files.ts'

type Hook = { readonly call: keyof FileCalls; readonly path: RegExp; readonly run: () => Promise<unknown> }

export type WatchedFiles = {
  readonly openFiles: (path: string, options: { readonly threads: number }) => Files
  /** Once, before the next call of that name with a path (or the path that its descriptor was opened by) that fits. */
  before(call: keyof FileCalls, path: RegExp, run: () => Promise<unknown>): void
  after(call: keyof FileCalls, path: RegExp, run: () => Promise<unknown>): void
  /** Paths that a loss of power could still undo, sorted: `+` an entry made, `-` one removed, `~` bytes or attributes. */
  unflushed(): readonly string[]
  /** Descriptors opened through this and not closed, by path. */
  open(): readonly string[]
}

export function watchedFiles(): WatchedFiles {
  const hooks = { before: new Set<Hook>(), after: new Set<Hook>() }
  const opened = new Map<Descriptor, string>()
  const entries = new Map<string, '+' | '-'>()
  const dirty = new Set<string>()
  let roots = 0

  const fire = async (when: 'before' | 'after', call: keyof FileCalls, paths: readonly string[]): Promise<void> => {
    for (const hook of hooks[when]) {
      if (hook.call !== call || !paths.some((path) => hook.path.test(path))) continue
      hooks[when].delete(hook)
      await hook.run()
    }
  }

  const settle = (directory: string): void => {
    for (const path of entries.keys()) if (parentOf(path) === directory) entries.delete(path)
  }
  const moved = (from: string, to: string): void => {
    const below = (path: string): boolean => path === from || path.startsWith(`${from}/`)
    for (const [path, sign] of [...entries].filter(([path]) => below(path))) {
      entries.delete(path)
      entries.set(to + path.slice(from.length), sign)
    }
    for (const path of [...dirty].filter(below)) {
      dirty.delete(path)
      dirty.add(to + path.slice(from.length))
    }
    for (const [descriptor, path] of opened) if (below(path)) opened.set(descriptor, to + path.slice(from.length))
    entries.set(from, '-')
    entries.set(to, '+')
  }
  const gone = (path: string): void => {
    for (const other of [...entries.keys(), ...dirty]) {
      if (other !== path && !other.startsWith(`${path}/`)) continue
      entries.delete(other)
      dirty.delete(other)
    }
    entries.set(path, '-')
  }

  /** What a call that has succeeded leaves to be flushed. */
  const note = (call: keyof FileCalls, args: readonly unknown[], answer: unknown) => {
    const [first, second] = args
    const path = typeof first === 'number' ? (opened.get(first) ?? '') : String(first)
    if (call === 'open' || call === 'create') opened.set(Number(answer), path)
    if (call === 'find' && typeof answer === 'object' && answer !== null && 'descriptor' in answer) {
      if (typeof answer.descriptor === 'number') opened.set(answer.descriptor, path)
    }
    if (call === 'create') entries.set(path, '+')
    if (call === 'makeDirectory' && answer === true) entries.set(path, '+')
    if (call === 'link') entries.set(String(second), '+')
    if (call === 'rename') moved(path, String(second))
    if ((call === 'unlink' || call === 'removeDirectory') && answer === true) gone(path)
    if (['write', 'truncate', 'setModified', 'writeAttribute', 'removeAttribute'].includes(call)) dirty.add(path)
    if (call === 'copyRange') dirty.add(opened.get(Number(args[2])) ?? '')
    if (call === 'clone') dirty.add(opened.get(Number(second)) ?? '')
    if (call === 'flushDirectory') settle(path)
    if (call === 'flush') {
      dirty.delete(path)
      settle(path)
    }
    if (call === 'publish') {
      // A cast, since the arguments of all calls come through here: publish has its steps in fourth place.
      const steps = args[3] as PublishSteps
      const [temporary, target] = [String(args[1]), String(args[2])]
      if (steps.flushFile) dirty.delete(path)
      moved(temporary, target)
      if (steps.flushDirectory) settle(parentOf(target))
    }
  }

  const watch = (inner: FileCalls, label: string): FileCalls =>
    // A Proxy over the very type it stands for: every property is one of the calls.
    new Proxy(inner, {
      get: (_target, call: keyof FileCalls) => {
        const real = inner[call] as (...args: readonly unknown[]) => Promise<unknown>
        return async (...args: readonly unknown[]) => {
          const labelled = args.map((arg) => (typeof arg === 'string' ? [label, arg].filter(Boolean).join('/') : arg))
          const named = labelled.flatMap((arg) => (typeof arg === 'string' ? [arg] : []))
          const paths = typeof args[0] === 'number' ? [opened.get(args[0]) ?? '', ...named] : named
          await fire('before', call, paths)
          if (call === 'close') opened.delete(Number(args[0]))
          const answer = await real(...args)
          note(call, labelled, answer)
          await fire('after', call, paths)
          return answer
        }
      },
    })

  return {
    openFiles(path, options) {
      const files = openPosixFiles(path, options)
      // Paths below the first root are told as they are, those of others with a name in front.
      const label = roots === 0 ? '' : `root-${roots + 1}`
      roots += 1
      return { ...files, as: (identity) => watch(files.as(identity), label) }
    },
    before: (call, path, run) => void hooks.before.add({ call, path, run }),
    after: (call, path, run) => void hooks.after.add({ call, path, run }),
    unflushed: () =>
      [...[...entries].map(([path, sign]) => sign + path), ...[...dirty].map((path) => `~${path}`)]
        .filter((line) => !/^(\.s3-|locks$)|\.tmp$/.test(nameOf(line.slice(1))) && !line.includes('.s3-probe'))
        .sort(),
    open: () => [...opened.values()].sort(),
  }
}
