import { type FileCalls, FileError, type Files, type Stat } from './files.ts'
import { join, nameOf } from './layout.ts'

/** What a mount can do, found by trying. */
export type Capabilities = {
  /** Kernel and container let openat2 through. Without it nothing else works, and nothing else was tried. */
  readonly openat2: boolean
  /** Extended attributes in `user.`. */
  readonly attributes: boolean
  /** The largest value of the sizes tried that one attribute takes; 0 without attributes. A file's other attributes may need some of it. */
  readonly attributeBytesMax: number
  /** Hard links: what publishing a name that must be free rests on. */
  readonly hardLinks: boolean
  /** Locks exclude a second descriptor of this host. Whether they do between machines only two machines can tell. */
  readonly locks: boolean
  /** Whole files can be cloned without copying bytes. */
  readonly clone: boolean
  /** `a` and `A` are two names. */
  readonly caseSensitive: boolean
  /** Names come back byte by byte: composed and decomposed letters are both storable and distinct. */
  readonly preservesNames: boolean
  /** The step of modification times: 1 keeps every nanosecond. */
  readonly timeGranularityNs: number
  /** This process may run calls as other users. */
  readonly switchIdentity: boolean
}

const scratchName = (): string => `.s3-probe-${process.pid}-${Date.now().toString(36)}`
const isScratch = (name: string): boolean => /^\.s3-probe-\d+-[0-9a-z]+$/.test(name)

/** All that is ever made in a scratch directory. */
const scratchFiles = {
  one: 'one',
  linked: 'linked',
  clone: 'clone',
  folding: ['case', 'CASE'],
  normalising: ['n\u00e9', 'ne\u0301'],
} as const

const nothing: Capabilities = {
  openat2: false,
  attributes: false,
  attributeBytesMax: 0,
  hardLinks: false,
  locks: false,
  clone: false,
  caseSensitive: false,
  preservesNames: false,
  timeGranularityNs: 0,
  switchIdentity: false,
}

/** Of a mount that is read-only: what cannot be tried is taken for missing. Reading needs none of it. */
export const readOnlyCapabilities: Capabilities = { ...nothing, openat2: true }

/**
 * Tries a mount once, in a scratch directory of its own below `directory` ('' is the root), which is gone afterwards. Throws FileError
 * where that cannot be made (EACCES, EROFS, ENOSPC).
 */
export async function probeCapabilities(files: Files, directory: string): Promise<Capabilities> {
  const calls = files.as(undefined)
  const scratch = join(directory, scratchName())
  try {
    await calls.makeDirectory(scratch, 0o700)
  } catch (error) {
    // A kernel before 5.6 knows no openat2; some container filters answer EPERM for what they do not know, before any path is looked at.
    if (isCode(error, 'ENOSYS', 'EPERM') && (await openat2Fails(calls))) return nothing
    throw error
  }
  try {
    return await probeIn(files, calls, scratch)
  } finally {
    await clear(calls, scratch)
  }
}

async function probeIn(files: Files, calls: FileCalls, scratch: string): Promise<Capabilities> {
  const one = await calls.create(join(scratch, scratchFiles.one), 0o600, true)
  try {
    const attributeBytesMax = await largestAttribute(calls, one)
    return {
      openat2: true,
      attributes: attributeBytesMax > 0,
      attributeBytesMax,
      hardLinks: await hardLinks(calls, scratch),
      locks: await locks(calls, one, join(scratch, scratchFiles.one)),
      clone: await clones(calls, one, scratch),
      caseSensitive: await bothStorable(calls, scratch, scratchFiles.folding),
      preservesNames: await bothStorable(calls, scratch, scratchFiles.normalising),
      timeGranularityNs: await timeGranularityNs(calls, one),
      switchIdentity: await switches(files),
    }
  } finally {
    await calls.close(one)
  }
}

const attributeSizes = [65_536, 32_768, 16_384, 8192, 3900, 1900, 900, 200] as const

async function largestAttribute(calls: FileCalls, descriptor: number): Promise<number> {
  for (const size of attributeSizes) {
    try {
      await calls.writeAttribute(descriptor, 'user.causeway', Buffer.alloc(size, 'x'))
    } catch (error) {
      if (isCode(error, 'ENOTSUP', 'EPERM', 'ENOSYS')) return 0
      if (isCode(error, 'E2BIG', 'ENOSPC', 'ERANGE', 'EDQUOT', 'ENAMETOOLONG', 'EINVAL', 'EIO')) continue
      throw error
    }
    // Some servers take what they do not keep.
    const back = await calls.readAttribute(descriptor, 'user.causeway')
    await calls.removeAttribute(descriptor, 'user.causeway')
    if (back?.length === size) return size
  }
  return 0
}

async function hardLinks(calls: FileCalls, scratch: string): Promise<boolean> {
  return works(async () => {
    const [one, other] = [join(scratch, scratchFiles.one), join(scratch, scratchFiles.linked)]
    await calls.link(one, other)
    const [source, linked] = [await calls.statPath(one), await calls.statPath(other)]
    return source !== undefined && source.inode === linked?.inode && linked.links === 2
  })
}

async function locks(calls: FileCalls, one: number, path: string): Promise<boolean> {
  const other = await calls.open(path, 'write')
  try {
    return await works(
      async () => (await calls.lock(one, 1n, 'exclusive')) && !(await calls.lock(other, 1n, 'exclusive')),
    )
  } finally {
    await calls.close(other)
  }
}

async function clones(calls: FileCalls, one: number, scratch: string): Promise<boolean> {
  await calls.write(one, Buffer.alloc(8192, 'x'), 0)
  const target = await calls.create(join(scratch, scratchFiles.clone), 0o600, true)
  try {
    return await works(() => calls.clone(one, target))
  } finally {
    await calls.close(target)
  }
}

/** Two names that a folding or normalising mount takes for one. Both must be there afterwards, byte by byte. */
async function bothStorable(calls: FileCalls, scratch: string, both: readonly string[]): Promise<boolean> {
  return works(async () => {
    for (const name of both) await calls.close(await calls.create(`${scratch}/${name}`, 0o600, true))
    const scan = await calls.scan(scratch)
    const names = Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('hex'))
    return both.every((name) => names.includes(Buffer.from(name).toString('hex')))
  })
}

const granularitiesNs = [1n, 100n, 1000n, 1_000_000n, 10_000_000n, 1_000_000_000n, 2_000_000_000n] as const

/** Sets a time of which every digit counts, and sees down to which step it was cut. */
async function timeGranularityNs(calls: FileCalls, descriptor: number): Promise<number> {
  const wanted = 1_700_000_001_987_654_321n
  await calls.setModified(descriptor, wanted)
  const { mtimeNs } = await calls.stat(descriptor)
  const step = granularitiesNs.find((granularity) => mtimeNs === wanted - (wanted % granularity))
  return Number(step ?? 2_000_000_000n)
}

/** Any identity will do: what is asked for needs no right. */
async function switches(files: Files): Promise<boolean> {
  return works(async () => {
    await files.as({ uid: 65_534, gid: 65_534, groups: [] }).space()
    return true
  })
}

async function openat2Fails(calls: FileCalls): Promise<boolean> {
  return calls.statPath('').then(
    () => false,
    (error: unknown) => isCode(error, 'ENOSYS', 'EPERM'),
  )
}

/** Only what a probe has made: a directory of such a name in a users' tree may hold anything by now. */
async function clear(calls: FileCalls, scratch: string): Promise<void> {
  for (const name of Object.values(scratchFiles).flat()) await calls.unlink(join(scratch, name))
  await calls.removeDirectory(scratch)
}

/** Scratch directories in `directory` of probes that were killed. One in use is not stale by its mtime. */
export async function findStaleProbes(
  calls: FileCalls,
  directory: string,
  isStale: (stat: Stat) => boolean,
): Promise<readonly string[]> {
  const stale: string[] = []
  const scan = await calls.scan(directory)
  for (let index = 0; index < scan.count; index++) {
    const path = join(directory, scan.name(index).toString('utf8'))
    if (scan.type(index) !== 'directory' || !isScratch(nameOf(path))) continue
    const stat = await calls.statPath(path)
    if (stat !== undefined && isStale(stat)) stale.push(path)
  }
  return stale
}

/** false: it holds something that no probe makes. */
export async function removeProbe(calls: FileCalls, path: string): Promise<boolean> {
  try {
    await clear(calls, path)
    return true
  } catch (error) {
    if (!isCode(error, 'ENOTEMPTY', 'EISDIR', 'EACCES', 'EPERM')) throw error
    return false
  }
}

/** A mount that refuses is one that cannot; a mount that is broken is not probed at all. */
async function works(attempt: () => Promise<boolean>): Promise<boolean> {
  try {
    return await attempt()
  } catch (error) {
    if (isCode(error, 'EIO', 'ESTALE', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ETIMEDOUT')) throw error
    if (error instanceof FileError) return false
    throw error
  }
}

const isCode = (error: unknown, ...codes: readonly string[]) => error instanceof FileError && codes.includes(error.code)
