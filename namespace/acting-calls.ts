/**
 * Which identity makes which call, where the file system decides as well (enforcement `kernel`, design section 6). With `service` all of them are
 * the service's.
 *
 *     names and bytes in a bucket's tree                  whoever asks: the kernel says what they may
 *     `.s3` of a bucket, `.causeway`                      the service, which owns them, mode 0700
 *     looks by the gateway itself in a bucket's tree      the service (CAP_DAC_READ_SEARCH); where a server knows no capabilities the owner of each
 *                                                         directory on the way, and of the file (native/README.md), else whoever asks
 *     a link from the tree into `.s3`, and back           each end by whom it belongs to, the name of the file by the service (CAP_FOWNER):
 *                                                         a version, also of somebody else's file, is kept by whoever may replace it
 *     a link inside the tree                              whoever asks at both ends, the name as above: a file that stepped aside goes back
 *     taking away the gateway's own temporaries, `.s3-…`  whoever asks, else the owner of the file, else that of its directory; so also a new name
 *                                                         beside the old one, or out of a directory of the gateway's
 *     what is asked of an open file                       whoever has opened it
 *     a record on a version in `.s3`                      the service where the file is its own, else whoever asks
 *
 * Who asks is the user of the access key; `anonymous` for requests without one; the bucket's owner for lifecycle rules; nobody for upkeep, which
 * changes only temporaries. Parts of an upload by another user than the one who began it lie in `.s3` until the upload is completed; the object is
 * then a file of whoever completes it, unless all parts came from the one who began it.
 */
import { isErrno } from './file-errors.ts'
import { type Descriptor, type FileCalls, FileError, type Files, type PosixIdentity, type Stat } from './files.ts'
import { parentOf } from './layout.ts'

/** `calls`: of whoever asks. `service`: the gateway's own. They differ in who looks; who changes what is a matter of the path. */
export type ActingCalls = { readonly calls: FileCalls; readonly service: FileCalls }

export type ActingOptions = {
  /** Of whoever asks; undefined: nobody does. */
  readonly identity: PosixIdentity | undefined
  /** Whether a path is in the service's own directories. */
  readonly isOwn: (path: string) => boolean
}

export function actingCalls(files: Files, { identity, isOwn }: ActingOptions): ActingCalls {
  const service = files.as(undefined)
  const asker = identity && files.as(identity)
  const openers = openersOf(files)
  const changing = changes(files, { identity, isOwn }, openers)
  const calls: FileCalls = {
    ...looks(asker ?? service, openers),
    ...changing,
    // A directory that may be written to and not be read cannot be flushed by its user.
    flushDirectory: (path) => firstOf([asker, service], (each) => each.flushDirectory(path)),
  }
  // Where a server does not let the service look, whoever asks does.
  const looking = <Answer>(path: string, look: (each: FileCalls) => Promise<Answer>): Promise<Answer> =>
    firstOf([service, isOwn(path) ? undefined : asker], look)
  const own = looks(service, openers)
  /** A version in `.s3` may be a file of a user's: never by what its mode gives the service as one of all others. */
  const writerOf = async (descriptor: Descriptor): Promise<FileCalls> =>
    (await service.stat(descriptor)).uid === process.geteuid?.() ? service : (asker ?? service)
  return {
    calls,
    service: {
      ...own,
      ...changing,
      find: (path, want) => looking(path, (each) => looks(each, openers).find(path, want)),
      open: (path, how) => looking(path, (each) => opened(openers, each, each.open(path, how))),
      statPath: (path) => looking(path, (each) => each.statPath(path)),
      scan: (path, atMost) => looking(path, (each) => each.scan(path, atMost)),
      flushDirectory: (path) => looking(path, (each) => each.flushDirectory(path)),
      writeAttribute: async (descriptor, name, value) =>
        (await writerOf(descriptor)).writeAttribute(descriptor, name, value),
      removeAttribute: async (descriptor, name) => (await writerOf(descriptor)).removeAttribute(descriptor, name),
    },
  }
}

/** Of the owner of a file, for what the gateway itself notes on it; undefined: root's. */
export const ownersCalls = (files: Files, { uid, gid }: Stat): FileCalls | undefined =>
  uid === 0 ? undefined : files.as({ uid, gid, groups: [] })

/** The answer of the first who may. */
async function firstOf<Answer>(
  askers: readonly (FileCalls | undefined)[],
  call: (calls: FileCalls) => Promise<Answer>,
): Promise<Answer> {
  const [first, ...rest] = askers.filter((each) => each !== undefined)
  if (first === undefined) throw new Error('somebody asks')
  try {
    return await call(first)
  } catch (error) {
    if (rest.length === 0 || !isErrno(error, 'EACCES', 'EPERM')) throw error
    return firstOf(rest, call)
  }
}

/** A name in a bucket's tree that only the gateway makes, or what lies in a directory of such a name. */
const isTemporary = (path: string): boolean => /(^|\/)\.s3-/.test(path)

/** Nobody asks: whatever is somebody's stays as it is. */
const refusing: FileCalls = new Proxy({} as FileCalls, {
  get: (_target, name) => (path: unknown) => Promise.reject(new FileError('EACCES', String(name), String(path))),
})

type Changes = Pick<
  FileCalls,
  'create' | 'makeDirectory' | 'removeDirectory' | 'unlink' | 'rename' | 'link' | 'publish' | 'mayWriteIn'
>

function changes(files: Files, { identity, isOwn }: ActingOptions, openers: Openers): Changes {
  const service = files.as(undefined)
  const asker = identity === undefined ? refusing : files.as(identity)
  const at = (path: string): FileCalls => (isOwn(path) ? service : asker)
  const ownerOf = async (path: string): Promise<FileCalls | undefined> => {
    const stat = await service.statPath(path)
    return stat && ownersCalls(files, stat)
  }
  /** A change to what nobody but the gateway has made. */
  const ofTemporary = async <Answer>(path: string, call: (calls: FileCalls) => Promise<Answer>): Promise<Answer> =>
    firstOf([asker, await ownerOf(path), await ownerOf(parentOf(path))], call)
  const isTheirs = (path: string): boolean => isTemporary(path) && !isOwn(path)

  return {
    create: (path, mode, exclusive) => opened(openers, at(path), at(path).create(path, mode, exclusive)),
    makeDirectory: (path, mode) => at(path).makeDirectory(path, mode),
    publish: (descriptor, temporary, target, steps) => at(target).publish(descriptor, temporary, target, steps),
    mayWriteIn: (directory) => at(directory).mayWriteIn(directory),
    async removeDirectory(path) {
      if (isTheirs(path)) return ofTemporary(path, (calls) => calls.removeDirectory(path))
      return at(path).removeDirectory(path)
    },
    async unlink(path) {
      if (isTheirs(path)) return ofTemporary(path, (calls) => calls.unlink(path))
      return at(path).unlink(path)
    },
    async rename(source, target) {
      // Into a directory of the gateway's own making only as whoever asks: what lies in another user's cannot be published by this one.
      const isInto = isTemporary(parentOf(target)) && parentOf(target) !== parentOf(source)
      if (isTheirs(source) && isTheirs(target) && !isInto)
        return ofTemporary(source, (calls) => calls.rename(source, target))
      return at(source).rename(source, target)
    },
    async link(source, target) {
      if (isOwn(source) && isOwn(target)) return service.link(source, target)
      // Upkeep puts back what a removal that was cut off had taken aside.
      if (identity === undefined && isTheirs(source)) return ((await ownerOf(source)) ?? refusing).link(source, target)
      if (identity === undefined) return refusing.link(source, target)
      // What another user's writer has taken aside is not for this one to find.
      const finder = isOwn(source) || isTemporary(source) ? undefined : identity
      return files.linkAcross(
        { path: source, identity: finder },
        { path: target, identity: isOwn(target) ? undefined : identity },
      )
    },
  }
}

/** Who has opened what: a server asks at each call. */
type Openers = Map<Descriptor, FileCalls>

const known = new WeakMap<Files, Openers>()

function openersOf(files: Files): Openers {
  const openers = known.get(files) ?? new Map()
  known.set(files, openers)
  return openers
}

async function opened(openers: Openers, calls: FileCalls, opening: Promise<Descriptor>): Promise<Descriptor> {
  const descriptor = await opening
  openers.set(descriptor, calls)
  return descriptor
}

/** All that changes no name, by path as `looker`, on a descriptor as whoever has opened it. */
function looks(looker: FileCalls, openers: Openers): Omit<FileCalls, keyof Changes> {
  const of = (descriptor: Descriptor): FileCalls => openers.get(descriptor) ?? looker
  return {
    async find(path, want) {
      const found = await looker.find(path, want)
      if (found?.descriptor !== undefined) openers.set(found.descriptor, looker)
      return found
    },
    open: (path, how) => opened(openers, looker, looker.open(path, how)),
    statPath: (path) => looker.statPath(path),
    scan: (path, atMost) => looker.scan(path, atMost),
    statMany: (directory, names, attribute) => looker.statMany(directory, names, attribute),
    flushDirectory: (path) => looker.flushDirectory(path),
    space: () => looker.space(),
    close(descriptor) {
      const calls = of(descriptor)
      openers.delete(descriptor)
      return calls.close(descriptor)
    },
    stat: (descriptor) => of(descriptor).stat(descriptor),
    read: (descriptor, into, position) => of(descriptor).read(descriptor, into, position),
    write: (descriptor, chunk, position, hasher) => of(descriptor).write(descriptor, chunk, position, hasher),
    hashRange: (descriptor, offset, length, hasher) => of(descriptor).hashRange(descriptor, offset, length, hasher),
    truncate: (descriptor, size) => of(descriptor).truncate(descriptor, size),
    setModified: (descriptor, mtimeNs) => of(descriptor).setModified(descriptor, mtimeNs),
    // The one question about an open file that is not its opener's.
    may: (descriptor, want) => looker.may(descriptor, want),
    setMode: (descriptor, mode) => of(descriptor).setMode(descriptor, mode),
    flush: (descriptor) => of(descriptor).flush(descriptor),
    readAttribute: (descriptor, name) => of(descriptor).readAttribute(descriptor, name),
    writeAttribute: (descriptor, name, value) => of(descriptor).writeAttribute(descriptor, name, value),
    removeAttribute: (descriptor, name) => of(descriptor).removeAttribute(descriptor, name),
    lock: (descriptor, offset, mode) => of(descriptor).lock(descriptor, offset, mode),
    clone: (source, target) => of(target).clone(source, target),
    copyRange: (source, sourceOffset, target, targetOffset, length) =>
      of(target).copyRange(source, sourceOffset, target, targetOffset, length),
    sendFile: (socket, descriptor, offset, length) => of(descriptor).sendFile(socket, descriptor, offset, length),
  }
}
