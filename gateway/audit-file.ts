/**
 * The audit file: JSON lines that are appended and never read. Every line is one write(2) with O_APPEND, for which a local file system holds
 * the file's lock from finding its end until the last byte is there: lines of several workers follow each other whole, of whatever length.
 * NFS promises no such thing between machines, so each machine has a file of its own, on a disk of its own.
 *
 * Synchronous, as the log: what was answered is on record, whatever becomes of the worker. A line that cannot be written is lost, and told.
 */
import { closeSync, constants, mkdirSync, openSync, readlinkSync, realpathSync, writeSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

export type AuditFile = {
  /** Never throws. */
  write(line: object): void
  /** After the file was moved away. Never throws; where no new one can be made the old one goes on. */
  reopen(): void
  close(): void
}

/** Lines that were not written since the last telling, and what the last of them met. `lines` 0: reopening has failed. */
export type AuditTrouble = { readonly lines: number; readonly err: unknown }

export type AuditFileOptions = {
  readonly path: string
  /** Directories below which the file must not lie. */
  readonly roots: readonly string[]
  /** Told at once, then with what has come since once a minute. */
  readonly trouble: (trouble: AuditTrouble) => void
  /** Each line that is lost, for metrics. */
  readonly lost?: () => void
  /** Default: write(2). */
  readonly writeBytes?: (descriptor: number, bytes: Uint8Array) => number
}

const TELL_EVERY_MS = 60_000
const TRY_AGAIN_AFTER_MS = 1000
/** O_NONBLOCK: who takes a pipe for a file waits for no reader of it. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY | constants.O_NONBLOCK
const NEWLINE = '\n'

/** Throws a sentence where the file lies in the tree, also by a symbolic link. Any other trouble is told and tried again. */
export function openAuditFile({ path, roots, trouble, lost, writeBytes = writeSync }: AuditFileOptions): AuditFile {
  let descriptor: number | undefined
  let triedAt = Number.NEGATIVE_INFINITY
  /** A part of a line is at the end of the file. */
  let isTorn = false
  let lostLines = 0
  let lastError: unknown
  let telling: NodeJS.Timeout | undefined

  requireOutside(path, roots)
  attempt(open)

  function open(): void {
    triedAt = performance.now()
    requireOutside(path, roots)
    mkdirSync(dirname(path), { recursive: true })
    const opened = openSync(path, FLAGS, 0o640)
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = opened
    isTorn = false
  }

  function attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      lastError = error
      tell()
    }
  }

  function append(text: string): void {
    if (descriptor === undefined && performance.now() - triedAt >= TRY_AGAIN_AFTER_MS) open()
    if (descriptor === undefined) throw lastError
    let rest: Uint8Array = Buffer.from(isTorn ? NEWLINE + text : text)
    // Less than all is written where the disk fills up just then; what follows says so.
    while (rest.length > 0) {
      const written = writeBytes(descriptor, rest)
      rest = rest.subarray(written)
      isTorn = rest.length > 0
    }
  }

  function lose(error: unknown): void {
    lostLines++
    lastError = error
    lost?.()
    tell()
  }

  function tell(): void {
    if (telling !== undefined) return
    trouble({ lines: lostLines, err: lastError })
    lostLines = 0
    telling = setTimeout(() => {
      telling = undefined
      if (lostLines > 0) tell()
    }, TELL_EVERY_MS).unref()
  }

  return {
    write(line) {
      try {
        append(JSON.stringify(line) + NEWLINE)
      } catch (error) {
        lose(error)
      }
    },
    reopen: () => attempt(open),
    close() {
      clearTimeout(telling)
      if (lostLines > 0) trouble({ lines: lostLines, err: lastError })
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

function requireOutside(path: string, roots: readonly string[]): void {
  const place = realPlace(path)
  const root = roots.find((each) => `${place}/`.startsWith(`${realPlace(each)}/`))
  if (root === undefined) return
  const by = place === path ? '' : ` (${place})`
  throw new Error(`log.audit_file is ${path}${by}, inside the served tree ${root}; choose a path outside it.`)
}

/** Where a file is, or will be when it is made. */
function realPlace(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    // Whatever else is wrong with it, opening says.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) return path
    const target = linkTarget(path)
    if (target !== undefined) return realPlace(resolve(dirname(path), target))
    return path === dirname(path) ? path : join(realPlace(dirname(path)), basename(path))
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
