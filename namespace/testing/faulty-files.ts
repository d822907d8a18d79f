/**
 * Files that fail, dawdle and die on purpose, around any real Files: how a crash test stops a verb after its first, second, third … change
 * and then looks at what is on disk.
 *
 * The fused `publish` is taken apart into its steps here (mtime, attribute, fsync, rename or link and unlink, fsync of the directory), each
 * counted, failed and crashed by itself, so that a crash in the middle of it leaves exactly the steps before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Descriptor,
  type FileCalls,
  FileError,
  type Files,
  type PosixIdentity,
  type PublishSteps,
} from '../files.ts'

/** The process is dead: nothing it calls happens any more. */
export class CrashError extends Error {
  constructor() {
    super('crashed on purpose')
    this.name = 'CrashError'
  }
}

export type CallName = keyof FileCalls

/** Fails calls instead of making them. */
export type Fault = {
  readonly call: CallName
  /** Any path of the call, or the one its descriptor was opened by. */
  readonly path?: RegExp
  /** Only the n-th call that matches, counted from 1. Left out: each. */
  readonly nth?: number
  /** errno's name: ENOSPC, EIO, ESTALE, EDQUOT … */
  readonly code: string
}

export type Plan = {
  /** After so many changes every further call throws CrashError. 0: the very first call. */
  readonly crashAfter?: number
  readonly faults?: readonly Fault[]
  /** Each call waits 0 … `maxMs` first, the same for the same seed and order of calls. */
  readonly delay?: { readonly seed: number; readonly maxMs: number }
}

export type FaultyFiles = Files & {
  /** Changes so far: run once without a crash to know how many there are. */
  changes(): number
  /** The changes so far, `rename a → b`, for the message of a test that fails. */
  log(): readonly string[]
  /** Closes what the dead process left open, as its end would: locks are let go. Resolves when the calls under way have ended. */
  bury(): Promise<void>
}

/** The calls that change something on disk, or make it lasting. */
const changing: ReadonlySet<CallName> = new Set<CallName>([
  'create',
  'write',
  'truncate',
  'setModified',
  'setMode',
  'flush',
  'flushDirectory',
  'writeAttribute',
  'removeAttribute',
  'rename',
  'link',
  'unlink',
  'removeDirectory',
  'makeDirectory',
  'clone',
  'copyRange',
])

/** What a real failure would name, where it is not the call's own name. */
const syscalls: Readonly<Partial<Record<CallName, string>>> = {
  find: 'openat2',
  open: 'openat2',
  create: 'openat2',
  statPath: 'openat2',
  stat: 'fstat',
  truncate: 'ftruncate',
  setModified: 'futimens',
  flush: 'fsync',
  flushDirectory: 'fsync',
  readAttribute: 'fgetxattr',
  writeAttribute: 'fsetxattr',
  removeAttribute: 'fremovexattr',
  rename: 'renameat',
  link: 'linkat',
  unlink: 'unlinkat',
  removeDirectory: 'unlinkat',
  makeDirectory: 'mkdirat',
  mayWriteIn: 'faccessat2',
  may: 'faccessat2',
  setMode: 'fchmod',
  scan: 'getdents64',
  lock: 'fcntl',
  copyRange: 'copy_file_range',
  sendFile: 'sendfile',
  space: 'fstatfs',
}

/** Wraps `files`, which stays usable beside it: after a crash, that is the next process. */
export function faultyFiles(files: Files, plan: Plan = {}): FaultyFiles {
  const gate = gateOf(plan)
  const descriptors = new Map<Descriptor, { readonly path: string; readonly calls: FileCalls }>()
  return {
    as: (identity: PosixIdentity | undefined) => faultyCalls(files.as(identity), gate, descriptors),
    linkAcross: (source, target) =>
      gate.pass('link', [source.path, target.path], () => files.linkAcross(source, target)),
    createHasher: (digests) => files.createHasher(digests),
    isLocal: files.isLocal,
    load: () => files.load(),
    close: () => files.close(),
    changes: () => gate.log.length,
    log: () => gate.log,
    async bury() {
      gate.die()
      await gate.quiet()
      const left = [...descriptors]
      descriptors.clear()
      await Promise.all(left.map(([descriptor, { calls }]) => calls.close(descriptor)))
    },
  }
}

type Gate = {
  readonly log: string[]
  /** Lets a call through, or throws what the plan says. */
  pass<T>(call: CallName, paths: readonly string[], run: () => Promise<T>): Promise<T>
  quiet(): Promise<void>
  /** No call gets through any more: a timer of the dead process must not close a descriptor that is somebody else's by now. */
  die(): void
}

function gateOf(plan: Plan): Gate {
  const log: string[] = []
  const matches = new Map<Fault, number>()
  const underWay = new Set<Promise<unknown>>()
  const random = plan.delay === undefined ? () => 0 : randomOf(plan.delay.seed)

  let dead = false

  const dieWhenDue = () => {
    if (dead) throw new CrashError()
    if (plan.crashAfter !== undefined && log.length >= plan.crashAfter) throw new CrashError()
  }
  const failWhenPlanned = (call: CallName, paths: readonly string[]) => {
    for (const fault of plan.faults ?? []) {
      if (fault.call !== call || !paths.some((path) => fault.path?.test(path) ?? true)) continue
      const count = (matches.get(fault) ?? 0) + 1
      matches.set(fault, count)
      if (fault.nth === undefined || fault.nth === count)
        throw new FileError(fault.code, syscalls[call] ?? call, paths[0] ?? '')
    }
  }
  return {
    log,
    die() {
      dead = true
    },
    async pass(call, paths, run) {
      dieWhenDue()
      if (plan.delay !== undefined) {
        await sleep(random() * plan.delay.maxMs)
        dieWhenDue()
      }
      failWhenPlanned(call, paths)
      if (changing.has(call)) log.push(`${call} ${paths.join(' → ')}`)
      const running = run()
      underWay.add(running)
      try {
        return await running
      } finally {
        underWay.delete(running)
      }
    },
    async quiet() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
  }
}

/** mulberry32: a small generator whose sequence is its seed's alone. 0 … 1. */
function randomOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function faultyCalls(
  inner: FileCalls,
  { pass }: Gate,
  descriptors: Map<Descriptor, { readonly path: string; readonly calls: FileCalls }>,
): FileCalls {
  const opened = (descriptor: Descriptor, path: string) => {
    descriptors.set(descriptor, { path, calls: inner })
    return descriptor
  }
  const at = (descriptor: Descriptor) => [descriptors.get(descriptor)?.path ?? '']
  const calls: FileCalls = {
    find: (path, want) =>
      pass('find', [path], async () => {
        const found = await inner.find(path, want)
        if (found?.descriptor !== undefined) opened(found.descriptor, path)
        return found
      }),
    open: (path, how) => pass('open', [path], async () => opened(await inner.open(path, how), path)),
    create: (path, mode, exclusive) =>
      pass('create', [path], async () => opened(await inner.create(path, mode, exclusive), path)),
    close: (descriptor) =>
      pass('close', at(descriptor), () => {
        descriptors.delete(descriptor)
        return inner.close(descriptor)
      }),
    stat: (descriptor) => pass('stat', at(descriptor), () => inner.stat(descriptor)),
    statPath: (path) => pass('statPath', [path], () => inner.statPath(path)),
    read: (descriptor, into, position) => pass('read', at(descriptor), () => inner.read(descriptor, into, position)),
    write: (descriptor, chunk, position, hasher) =>
      pass('write', at(descriptor), () => inner.write(descriptor, chunk, position, hasher)),
    hashRange: (descriptor, offset, length, hasher) =>
      pass('hashRange', at(descriptor), () => inner.hashRange(descriptor, offset, length, hasher)),
    truncate: (descriptor, size) => pass('truncate', at(descriptor), () => inner.truncate(descriptor, size)),
    setModified: (descriptor, mtimeNs) =>
      pass('setModified', at(descriptor), () => inner.setModified(descriptor, mtimeNs)),
    may: (descriptor, want) => pass('may', at(descriptor), () => inner.may(descriptor, want)),
    setMode: (descriptor, mode) => pass('setMode', at(descriptor), () => inner.setMode(descriptor, mode)),
    flush: (descriptor) => pass('flush', at(descriptor), () => inner.flush(descriptor)),
    flushDirectory: (path) => pass('flushDirectory', [path], () => inner.flushDirectory(path)),
    readAttribute: (descriptor, name) =>
      pass('readAttribute', at(descriptor), () => inner.readAttribute(descriptor, name)),
    writeAttribute: (descriptor, name, value) =>
      pass('writeAttribute', at(descriptor), () => inner.writeAttribute(descriptor, name, value)),
    removeAttribute: (descriptor, name) =>
      pass('removeAttribute', at(descriptor), () => inner.removeAttribute(descriptor, name)),
    publish: (descriptor, temporary, target, steps) =>
      pass('publish', [target, temporary], () => publishByStep(calls, descriptor, temporary, target, steps)),
    rename: (source, target) => pass('rename', [source, target], () => inner.rename(source, target)),
    link: (source, target) => pass('link', [source, target], () => inner.link(source, target)),
    mayWriteIn: (directory) => pass('mayWriteIn', [directory], () => inner.mayWriteIn(directory)),
    unlink: (path) => pass('unlink', [path], () => inner.unlink(path)),
    removeDirectory: (path) => pass('removeDirectory', [path], () => inner.removeDirectory(path)),
    makeDirectory: (path, mode) => pass('makeDirectory', [path], () => inner.makeDirectory(path, mode)),
    scan: (path) => pass('scan', [path], () => inner.scan(path)),
    statMany: (directory, names, attribute) =>
      pass('statMany', [directory], () => inner.statMany(directory, names, attribute)),
    lock: (descriptor, offset, mode) => pass('lock', at(descriptor), () => inner.lock(descriptor, offset, mode)),
    clone: (source, target) => pass('clone', [...at(source), ...at(target)], () => inner.clone(source, target)),
    copyRange: (source, sourceOffset, target, targetOffset, length) =>
      pass('copyRange', [...at(source), ...at(target)], () =>
        inner.copyRange(source, sourceOffset, target, targetOffset, length),
      ),
    sendFile: (socket, descriptor, offset, length) =>
      pass('sendFile', at(descriptor), () => inner.sendFile(socket, descriptor, offset, length)),
    space: () => pass('space', [''], () => inner.space()),
  }
  return calls
}

/** What the fused call does, in its order, by single calls that each pass the gate. */
async function publishByStep(
  calls: FileCalls,
  descriptor: Descriptor,
  temporary: string,
  target: string,
  steps: PublishSteps,
) {
  await mustHaveDirectory(calls, temporary)
  await mustHaveDirectory(calls, target)
  await calls.setModified(descriptor, steps.mtimeNs)
  if (steps.attribute !== undefined)
    await named(target, calls.writeAttribute(descriptor, steps.attribute.name, steps.attribute.value))
  if (steps.flushFile) await named(target, calls.flush(descriptor))
  if (steps.replace) await named(target, calls.rename(temporary, target))
  else {
    await linkOnce(calls, descriptor, temporary, target)
    // A temporary left over is swept; only a crash stops here.
    await calls.unlink(temporary).catch((error: unknown) => {
      if (!(error instanceof FileError)) throw error
    })
  }
  if (steps.flushDirectory) await named(target, flushDirectoryOf(calls, target, descriptor))
  return calls.stat(descriptor)
}

const directoryOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** The fused call opens its directories first and fails by openat2, before anything has changed. */
async function mustHaveDirectory(calls: FileCalls, path: string): Promise<void> {
  const stat = await calls.statPath(directoryOf(path))
  if (stat?.type !== 'directory') throw new FileError(stat === undefined ? 'ENOENT' : 'ENOTDIR', 'openat2', path)
}

/** The repetition of a link whose answer was lost is no conflict. */
async function linkOnce(calls: FileCalls, descriptor: Descriptor, temporary: string, target: string): Promise<void> {
  try {
    await calls.link(temporary, target)
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== 'EEXIST') throw error
    const [ours, there] = [await calls.stat(descriptor), await calls.statPath(target)]
    if (there?.device !== ours.device || there.inode !== ours.inode) throw error
  }
}

/** One may write to a directory without reading it: then more is flushed, through the file. */
async function flushDirectoryOf(calls: FileCalls, target: string, descriptor: Descriptor): Promise<void> {
  try {
    await calls.flushDirectory(directoryOf(target))
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== 'EACCES') throw error
    await calls.flush(descriptor)
  }
}

/** Errors of the fused call name the target. */
async function named<T>(target: string, step: Promise<T>): Promise<T> {
  try {
    return await step
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    throw new FileError(error.code, error.syscall, target, error)
  }
}
