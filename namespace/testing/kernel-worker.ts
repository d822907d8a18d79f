/**
 * A process that is what the gateway is with enforcement `kernel`: started by kernel-tree.ts with a tree, it does what it is told by messages, each
 * in somebody's name.
 */
import { NamespaceError } from '../errors.ts'
import { FileError, type PosixIdentity } from '../files.ts'
import { openNamespace, openPosixFiles } from '../namespace.ts'
import type { PosixFilesOptions } from '../posix-files.ts'
import type { Namespace } from '../verbs.ts'
import { bodyOf, get, listAll, plain, put } from './fixture.ts'

/** `who` undefined: a request without an access key. */
export type Ask = {
  readonly id: number
  readonly who: Who | undefined
  readonly work: keyof typeof works
  readonly input: readonly string[]
}
export type Who = { readonly name: string; readonly posix?: PosixIdentity | undefined }
export type Answer = {
  readonly id: number
  readonly value?: unknown
  readonly code?: string
  readonly message?: string
}

const versionOf = (versionId: string | undefined) => (versionId === undefined ? {} : { versionId })

const works = {
  createBucket: (as: Namespace, bucket = '') => as.buckets.create(bucket),
  removeBucket: (as: Namespace, bucket = '') => as.buckets.remove(bucket),
  version: (as: Namespace, bucket = '', status = '') => as.documents.write(bucket, 'versioning', { status }),
  expire: (as: Namespace, bucket = '', document = '') => as.documents.write(bucket, 'lifecycle', JSON.parse(document)),
  put: async (as: Namespace, bucket = '', key = '', text = '') => (await put(as, bucket, key, text)).stat,
  get: (as: Namespace, bucket = '', key = '') => get(as, bucket, key),
  async getVersion(as: Namespace, bucket = '', key = '', versionId = '') {
    const object = await as.objects.open({ bucket, key, versionId })
    const pieces: Uint8Array[] = []
    for await (const piece of object.read(0, object.stat.sizeBytes)) pieces.push(Buffer.from(piece))
    await object.close()
    return Buffer.concat(pieces).toString()
  },
  statVersion: (as: Namespace, bucket = '', key = '', versionId = '') => as.objects.stat({ bucket, key, versionId }),
  stat: (as: Namespace, bucket = '', key = '') => as.objects.stat({ bucket, key }),
  remove: (as: Namespace, bucket = '', key = '', versionId?: string) =>
    as.objects.remove({ bucket, key, ...versionOf(versionId) }, {}),
  tag: (as: Namespace, bucket = '', key = '', value = '', versionId?: string) =>
    as.objects.amend({ bucket, key, ...versionOf(versionId) }, (stat) => ({
      ...stat,
      tags: [{ key: 'colour', value }],
    })),
  /** With more tags than an attribute has room for. */
  label: (as: Namespace, bucket = '', key = '') =>
    as.objects.amend({ bucket, key }, (stat) => ({
      ...stat,
      tags: Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`.padEnd(128, 'x'), value: 'v'.repeat(256) })),
    })),
  hold: (as: Namespace, bucket = '', key = '') =>
    as.objects.amend({ bucket, key }, (stat) => ({ ...stat, legalHold: true })),
  copy: (as: Namespace, bucket = '', key = '', target = '') =>
    as.objects.copy({ bucket, key }, { bucket, key: target }, { describe: () => plain }),
  list: (as: Namespace, bucket = '') => listAll(as, bucket),
  async versions(as: Namespace, bucket = '') {
    const query = { prefix: '', delimiter: '', max: 1000, keyMarker: '', versionIdMarker: undefined }
    const { entries } = await as.objects.listVersions({ bucket, ...query })
    return entries.flatMap((entry) => ('prefix' in entry ? [] : [`${entry.key} ${entry.versionId}`]))
  },
  async begin(as: Namespace, bucket = '', key = '') {
    return (await as.uploads.begin({ bucket, key }, plain, undefined)).uploadId
  },
  async putPart(as: Namespace, bucket = '', key = '', uploadId = '', number = '', text = '', times = '1') {
    const body = bodyOf(text.repeat(Number(times)), 2 ** 20)
    return (await as.uploads.putPart({ bucket, key, uploadId }, Number(number), body)).eTag
  },
  async complete(as: Namespace, bucket = '', key = '', uploadId = '', ...eTags: readonly string[]) {
    const parts = eTags.map((eTag, index) => ({ partNumber: index + 1, eTag, checksums: {} }))
    return as.uploads.complete({ bucket, key, uploadId }, parts, {})
  },
  abort: (as: Namespace, bucket = '', key = '', uploadId = '') => as.uploads.abort({ bucket, key, uploadId }),
}

const [root = '', owners = '{}', on = ''] = process.argv.slice(2)
const openFiles = (path: string, options: PosixFilesOptions) =>
  openPosixFiles(path, { ...options, byUid: on === 'as on NFS' })
const posixOf: Readonly<Record<string, PosixIdentity>> = JSON.parse(owners)
process.umask(0o027)
const problems: string[] = []
let unlisted = 0
const open = await openNamespace({
  root,
  roots: [],
  durability: 'relaxed',
  recordKey: Buffer.alloc(32, 7),
  threads: 4,
  ...(on === 'as on NFS' && { locksExpire: true }),
  openFiles,
  directoriesMax: 1024,
  problems: (problem) => problems.push(JSON.stringify(problem)),
  unlisted: () => {
    unlisted += 1
  },
  kernel: {
    anonymous: { uid: 65_534, gid: 65_534, groups: [] },
    posixOf: async ({ displayName }) => posixOf[displayName],
    directoryMode: 0o750,
  },
})

const caller = ({ name, posix }: Who) => ({ canonicalId: name.padEnd(64, '0'), displayName: name, posix })

async function answer({ work, who, input }: Ask): Promise<unknown> {
  if (work in upkeep) return upkeep[work as keyof typeof upkeep]()
  const run: (as: Namespace, ...input: readonly string[]) => Promise<unknown> = works[work]
  return run(open.as(who && caller(who)), ...input)
}

const upkeep = {
  sweep: () => open.sweep(),
  lifecycle: () => open.lifecycle({ everyMs: 0, dayMs: 1 }),
  problems: async () => problems.splice(0),
  rights: async () => process.getuid?.(),
  unlisted: async () => unlisted,
  trespass,
}

/** What becomes of the service's own calls in the directory and at the file of a user: an errno, or `done`. */
async function trespass(): Promise<Readonly<Record<string, string>>> {
  const files = openFiles(root, { threads: 1, userThreads: true })
  const service = files.as(undefined)
  const calls = {
    see: () => service.open('docs/a/b/note', 'read'),
    list: () => service.scan('docs/a'),
    write: () => service.open('docs/a/b/note', 'write'),
    create: () => service.create('docs/a/new', 0o666, true),
    makeDirectory: () => service.makeDirectory('docs/a/new', 0o777),
    rename: () => service.rename('docs/a/b/note', 'docs/a/note'),
    link: () => service.link('docs/a/b/note', 'docs/a/note'),
    unlink: () => service.unlink('docs/a/b/note'),
    async note() {
      const descriptor = await service.open('docs/a/b/note', 'read')
      await service.writeAttribute(descriptor, 'user.causeway', Buffer.from('x'))
    },
  }
  const outcomes: Record<string, string> = {}
  for (const [name, call] of Object.entries(calls))
    outcomes[name] = await call().then(
      () => 'done',
      (error: unknown) => (error instanceof FileError ? error.code : String(error)),
    )
  files.close()
  return outcomes
}

process.on('message', (ask: Ask) => {
  answer(ask).then(
    (value) =>
      process.send?.({ id: ask.id, value: JSON.parse(JSON.stringify(value ?? null, plainly)) } satisfies Answer),
    (error: unknown) => {
      const code = error instanceof NamespaceError ? error.code : String(error)
      const message = error instanceof NamespaceError ? error.detail.message : undefined
      process.send?.({ id: ask.id, code, ...(message && { message }) } satisfies Answer)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.({ id: 0 } satisfies Answer)

function plainly(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
