/**
 * Files whose calls are bounded in time. A system call on a hard NFS mount whose server is away returns when the server is back, be it
 * tomorrow, and cannot be called off: its thread is gone until then. So each call here is answered at its deadline, and what it still
 * holds (a descriptor, memory, a thread) stays its own until it has come back.
 *
 * Whether the mount answers at all is felt by a pulse: a call that always asks the server, again and again, on a thread of its own. While it
 * gets no answer nothing is asked of the mount any more: no threads, no memory and no requests pile up. The first answer lets calls pass.
 */
import { isUnreachable } from './file-errors.ts'
import type { Descriptor, FileCalls, Files, PosixIdentity } from './files.ts'
import { NoAnswerError } from './no-answer.ts'

export type Limits = {
  /** How long a call may take. */
  readonly timeoutMs: number
  /** How long those may that take their time on a mount that answers: a flush, a copy, a walk through a large directory. */
  readonly longTimeoutMs: number
  /** Of the pool below: when as many calls hang, no thread is left. */
  readonly threads: number
  /** The same mount once more (and the one that is published through), for the pulse: by threads that no other call can take. */
  readonly pulse: readonly Files[]
  /** Called with each change of `trouble()`. */
  readonly changed: () => void
}

/** Why nothing can be expected of a mount: it does not answer, no thread is left for it, or the errno that it answers with. */
export type Trouble = 'does not answer' | 'has no thread left that does not hang' | `answers ${string}`

export type BoundedFiles = Files & {
  /** undefined: it answers. */
  trouble(): Trouble | undefined
  /** Calls that were given up and have not come back. */
  hung(): number
}

/**
 * What happens to a call at its time-out. `quick`, `data`: it is given up. `walk`, `long`: a healthy mount may need longer, so it waits while
 * the mount answers, up to the long time-out; `long` needs the servers that the bytes are on, with pNFS others than the one that has the names,
 * so while a `data` call hangs it waits no longer either. `send`: waits while the mount answers, since it may be the client who is slow.
 */
type Kind = 'quick' | 'data' | 'walk' | 'long' | 'send'

/** `lock` has threads and a deadline of its own: byte-locks.ts. */
const kinds: Readonly<Record<Exclude<keyof FileCalls, 'lock'> | 'linkAcross', Kind>> = {
  find: 'quick',
  open: 'quick',
  create: 'quick',
  stat: 'quick',
  statPath: 'quick',
  setModified: 'quick',
  readAttribute: 'quick',
  writeAttribute: 'quick',
  removeAttribute: 'quick',
  rename: 'quick',
  link: 'quick',
  linkAcross: 'quick',
  mayWriteIn: 'quick',
  may: 'quick',
  setMode: 'quick',
  unlink: 'quick',
  removeDirectory: 'quick',
  makeDirectory: 'quick',
  space: 'quick',
  read: 'data',
  write: 'data',
  hashRange: 'data',
  // A million names over a network take longer than a look-up may; and a listing that is given up begins from the start.
  scan: 'walk',
  statMany: 'walk',
  truncate: 'long',
  flush: 'long',
  flushDirectory: 'long',
  publish: 'long',
  clone: 'long',
  copyRange: 'long',
  // Writes back what was not flushed.
  close: 'long',
  sendFile: 'send',
}

/** Time is counted in ticks of a timer, not by a clock: while this process is paused or its loop is busy, nobody's time runs out. */
const ticksPerTimeout = 8
/** A server that restarts is silent for some seconds; at a call's deadline its silence is known. */
const ticksOfSilence = ticksPerTimeout / 2

type Bounded = keyof typeof kinds

type Pending = {
  readonly call: Bounded
  readonly began: number
  readonly giveUp: () => void
  /** Resolves when it has come back. */
  readonly over: Promise<void>
}

/** An open descriptor with calls under way. */
type Use = { calls: number; close: (() => void) | undefined }

export function boundedFiles(files: Files, limits: Limits): BoundedFiles {
  const { timeoutMs, longTimeoutMs, threads } = limits
  const pending = new Set<Pending>()
  const hung = new Set<Pending>()
  const uses = new Map<Descriptor, Use>()
  const wrapped = new WeakMap<FileCalls, FileCalls>()
  let tick = 0
  let closed = false
  /** The tick in which the pulse began that is under way. */
  let asked: number | undefined
  let answered: Trouble | undefined
  let told: Trouble | undefined
  let waiting: (() => void)[] = []

  const isSilent = (): boolean => asked !== undefined && tick - asked >= ticksOfSilence
  /** Most closes only wait for the call that hangs on their descriptor. */
  const isExhausted = (): boolean => [...hung].filter(({ call }) => call !== 'close').length >= threads
  const trouble = (): Trouble | undefined => {
    if (isSilent()) return 'does not answer'
    return isExhausted() ? 'has no thread left that does not hang' : answered
  }
  const tell = (): void => {
    if (trouble() === told) return
    told = trouble()
    limits.changed()
  }

  const beat = (): void => {
    if (asked !== undefined || closed) return
    asked = tick
    Promise.all(limits.pulse.map((each) => each.as(undefined).space()))
      .then(
        () => undefined,
        (error: unknown) => troubleOf(error),
      )
      .then((answer) => {
        asked = undefined
        answered = answer
        const back = waiting
        waiting = []
        for (const each of back) each()
        tell()
      })
  }

  const isPatient: Readonly<Record<Kind, (ageMs: number) => boolean>> = {
    quick: () => false,
    data: () => false,
    walk: (ageMs) => !isSilent() && ageMs < longTimeoutMs,
    long: (ageMs) => !isSilent() && ageMs < longTimeoutMs && ![...hung].some(({ call }) => kinds[call] === 'data'),
    send: () => !isSilent(),
  }
  const isOver = ({ call, began }: Pending): boolean => {
    // The first tick may have come right after the call.
    const ageMs = (tick - began - 1) * (timeoutMs / ticksPerTimeout)
    return ageMs >= timeoutMs && !isPatient[kinds[call]](ageMs)
  }

  const timer = setInterval(() => {
    tick += 1
    beat()
    for (const call of pending) if (isOver(call)) call.giveUp()
    tell()
    if (closed && pending.size === 0) clearInterval(timer)
  }, timeoutMs / ticksPerTimeout).unref()
  beat()

  const back = async (): Promise<void> => {
    await Promise.all([...hung].map(({ over }) => over))
    if (isSilent()) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const noAnswer = (call: Bounded | 'lock', what: string): NoAnswerError => new NoAnswerError(call, what, back)

  /** `late`: what to do with an answer that nobody waits for any more. `atOnce`: nobody waits from the start. */
  function bounded<Answer>(
    call: Bounded,
    what: string,
    start: () => Promise<Answer>,
    { late, atOnce = false }: { readonly late?: (answer: Answer) => Promise<unknown>; readonly atOnce?: boolean } = {},
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    const giveUp = (): void => {
      pending.delete(mine)
      hung.add(mine)
      reject(noAnswer(call, what))
    }
    const mine: Pending = { call, began: tick, giveUp, over }
    const comeBack = async (undo: () => Promise<unknown> | undefined, settle: () => void): Promise<void> => {
      if (pending.delete(mine)) settle()
      else {
        await Promise.resolve(undo()).catch(() => undefined)
        hung.delete(mine)
        tell()
      }
      end()
    }
    pending.add(mine)
    start().then(
      (answer) =>
        comeBack(
          () => late?.(answer),
          () => resolve(answer),
        ),
      (error: unknown) =>
        comeBack(
          () => undefined,
          () => reject(error),
        ),
    )
    if (atOnce) giveUp()
    return promise
  }

  const isRefused = (): boolean => isSilent() || isExhausted()

  const ask: typeof bounded = (call, what, start, options) =>
    isRefused() ? Promise.reject(noAnswer(call, what)) : bounded(call, what, start, options)

  /** Keeps the descriptors open until `start` has come back, whoever closes them. */
  async function using<Answer>(descriptors: readonly Descriptor[], start: () => Promise<Answer>): Promise<Answer> {
    const mine = descriptors.map((descriptor) => {
      const use = uses.get(descriptor) ?? { calls: 0, close: undefined }
      uses.set(descriptor, use)
      use.calls += 1
      return { descriptor, use }
    })
    try {
      return await start()
    } finally {
      for (const { descriptor, use } of mine) leave(descriptor, use)
    }
  }

  /**
   * The number of a closed descriptor is another file's at once. A lock that was had too late is let go by whoever asked for it as soon as
   * they hear of it: were the descriptor closed before, that would be another file's lock. So it is closed a turn later.
   */
  function leave(descriptor: Descriptor, use: Use): void {
    use.calls -= 1
    if (use.calls > 0) return
    if (use.close === undefined) uses.delete(descriptor)
    else
      setImmediate(() => {
        if (use.calls > 0 || uses.get(descriptor) !== use) return
        uses.delete(descriptor)
        use.close?.()
      })
  }

  /** Never refused, or it would stay open. One that is in use is closed when it no longer is; that nobody waits for. */
  function close(calls: FileCalls, descriptor: Descriptor): Promise<void> {
    const what = nameOf(descriptor)
    const use = uses.get(descriptor)
    if (use === undefined) return bounded('close', what, () => calls.close(descriptor), { atOnce: isRefused() })
    const free = new Promise<void>((resolve) => (use.close = resolve))
    return bounded('close', what, () => free.then(() => calls.close(descriptor)), { atOnce: true })
  }

  const callsOf = (calls: FileCalls): FileCalls => {
    const on = <Answer>(call: Bounded, descriptors: readonly Descriptor[], start: () => Promise<Answer>) =>
      ask(call, nameOf(descriptors[0]), () => using(descriptors, start))
    return {
      find: (path, want) =>
        ask('find', path, () => calls.find(path, want), {
          late: async (found) => found?.descriptor !== undefined && calls.close(found.descriptor),
        }),
      open: (path, how) => ask('open', path, () => calls.open(path, how), { late: (late) => calls.close(late) }),
      create: (path, mode, exclusive) =>
        ask('create', path, () => calls.create(path, mode, exclusive), {
          // A file that this call has made, and nobody knows of.
          async late(late) {
            await calls.close(late).catch(() => undefined)
            if (exclusive) await calls.unlink(path)
          },
        }),
      close: (descriptor) => close(calls, descriptor),
      stat: (descriptor) => on('stat', [descriptor], () => calls.stat(descriptor)),
      statPath: (path) => ask('statPath', path, () => calls.statPath(path)),
      read: (descriptor, into, position) => on('read', [descriptor], () => calls.read(descriptor, into, position)),
      write: (descriptor, chunk, position, hasher) =>
        on('write', [descriptor], () => calls.write(descriptor, chunk, position, hasher)),
      hashRange: (descriptor, offset, length, hasher) =>
        on('hashRange', [descriptor], () => calls.hashRange(descriptor, offset, length, hasher)),
      truncate: (descriptor, size) => on('truncate', [descriptor], () => calls.truncate(descriptor, size)),
      setModified: (descriptor, mtimeNs) =>
        on('setModified', [descriptor], () => calls.setModified(descriptor, mtimeNs)),
      may: (descriptor, want) => on('may', [descriptor], () => calls.may(descriptor, want)),
      setMode: (descriptor, mode) => on('setMode', [descriptor], () => calls.setMode(descriptor, mode)),
      flush: (descriptor) => on('flush', [descriptor], () => calls.flush(descriptor)),
      flushDirectory: (path) => ask('flushDirectory', path, () => calls.flushDirectory(path)),
      readAttribute: (descriptor, name) =>
        on('readAttribute', [descriptor], () => calls.readAttribute(descriptor, name)),
      writeAttribute: (descriptor, name, value) =>
        on('writeAttribute', [descriptor], () => calls.writeAttribute(descriptor, name, value)),
      removeAttribute: (descriptor, name) =>
        on('removeAttribute', [descriptor], () => calls.removeAttribute(descriptor, name)),
      publish: (descriptor, temporary, target, steps) =>
        on('publish', [descriptor], () => calls.publish(descriptor, temporary, target, steps)),
      rename: (source, target) => ask('rename', source, () => calls.rename(source, target)),
      link: (source, target) => ask('link', target, () => calls.link(source, target)),
      mayWriteIn: (directory) => ask('mayWriteIn', directory, () => calls.mayWriteIn(directory)),
      unlink: (path) => ask('unlink', path, () => calls.unlink(path)),
      removeDirectory: (path) => ask('removeDirectory', path, () => calls.removeDirectory(path)),
      makeDirectory: (path, mode) => ask('makeDirectory', path, () => calls.makeDirectory(path, mode)),
      scan: (path, atMost) => ask('scan', path, () => calls.scan(path, atMost)),
      statMany: (directory, names, attribute) =>
        ask('statMany', directory, () => calls.statMany(directory, names, attribute)),
      async lock(descriptor, offset, mode) {
        // Locks have threads of their own. Letting go is never refused.
        if (mode !== 'none' && isSilent()) throw noAnswer('lock', nameOf(descriptor))
        return using([descriptor], () => calls.lock(descriptor, offset, mode))
      },
      clone: (source, target) => on('clone', [source, target], () => calls.clone(source, target)),
      copyRange: (source, sourceOffset, target, targetOffset, length) =>
        on('copyRange', [source, target], () => calls.copyRange(source, sourceOffset, target, targetOffset, length)),
      sendFile: (socket, descriptor, offset, length) =>
        on('sendFile', [descriptor], () => calls.sendFile(socket, descriptor, offset, length)),
      space: () => ask('space', '', () => calls.space()),
    }
  }

  return {
    as(identity: PosixIdentity | undefined) {
      const calls = files.as(identity)
      const known = wrapped.get(calls) ?? callsOf(calls)
      wrapped.set(calls, known)
      return known
    },
    linkAcross: (source, target) => ask('linkAcross', target.path, () => files.linkAcross(source, target)),
    createHasher: (digests) => files.createHasher(digests),
    isLocal: files.isLocal,
    load: () => files.load(),
    close() {
      closed = true
      for (const each of [files, ...limits.pulse]) each.close()
    },
    trouble,
    hung: () => hung.size,
  }
}

/** What says that a server cannot be reached, or that the mount's root is gone: of soft mounts, and after another export took its place. */
const troubleOf = (error: unknown): Trouble | undefined => (isUnreachable(error) ? `answers ${error.code}` : undefined)

const nameOf = (descriptor: Descriptor | undefined): string => `descriptor ${descriptor}`
