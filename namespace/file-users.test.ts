/**
 * What S3 clients are told of files that people write without S3: one row for each thing that a file user may do, as README.md, "People
 * who work on the files", promises it.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import {
  appendFile,
  chmod,
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { bodyOf, codeOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'
import type { Namespace, ObjectStat, Precondition } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace
const path = (...names: readonly string[]) => fixture.inBucket(...names)

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const described = { ...plain, metadata: { colour: 'red' } }
const statOf = (key: string) => namespace.objects.stat({ bucket: 'docs', key })
const failed = () => new NamespaceError('ConditionalRequestConflict')
const ifMatch =
  (eTag: string): Precondition =>
  (current) => {
    if (current?.eTag !== eTag) throw failed()
  }

/** In place: the same file, the same inode. */
async function rewrite(file: string, bytes: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY)
  await handle.write(bytes, 0)
  await handle.close()
}

type Row = {
  readonly does: string
  readonly act: () => Promise<unknown>
  /** Bytes under `k`, and under `other`; undefined: no object. */
  readonly k: string | undefined
  readonly other?: string
  /** Whether what S3 knew of the content (ETag, checksum) and of the object (metadata) is still told of `k`. */
  readonly content: boolean
  readonly metadata: boolean
}

const rows: readonly Row[] = [
  { does: 'nothing', act: async () => undefined, k: 'written over S3', content: true, metadata: true },
  {
    does: 'rewrites it in place, with as many bytes',
    act: () => rewrite(path('k'), 'WRITTEN over S3'),
    k: 'WRITTEN over S3',
    content: false,
    metadata: true,
  },
  {
    does: 'rewrites it with an editor that truncates',
    act: () => writeFile(path('k'), 'new'),
    k: 'new',
    content: false,
    metadata: true,
  },
  { does: 'truncates it', act: () => truncate(path('k'), 7), k: 'written', content: false, metadata: true },
  {
    does: 'appends to it',
    act: () => appendFile(path('k'), ' and NFS'),
    k: 'written over S3 and NFS',
    content: false,
    metadata: true,
  },
  {
    does: 'saves it by a new file and rename',
    act: () => writeFile(path('.k.swp'), 'saved').then(() => rename(path('.k.swp'), path('k'))),
    k: 'saved',
    content: false,
    metadata: false,
  },
  {
    does: 'renames it',
    act: () => rename(path('k'), path('other')),
    k: undefined,
    other: 'written over S3',
    content: true,
    metadata: true,
  },
  {
    does: 'links it to another name',
    act: () => link(path('k'), path('other')),
    k: 'written over S3',
    other: 'written over S3',
    content: true,
    metadata: true,
  },
  {
    does: 'copies it',
    act: () => copyFile(path('k'), path('other')),
    k: 'written over S3',
    other: 'written over S3',
    content: true,
    metadata: true,
  },
  {
    does: 'makes it read-only',
    act: () => chmod(path('k'), 0o444),
    k: 'written over S3',
    content: true,
    metadata: true,
  },
  { does: 'deletes it', act: () => unlink(path('k')), k: undefined, content: false, metadata: false },
]

describe('when a file user', () => {
  test.each(rows)('$does, every call says the same of it', async ({ act, k, other, content, metadata }) => {
    const { stat: before } = await put(namespace, 'docs', 'k', 'written over S3', described)
    await act()
    const keys = [...(k === undefined ? [] : ['k']), ...(other === undefined ? [] : ['other'])]
    expect((await listAll(namespace, 'docs')).filter((key) => !key.startsWith('.'))).toEqual(keys)
    if (other !== undefined) expect(await get(namespace, 'docs', 'other')).toBe(other)
    if (k === undefined) {
      expect(await codeOf(statOf('k'))).toBe('NoSuchKey')
      expect(await codeOf(get(namespace, 'docs', 'k'))).toBe('NoSuchKey')
      return
    }
    const now = await statOf('k')
    expect(await get(namespace, 'docs', 'k')).toBe(k)
    expect(now.sizeBytes).toBe(k.length)
    expect({ content: now.eTag === before.eTag, checksum: now.checksum !== undefined }).toEqual({
      content,
      checksum: content,
    })
    expect(now.metadata).toEqual(metadata ? described.metadata : {})
    expect(await listed('k')).toMatchObject({ eTag: now.eTag, sizeBytes: now.sizeBytes })
    await expectConditions(before, now)
    await expectCopies(k)
  })
})

const listed = async (key: string): Promise<ObjectStat | undefined> => {
  const page = await namespace.objects.list({ bucket: 'docs', prefix: key, delimiter: '', max: 1, after: '' })
  const [entry] = page.entries
  return entry !== undefined && 'object' in entry ? entry.object : undefined
}

/** An NFS write in between makes If-Match of the old ETag fail, and that of the new one hold. */
async function expectConditions(before: ObjectStat, now: ObjectStat): Promise<void> {
  const at = { bucket: 'docs', key: 'k' }
  const old = namespace.objects.put(at, plain, bodyOf('x'), { precondition: ifMatch(`not ${now.eTag}`) })
  expect(await codeOf(old)).toBe('ConditionalRequestConflict')
  if (before.eTag !== now.eTag)
    expect(await codeOf(namespace.objects.remove(at, { precondition: ifMatch(before.eTag) }))).toBe(
      'ConditionalRequestConflict',
    )
  expect(
    await codeOf(namespace.objects.copy(at, { ...at, key: 'conditional' }, { describe: () => plain })),
  ).toBeUndefined()
}

async function expectCopies(bytes: string): Promise<void> {
  const at = { bucket: 'docs', key: 'k' }
  await namespace.objects.copy(at, { ...at, key: 'copied' }, { describe: () => plain })
  expect(await get(namespace, 'docs', 'copied')).toBe(bytes)
  const target = { ...at, key: 'assembled' }
  const upload = { ...target, uploadId: (await namespace.uploads.begin(target, plain, undefined)).uploadId }
  const part = await namespace.uploads.copyPart(at, upload, 1, {
    select: ({ sizeBytes }) => ({ offset: 0, lengthBytes: sizeBytes }),
  })
  await namespace.uploads.complete(upload, [{ partNumber: 1, eTag: part.eTag, checksums: {} }], {})
  expect(await get(namespace, 'docs', 'assembled')).toBe(bytes)
  // Overwritten and deleted as any other; a mode of the file keeps nobody, its directory decides.
  await put(namespace, 'docs', 'k', 'over it')
  expect(await get(namespace, 'docs', 'k')).toBe('over it')
  expect(await namespace.objects.remove(at, {})).toMatchObject({ changed: true })
}

test('names that are no keys, and what NFS leaves of a file that is open, are not listed, served or removed', async () => {
  await put(namespace, 'docs', 'k', 'bytes')
  await writeFile(Buffer.concat([Buffer.from(path('latin-')), Buffer.from([0xe9])]), 'not UTF-8')
  await writeFile(path('.nfs000000000012345'), 'removed while it was open')
  await promisify(execFile)('mkfifo', [path('fifo')])
  expect(await listAll(namespace, 'docs')).toEqual(['k'])
  for (const key of ['fifo', 'latin-\u00e9', '.nfs000000000012345']) expect(await codeOf(statOf(key))).toBe('NoSuchKey')
  // The key of that name is another file.
  await put(namespace, 'docs', '.nfs000000000012345', 'a key like any other')
  expect(await get(namespace, 'docs', '.nfs000000000012345')).toBe('a key like any other')
  // A DELETE leaves what is no object alone, a PUT takes its place.
  expect(await namespace.objects.remove({ bucket: 'docs', key: 'fifo' }, {})).toMatchObject({ changed: false })
  expect(await readdir(path())).toContain('fifo')
  await put(namespace, 'docs', 'fifo', 'bytes now')
  expect(await get(namespace, 'docs', 'fifo')).toBe('bytes now')
})

test.skipIf(process.getuid?.() !== 0)(
  'a file system mounted inside the bucket holds keys like any other directory',
  async () => {
    await mkdir(path('mounted'))
    const script = new URL('testing/mount-inside.ts', import.meta.url).pathname
    const { stdout } = await promisify(execFile)('unshare', [
      '--mount',
      process.execPath,
      script,
      fixture.directory,
      path('mounted'),
    ])
    expect(JSON.parse(stdout)).toEqual({
      written: 'bytes',
      conditional: 'conditional',
      copiedIn: 'outside',
      copiedOut: 'bytes',
      assembled: 'part',
      listed: ['assembled', 'bytes', 'copied', 'new'].map((name) => `mounted/${name}`),
      left: ['copied', 'outside'],
      removed: true,
    })
    await rm(path('mounted'), { recursive: true })
  },
)
