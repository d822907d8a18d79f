import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NamespaceError } from '../errors.ts'
import { type NamespaceOptions, type OpenNamespace, openNamespace, type Problem } from '../namespace.ts'
import type { Body, Caller, Description, Namespace } from '../verbs.ts'

/** Where test trees lie: a temporary directory, or the mount that NAMESPACE_ROOT names. */
export const makeDirectory = (): Promise<string> => mkdtemp(join(process.env.NAMESPACE_ROOT ?? tmpdir(), 'causeway-'))

/** With all in it. On NFS, what is removed while a process has it open stays until it is closed, some milliseconds after a kill, or longer on a busy machine. */
export async function removeDirectory(directory: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await rm(directory, { recursive: true, force: true })
    } catch (error) {
      if (tries === 100) throw error
      await sleep(100)
    }
  }
}

export const alice: Caller = { canonicalId: 'a'.repeat(64), displayName: 'alice' }
export const bob: Caller = { canonicalId: 'b'.repeat(64), displayName: 'bob' }
const recordKey = Buffer.alloc(32, 7)

export type Fixture = {
  readonly directory: string
  readonly open: OpenNamespace
  readonly namespace: Namespace
  readonly problems: Problem[]
  /** A second worker over the same tree. */
  another(options?: Partial<NamespaceOptions>): Promise<OpenNamespace>
  /** A worker that shall crash: what it held is closed by then, so nobody closes it. */
  victim(options: Partial<NamespaceOptions>): Promise<OpenNamespace>
  close(): Promise<void>
}

/** A namespace over a tree of its own, removed with it. */
export async function openFixture(options: Partial<NamespaceOptions> = {}): Promise<Fixture> {
  const directory = options.root ?? (await makeDirectory())
  const problems: Problem[] = []
  const others: OpenNamespace[] = []
  const start = (more: Partial<NamespaceOptions>): Promise<OpenNamespace> =>
    openNamespace({
      root: directory,
      roots: [],
      durability: 'relaxed',
      recordKey,
      threads: 2,
      directoriesMax: 1024,
      problems: (problem) => problems.push(problem),
      ...options,
      ...more,
    })
  const open = await start({})
  return {
    directory,
    open,
    namespace: open.as(alice),
    problems,
    async another(more = {}) {
      const other = await start(more)
      others.push(other)
      return other
    },
    victim: start,
    async close() {
      for (const each of [open, ...others]) await each.close()
      await removeDirectory(directory)
    },
  }
}

/** A fixture with the bucket `docs`. */
export type DocsFixture = Fixture & {
  /** Absolute path of what lies in the bucket's directory. */
  inBucket(...path: readonly string[]): string
  /** Temporaries anywhere in the bucket, and what a pending upload keeps. */
  leftOvers(): Promise<string[]>
}

export async function openDocs(options: Partial<NamespaceOptions> = {}): Promise<DocsFixture> {
  const fixture = await openFixture(options)
  await fixture.namespace.buckets.create('docs')
  const inBucket = (...path: readonly string[]): string => join(fixture.directory, 'docs', ...path)
  return {
    ...fixture,
    inBucket,
    leftOvers: async () =>
      (await readdir(inBucket(), { recursive: true })).filter((name) =>
        /(^|\/)\.s3-|\/(data|claim|done|part|slots)\./.test(name),
      ),
  }
}

/** The S3 code with which it was refused; undefined: it was not. */
export const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof NamespaceError ? error.code : String(error)),
  )

export const plain: Description = { headers: { 'content-type': 'text/plain' }, metadata: {} }

/** A body of known bytes in chunks, with a CRC64NVME kept as AWS does. */
export function bodyOf(content: string | Buffer, chunkBytes = 64 * 1024): Body {
  const bytes = Buffer.from(content)
  return {
    bytes: chunks(bytes, chunkBytes),
    sizeBytes: bytes.length,
    digests: ['CRC64NVME'],
    verify: ({ digests }) =>
      digests.CRC64NVME && {
        algorithm: 'CRC64NVME',
        type: 'FULL_OBJECT',
        value: digests.CRC64NVME.toString('base64'),
      },
  }
}

async function* chunks(bytes: Buffer, chunkBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

export const put = (
  namespace: Namespace,
  bucket: string,
  key: string,
  content: string | Buffer,
  description: Description = plain,
): ReturnType<Namespace['objects']['put']> => namespace.objects.put({ bucket, key }, description, bodyOf(content), {})

export async function get(namespace: Namespace, bucket: string, key: string): Promise<string> {
  const object = await namespace.objects.open({ bucket, key })
  try {
    const pieces: Buffer[] = []
    for await (const piece of object.read(0, object.stat.sizeBytes)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces).toString('utf8')
  } finally {
    await object.close()
  }
}

/** Keys and prefixes of all pages. */
export async function listAll(
  namespace: Namespace,
  bucket: string,
  query: { prefix?: string; delimiter?: string; max?: number } = {},
): Promise<string[]> {
  const names: string[] = []
  let after = ''
  for (;;) {
    const page = await namespace.objects.list({ bucket, prefix: '', delimiter: '', max: 1000, after, ...query })
    names.push(...page.entries.map((entry) => ('prefix' in entry ? entry.prefix : entry.object.key)))
    if (!page.truncated || page.next === undefined) return names
    after = page.next
  }
}
