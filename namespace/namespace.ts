/** The door of namespace/: everything that gateway/ may use of it. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { type Actor, actorOf, nobody, requireIdentity } from './actor.ts'
import { amendObject } from './amend-object.ts'
import { createBucket, listBuckets, mapBucket, removeBucket, unmapBucket } from './buckets.ts'
import { type Capabilities, probeCapabilities, readOnlyCapabilities } from './capabilities.ts'
import { checkTree, type Finding } from './check-tree.ts'
import { completeUpload } from './complete-upload.ts'
import { copyObject, type Source } from './copy-object.ts'
import { findDocument, readBucketDocuments, removeDocument, writeDocument } from './documents.ts'
import { NamespaceError } from './errors.ts'
import type { Expired } from './expire.ts'
import { isErrno, namespaceErrorOf } from './file-errors.ts'
import type { Files } from './files.ts'
import { requireFormat } from './format.ts'
import { type Announced, announce } from './gateways.ts'
import { requireKernelRights } from './kernel-rights.ts'
import { state } from './layout.ts'
import { listObjects } from './list-objects.ts'
import { listVersions } from './list-versions.ts'
import { mountFaults, readMountInfo } from './mount-options.ts'
import { type ObjectPath, objectPath, rootPath } from './object-path.ts'
import { openObject, statObject } from './open-object.ts'
import { openRoots, type RootOptions, type Roots } from './open-roots.ts'
import type { Kernel, Problem, Root } from './place.ts'
import { openPosixFiles } from './posix-files.ts'
import { putObject } from './put-object.ts'
import { copyPart, putPart } from './put-part.ts'
import { removeObject } from './remove-object.ts'
import { createScanCache } from './scan-cache.ts'
import { type Swept, sweep } from './sweep.ts'
import { bucketOf, type FindRecord, findRecord, openPlace, openTree, rootOf, type Tree } from './tree.ts'
import { lifecycle, upkeep } from './upkeep.ts'
import { abortUpload, beginUpload, listParts, listUploads, statUpload } from './uploads.ts'
import type { Bucket, Caller, Namespace, ObjectTarget } from './verbs.ts'

export { type Capabilities, probeCapabilities } from './capabilities.ts'
export type { Finding } from './check-tree.ts'
export { digestsOf } from './digests.ts'
export { type ErrorDetail, type NamespaceCode, NamespaceError } from './errors.ts'
export type { DigestName, Files, PosixIdentity } from './files.ts'
export {
  expiresAtMs,
  type LifecycleDocument,
  type LifecycleFilter,
  type LifecycleRule,
  realDayMs,
} from './lifecycle.ts'
export { isLinkedFile } from './linked-file.ts'
export { isKeptBySticky, type Permission } from './mode-bits.ts'
export {
  identityFaults,
  type MountFault,
  type MountInfo,
  mountFaults,
  publishRootAdvice,
  readMountInfo,
  usesAuthSys,
} from './mount-options.ts'
export type { ObjectPath, PathComponent } from './object-path.ts'
export { uidOfFileUser } from './object-stat.ts'
export type { RootTrouble } from './open-roots.ts'
export type { Kernel, Problem } from './place.ts'
export { askPermissions, type DecidedBy } from './posix-acl.ts'
export { openPosixFiles } from './posix-files.ts'
export type * from './verbs.ts'

export type NamespaceOptions = RootOptions & {
  /** The namespace root by another mount of the same export (nosharecache): what is published is renamed through it. */
  readonly publishRoot?: string | undefined
  /** Further roots that mapped buckets lie on. */
  readonly roots: readonly string[]
  /** `strict`: what is acknowledged survives the loss of power. */
  readonly durability: 'strict' | 'relaxed'
  /** 32 bytes: authenticates records of a fresh tree. */
  readonly recordKey: Buffer
  /** A tree made under one of them keeps it: each of its records is signed with it. */
  readonly formerRecordKeys?: readonly Buffer[]
  /** How many directories one key may need. */
  readonly directoriesMax: number
  readonly problems: (problem: Problem) => void
  /** Told of each file and directory that a listing leaves out because its reader may not see it. */
  readonly unlisted?: (() => void) | undefined
  /**
   * Whether a file of this uid that only file users have written is read although it has another name, a hard link. Default: none is, except with
   * `kernel`, where the file system says who may read it.
   */
  readonly mayBeLinked?: ((uid: number) => boolean) | undefined
  readonly lockTimeoutMs?: number
  /** One worker of each gateway tells the others of the tree about it. Default: nobody. */
  readonly announces?: boolean
  /** For tests: whether a paused machine loses its locks. Default: on file systems that are not of this machine. */
  readonly locksExpire?: boolean | undefined
  /** The file system decides as well what a caller may, by `posix` of theirs. Default: the service account owns all files, and makes all calls. */
  readonly kernel?: Kernel | undefined
}

export type OpenNamespace = {
  /** Of the keys given, the one that the records of this tree are signed with. */
  readonly recordKey: Buffer
  /**
   * undefined: anonymous. With `kernel` whoever has no `posix` is refused, AccessDenied. `forOneRequest`: a bucket's record is read once and holds as long as what is returned, so that what was
   * authorized is what is used, and a request costs one reading of it.
   */
  as(caller: Caller | undefined, options?: { readonly forOneRequest: boolean }): Namespace
  sweep(): Promise<Swept>
  /** Sweeps, unless a gateway of this tree does so now or has done so within `everyMs`: undefined. */
  upkeep(everyMs: number): Promise<Swept | undefined>
  /** Carries out the lifecycle rules of every bucket, unless … as above. `dayMs`: how long a day of theirs is. */
  lifecycle(options: { readonly everyMs: number; readonly dayMs: number }): Promise<Expired | undefined>
  check(options: { readonly repair: boolean; readonly bucket?: string | undefined }): AsyncGenerator<Finding>
  /**
   * The directories and the file that stand for an object, for who explains the file system's permissions; see object-path.ts. undefined: the
   * directory that new buckets are made in. Throws NoSuchBucket.
   */
  path(target: ObjectTarget | undefined): Promise<ObjectPath>
  /** Jobs of all mounts' pools; `hung`: calls that were given up and have not come back. */
  load(): { readonly queued: number; readonly running: number; readonly oldestMs: number; readonly hung: number }
  readonly troubles: Roots['troubles']
  close(): Promise<void>
}

/**
 * Throws NamespaceError with one sentence when the tree must not be served (format, master key) or cannot be written to, and FileError when
 * it, or one of the further roots, is not there. A further root whose server does not answer is waited for no longer than a call may take: its buckets
 * are SlowDown until it does.
 */
export async function openNamespace(options: NamespaceOptions): Promise<OpenNamespace> {
  if (options.kernel !== undefined) requireKernelRights()
  const roots = openRoots({ ...options, userThreads: options.kernel !== undefined })
  try {
    return await openOn(options, roots)
  } catch (error) {
    roots.close()
    throw error
  }
}

async function openOn(options: NamespaceOptions, opening: Roots): Promise<OpenNamespace> {
  const { open, awaited, troubles, hung } = opening
  const nonce = (): string => randomBytes(8).toString('hex')
  const flush = options.durability === 'strict'
  const main = await openMain(options, open(options.root, options.publishRoot), { flush, nonce })
  const { recordKey } = main
  const roots = [main.root]
  if (options.publishRoot !== undefined) await requireSameTree(options.root, options.publishRoot)
  roots.push(...(await openAll(options, opening, (late) => roots.push(late))))
  const tree = openTree(
    { roots, awaited },
    recordKey,
    {
      flush,
      directoriesMax: options.directoriesMax,
      lockTimeoutMs: options.lockTimeoutMs ?? 10_000,
      problems: options.problems,
      unlisted: options.unlisted ?? (() => undefined),
      mayBeLinked: options.mayBeLinked ?? (() => options.kernel !== undefined),
      now: Date.now,
      nonce,
    },
    options.kernel,
  )
  const announced = options.announces === true ? await announceOn(tree) : undefined
  return {
    recordKey,
    as: (caller, { forOneRequest } = { forOneRequest: false }) =>
      forOneRequest
        ? namespaceOf(tree, actorOf(tree.kernel, caller), remembering(tree), rememberingDocuments(tree))
        : namespaceOf(tree, actorOf(tree.kernel, caller), (name) => findRecord(tree, name), tree.readDocuments),
    sweep: () => sweep(tree),
    upkeep: (everyMs) => upkeep(tree, everyMs),
    lifecycle: (options) => lifecycle(tree, options),
    check: (what) => checkTree(tree, what),
    path: (target) => (target === undefined ? rootPath(main.root) : wayTo(tree, target)).catch(throwCoded),
    load: () => ({ ...loadOf(roots), hung: hung() }),
    troubles,
    async close() {
      // The tree may be gone by now, and its descriptors are to be closed all the same.
      await announced?.stop().catch(() => undefined)
      await tree.close()
      opening.close()
    },
  }
}

async function wayTo(tree: Tree, target: ObjectTarget): Promise<ObjectPath> {
  const place = await openPlace(tree, target.bucket, nobody, (name) => findRecord(tree, name))
  return objectPath(place, target)
}

function throwCoded(error: unknown): never {
  throw namespaceErrorOf(error)
}

/** Names that were published in another tree would be lost. */
async function requireSameTree(root: string, publishRoot: string): Promise<void> {
  const inodes = await Promise.all(
    [root, publishRoot].map(async (path) => {
      const files = openPosixFiles(path, { threads: 1 })
      const stat = await files.as(undefined).statPath(state.format)
      files.close()
      return stat?.inode
    }),
  )
  if (inodes[0] === inodes[1]) return
  const message = `publish_root '${publishRoot}' is not the same tree as '${root}'; mount the same export there once more, with nosharecache.`
  throw new NamespaceError('InvalidRequest', { message })
}

/** Throws InvalidRequest where this mount, or that of another gateway, must not be one of several. */
async function announceOn({ main, service, options }: Tree): Promise<Announced> {
  const mount = await readMountInfo(main.path === '' ? '/' : main.path)
  const faults = mount === undefined ? [] : mountFaults(mount)
  const self = {
    client: `${hostname()} ${mount?.device ?? 'unknown'}`,
    fault: faults.find(({ kind }) => kind !== 'advice')?.sentence,
  }
  const { flush, nonce } = options
  const problems = (message: string): void => options.problems({ kind: 'lease-not-renewed', message })
  return announce(service, self, { flush, nonce, problems })
}

/** Has to be written to. */
async function openMain(
  { root, recordKey, formerRecordKeys = [], locksExpire }: NamespaceOptions,
  files: Files,
  writing: { readonly flush: boolean; readonly nonce: () => string },
): Promise<{ readonly root: Root; readonly recordKey: Buffer }> {
  try {
    const ofTree = await requireFormat(files.as(undefined), [recordKey, ...formerRecordKeys], writing)
    return {
      root: rootAt(root, files, await probeCapabilities(files, state.directory), locksExpire),
      recordKey: ofTree,
    }
  } catch (error) {
    throw sayingWhichRoot(root, error)
  }
}

/** Those that answer, at once; the others one by one, when they do. */
async function openAll(
  { roots, locksExpire }: NamespaceOptions,
  { openFurther }: Roots,
  late: (root: Root) => void,
): Promise<readonly Root[]> {
  const opened = await Promise.allSettled(
    roots.map((path) => openFurther(path, (files) => probeFurther(path, files, locksExpire), late)),
  )
  return opened.flatMap((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value ?? []
  })
}

/** Need not. */
async function probeFurther(path: string, files: Files, locksExpire: boolean | undefined): Promise<Root> {
  const probed = await probeCapabilities(files, '').catch((error: unknown) => {
    if (isErrno(error, 'EROFS', 'EACCES', 'EPERM')) return undefined
    throw error
  })
  return rootAt(path, files, probed, locksExpire)
}

/** How far a server's clock may be behind this one; who is further off is refused as an S3 client, too. */
const serverBehindMs = 900_000

const rootAt = (path: string, files: Files, probed: Capabilities | undefined, locksExpire = !files.isLocal): Root => ({
  path: path.replace(/\/+$/, ''),
  files,
  capabilities: probed ?? readOnlyCapabilities,
  scans: createScanCache({ skewMs: files.isLocal ? 0 : serverBehindMs }),
  readOnly: probed === undefined,
  locksExpire,
})

function sayingWhichRoot(root: string, error: unknown): unknown {
  if (isErrno(error, 'EROFS')) {
    const message = `The namespace root '${root}' is mounted read-only, but the gateway has to write to it; only further roots may be so.`
    return new NamespaceError('ReadOnlyTree', { message }, error)
  }
  if (isErrno(error, 'EACCES', 'EPERM')) {
    const message = `This account may not read and write the namespace root '${root}' (${error.code} at '${error.path}'); give it the right, or choose another root.`
    return new NamespaceError('AccessDenied', { message }, error)
  }
  return error
}

function loadOf(roots: readonly Root[]): { queued: number; running: number; oldestMs: number } {
  const loads = roots.map((root) => root.files.load())
  return {
    queued: loads.reduce((sum, load) => sum + load.queued, 0),
    running: loads.reduce((sum, load) => sum + load.running, 0),
    oldestMs: Math.max(0, ...loads.map((load) => load.oldestMs)),
  }
}

/** Records found are kept; one that is not there may come. */
function remembering(tree: Tree): FindRecord {
  const found = new Map<string, Awaited<ReturnType<FindRecord>>>()
  return async (name) => {
    const record = found.get(name) ?? (await findRecord(tree, name))
    if (record !== undefined) found.set(name, record)
    return record
  }
}

/** What authorized the request is what its operation sees, and costs one look. Inside a key's lock versioning is read anew all the same (Place). */
function rememberingDocuments(tree: Tree): Tree['readDocuments'] {
  const found = new Map<string, ReturnType<Tree['readDocuments']>>()
  return (bucket) => {
    const documents = found.get(bucket) ?? tree.readDocuments(bucket)
    found.set(bucket, documents)
    return documents
  }
}

/** The verbs, bound to a caller. Every FileError that passes here becomes a code. */
function namespaceOf(tree: Tree, actor: Actor, find: FindRecord, readDocuments: Tree['readDocuments']): Namespace {
  const coded = <Result>(work: Promise<Result>): Promise<Result> =>
    work.catch((error: unknown) => {
      throw namespaceErrorOf(error, actor.posix)
    })
  /** What only somebody may do whom the file system knows. */
  const known = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    requireIdentity(tree.kernel, actor)
    return work()
  }
  const at = (bucket: string): ReturnType<typeof openPlace> => known(() => openPlace(tree, bucket, actor, find))
  const side = async ({ bucket, key, versionId }: ObjectTarget): Promise<Source> => ({
    place: await at(bucket),
    key,
    versionId,
  })
  return {
    buckets: {
      create: (name, documents) => coded(known(() => createBucket(tree, name, actor, documents))),
      read: (name) => coded(readBucket(tree, name, find)),
      find: (name) => coded(findBucket(tree, name, find)),
      remove: (name) => coded(known(() => removeBucket(tree, name, actor))),
      list: () => coded(listBuckets(tree)),
      map: (name, directory, owner, documents) => coded(mapBucket(tree, name, directory, owner, documents)),
      unmap: (name) => coded(unmapBucket(tree, name)),
    },
    objects: {
      put: ({ bucket, key }, description, body, { precondition }) =>
        coded(at(bucket).then((place) => putObject(place, key, description, body, precondition))),
      open: ({ bucket, key, versionId }) => coded(at(bucket).then((place) => openObject(place, key, versionId))),
      stat: ({ bucket, key, versionId }) => coded(at(bucket).then((place) => statObject(place, key, versionId))),
      remove: ({ bucket, key, versionId }, options) =>
        coded(at(bucket).then((place) => removeObject(place, key, versionId, options))),
      amend: ({ bucket, key, versionId }, change) =>
        coded(at(bucket).then((place) => amendObject(place, key, versionId, change))),
      copy: (source, target, options) =>
        coded(Promise.all([side(source), side(target)]).then(([from, to]) => copyObject(from, to, options))),
      list: (query) => coded(at(query.bucket).then((place) => listObjects(place, query))),
      listVersions: (query) => coded(at(query.bucket).then((place) => listVersions(place, query))),
    },
    uploads: {
      begin: ({ bucket, key }, description, checksum) =>
        coded(at(bucket).then((place) => beginUpload(place, key, description, checksum))),
      stat: ({ bucket, key, uploadId }) => coded(at(bucket).then((place) => statUpload(place, key, uploadId))),
      putPart: ({ bucket, key, uploadId }, partNumber, body) =>
        coded(at(bucket).then((place) => putPart(place, { key, uploadId, partNumber }, body))),
      copyPart: (source, { bucket, key, uploadId }, partNumber, { select }) =>
        coded(
          Promise.all([side(source), at(bucket)]).then(([from, place]) =>
            copyPart(from, place, { key, uploadId, partNumber }, select),
          ),
        ),
      complete: ({ bucket, key, uploadId }, parts, options) =>
        coded(at(bucket).then((place) => completeUpload(place, key, uploadId, parts, options))),
      abort: ({ bucket, key, uploadId }) => coded(at(bucket).then((place) => abortUpload(place, key, uploadId))),
      listParts: ({ bucket, key, uploadId }, page) =>
        coded(at(bucket).then((place) => listParts(place, key, uploadId, page))),
      list: (bucket, prefix) => coded(at(bucket).then((place) => listUploads(place, prefix))),
    },
    documents: {
      find: (bucket, name) => coded(findDocument({ find, readDocuments }, bucket, name)),
      read: (bucket) => coded(readBucketDocuments({ find, readDocuments }, bucket)),
      write: (bucket, name, value) => coded(known(() => writeDocument(tree, bucket, name, value))),
      remove: (bucket, name) => coded(known(() => removeDocument(tree, bucket, name))),
    },
  }
}

async function findBucket(tree: Tree, name: string, find: FindRecord): Promise<Bucket | undefined> {
  const record = await find(name)
  return record && bucketOf(record, rootOf(tree, record))
}

async function readBucket(tree: Tree, name: string, find: FindRecord): Promise<Bucket> {
  const bucket = await findBucket(tree, name, find)
  if (bucket === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
  return bucket
}
