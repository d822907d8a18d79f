/**
 * Where the service reads for all, a file user could hard-link somebody's file into a bucket of their own and have the gateway read it: README.md,
 * "Hard links".
 */
import { link, mkdir, open, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { type FileCalls, FileError, type Stat } from './files.ts'
import { isLinkedFile } from './linked-file.ts'
import { openPosixFiles } from './posix-files.ts'
import { alice, codeOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'
import { type PausingFiles, pausingFiles } from './testing/pausing-files.ts'
import type { Namespace, ObjectTarget } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace
/** A file of somebody's, on the same file system and in no bucket. */
let theirs: string
const inBucket = (...path: readonly string[]): string => fixture.inBucket(...path)
const at: ObjectTarget = { bucket: 'docs', key: 'k' }

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
  theirs = join(fixture.directory, 'theirs')
  await writeFile(theirs, 'secret')
})

afterEach(() => fixture.close())

const version = async (versioned: 'Enabled' | 'Suspended'): Promise<void> =>
  namespace.documents.write('docs', 'versioning', { status: versioned })

const idsOf = async (key: string): Promise<readonly string[]> => {
  const query = { bucket: 'docs', prefix: key, delimiter: '', keyMarker: '', versionIdMarker: undefined, max: 1000 }
  const { entries } = await namespace.objects.listVersions(query)
  return entries.flatMap((entry) => ('key' in entry ? [entry.versionId] : []))
}

const attributeOf = async (path: string): Promise<Buffer | undefined> => {
  const files = openPosixFiles(fixture.directory, { threads: 1 })
  const calls = files.as(undefined)
  const descriptor = await calls.open(path, 'read')
  try {
    return await calls.readAttribute(descriptor, 'user.causeway')
  } finally {
    await calls.close(descriptor)
    files.close()
  }
}

const reading: Readonly<Record<string, (of: Namespace, target: ObjectTarget) => Promise<unknown>>> = {
  'a GET': async (of, target) => (await of.objects.open(target)).close(),
  'a HEAD': (of, target) => of.objects.stat(target),
  'a copy of it': (of, target) => of.objects.copy(target, { ...at, key: 'copy' }, { describe: () => plain }),
  'a copy onto itself': (of, target) => of.objects.copy(target, target, { describe: () => plain }),
  'a part copied from it': async (of, target) => {
    const to = { ...at, key: 'assembled' }
    const { uploadId } = await of.uploads.begin(to, plain, undefined)
    const select = () => ({ offset: 0, lengthBytes: 1 })
    await of.uploads.copyPart(target, { ...to, uploadId }, 1, { select })
  },
  // It would get a record by it, and be believed from then on.
  'tags for it': (of, target) => of.objects.amend(target, () => ({ tags: [{ key: 'a', value: 'b' }] })),
}
const readings = Object.entries(reading).map(([what, read]) => ({ what, read }))

describe('a file of somebody else that a file user has linked into the bucket', () => {
  beforeEach(() => link(theirs, inBucket('k')))

  test.each(readings)('is refused to $what, and stays as it was', async ({ read }) => {
    const before = await stat(theirs, { bigint: true })
    const error = await read(namespace, at).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NamespaceError)
    expect(error).toMatchObject({
      code: 'AccessDenied',
      message: expect.stringContaining('namespace.linked_file_uids'),
    })
    expect(isLinkedFile(error as NamespaceError)).toBe(true)
    expect(await attributeOf('theirs')).toBeUndefined()
    expect(await stat(theirs, { bigint: true })).toMatchObject({ ctimeNs: before.ctimeNs, nlink: 2n })
  })

  test.each(readings)('is given to $what where its uid may be linked, and no other', async ({ read }) => {
    const { uid } = await stat(theirs)
    const other = await fixture.another({ mayBeLinked: (each) => each !== uid })
    expect(await codeOf(read(other.as(alice), at))).toBe('AccessDenied')
    const listing = await fixture.another({ mayBeLinked: (each) => each === uid })
    await read(listing.as(alice), at)
  })

  test('is listed, as file users see it, and can be overwritten and deleted: that takes its name here alone', async () => {
    expect(await listAll(namespace, 'docs')).toEqual(['k'])
    await put(namespace, 'docs', 'k', 'over it')
    expect(await get(namespace, 'docs', 'k')).toBe('over it')
    await link(theirs, inBucket('l'))
    expect(await namespace.objects.remove({ ...at, key: 'l' }, {})).toMatchObject({ changed: true })
    expect(await readFile(theirs, 'utf8')).toBe('secret')
    expect((await stat(theirs)).nlink).toBe(1)
  })

  test.each(['Enabled', 'Suspended'] as const)(
    'is refused by its version id in a bucket whose versioning is %s',
    async (status) => {
      await version(status)
      for (const { what, read } of readings)
        expect(await codeOf(read(namespace, { ...at, versionId: 'null' })), what).toBe('AccessDenied')
    },
  )

  test('becomes no version: it is neither overwritten nor hidden where it would have to be kept', async () => {
    await version('Enabled')
    expect(await codeOf(put(namespace, 'docs', 'k', 'over it'))).toBe('AccessDenied')
    expect(await codeOf(namespace.objects.remove(at, {}))).toBe('AccessDenied')
    expect(await idsOf('k')).toEqual(['null'])
    expect(await attributeOf('theirs')).toBeUndefined()
    expect((await stat(theirs)).nlink).toBe(2)
    expect(await fixture.leftOvers()).toEqual([])
    // For good it goes as any other.
    await namespace.objects.remove({ ...at, versionId: 'null' }, {})
    expect(await idsOf('k')).toEqual([])
    expect((await stat(theirs)).nlink).toBe(1)
  })

  test('is replaced where a null version is not kept', async () => {
    await version('Suspended')
    await put(namespace, 'docs', 'k', 'over it')
    expect(await get(namespace, 'docs', 'k')).toBe('over it')
    expect((await stat(theirs)).nlink).toBe(1)
  })
})

test('an object of another bucket is refused under a name of this one, and read under its own', async () => {
  await namespace.buckets.create('other')
  await put(namespace, 'other', 'k', 'secret')
  await link(join(fixture.directory, 'other/k'), inBucket('k'))
  const record = await attributeOf('other/k')
  for (const { what, read } of readings) expect(await codeOf(read(namespace, at)), what).toBe('AccessDenied')
  expect(await get(namespace, 'other', 'k')).toBe('secret')
  expect(await attributeOf('other/k')).toEqual(record)
})

test('an object of this bucket is read under each of its names, also when it has been rewritten', async () => {
  await put(namespace, 'docs', 'k', 'bytes')
  await link(inBucket('k'), inBucket('second'))
  await link(inBucket('k'), join(fixture.directory, 'elsewhere'))
  for (const key of ['k', 'second']) expect(await get(namespace, 'docs', key)).toBe('bytes')
  await writeFile(inBucket('k'), 'other bytes')
  for (const key of ['k', 'second']) expect(await get(namespace, 'docs', key)).toBe('other bytes')
})

test("a file user's file that S3 has tagged may be linked from then on", async () => {
  await writeFile(inBucket('k'), 'a file')
  await namespace.objects.amend(at, () => ({ tags: [{ key: 'a', value: 'b' }] }))
  await link(inBucket('k'), join(fixture.directory, 'elsewhere'))
  expect(await get(namespace, 'docs', 'k')).toBe('a file')
})

test("a file user's file is kept as a version, read by its id, and comes back", async () => {
  await version('Enabled')
  await writeFile(inBucket('k'), 'a file')
  await put(namespace, 'docs', 'k', 'over it')
  const [latest, older] = await idsOf('k')
  const read = async (versionId: string | undefined): Promise<string | undefined> => {
    const object = await namespace.objects.open({ ...at, versionId })
    await object.close()
    return object.small?.toString()
  }
  expect(await read(older)).toBe('a file')
  await namespace.objects.remove({ ...at, versionId: latest }, {})
  expect((await stat(inBucket('k'))).nlink).toBe(2)
  expect(await read(undefined)).toBe('a file')
  expect(await read(older)).toBe('a file')
})

test('a version that came back is read when a file user has taken its record away, until it is linked elsewhere', async () => {
  await version('Enabled')
  // No attribute takes it (64 KiB), so it has a side-car, which says nothing of bytes that are written later.
  const metadata = Object.fromEntries(Array.from({ length: 99 }, (_, index) => [`n${index}`, 'v'.repeat(999)]))
  await put(namespace, 'docs', 'k', 'first', { ...plain, metadata })
  await put(namespace, 'docs', 'k', 'second')
  const [latest] = await idsOf('k')
  await namespace.objects.remove({ ...at, versionId: latest }, {})
  await writeFile(inBucket('k'), 'rewritten')
  expect(await namespace.objects.stat(at)).toMatchObject({ foreign: true, metadata: {} })
  expect((await stat(inBucket('k'))).nlink).toBe(2)
  expect(await get(namespace, 'docs', 'k')).toBe('rewritten')
  await link(inBucket('k'), join(fixture.directory, 'elsewhere'))
  expect(await codeOf(namespace.objects.stat(at))).toBe('AccessDenied')
  expect(await codeOf(put(namespace, 'docs', 'k', 'over it'))).toBe('AccessDenied')
})

/** `meanwhile` before any one call of `act`; then before any call after that `later`, of another key each time. */
async function pausedTwice(
  act: (of: Namespace, key: string) => Promise<unknown>,
  prepare: (key: string) => Promise<unknown>,
  meanwhile: (key: string) => Promise<unknown>,
  later: (key: string, log: string) => Promise<unknown>,
): Promise<void> {
  const files = pausingFiles()
  const worker = (await fixture.another({ openFiles: files.openFiles })).as(alice)
  // What is thrown while the worker is paused would be its own call's failure.
  const failures: unknown[] = []
  for (let first = 0, isOver = false; !isOver; first += 1) {
    isOver = true
    for (let second = 0, isInside = true; isInside; second += 1) {
      const key = `k${first}-${second}`
      await prepare(key)
      isInside = false
      files.pauseAfter(
        first,
        async () => {
          isOver = false
          await meanwhile(key)
          files.pauseAfter(
            second,
            async () => {
              isInside = true
              const when = `call ${first}, ${second} calls later: ${files.log().at(-1)}`
              await later(key, when).catch((error: unknown) => failures.push(error))
            },
            'keeping its locks',
          )
        },
        'keeping its locks',
      )
      await codeOf(act(worker, key))
      await files.forget()
    }
  }
  expect(failures).toEqual([])
}

const overwrite = (of: Namespace, key: string) => put(of, 'docs', key, 'over it')

test("a file user's file that is renamed over a key while it is archived is read at any moment", async () => {
  await version('Enabled')
  await pausedTwice(
    overwrite,
    (key) => writeFile(inBucket(key), 'first'),
    async (key) => {
      await writeFile(inBucket('new'), 'second')
      await rename(inBucket('new'), inBucket(key))
    },
    async (key, when) => {
      expect(['second', 'over it'], when).toContain(await get(namespace, 'docs', key))
    },
  )
})

test("somebody else's file that is linked over a key while it is archived is read at no moment, by no id", async () => {
  await version('Enabled')
  const namesOf = async (): Promise<number> => (await stat(theirs)).nlink
  let archived = 0
  await pausedTwice(
    overwrite,
    async (key) => {
      // No version has kept it: its name in the bucket was the only other one.
      for (const name of (await readdir(inBucket())).filter((each) => each !== '.s3')) await rm(inBucket(name))
      expect(await namesOf()).toBe(1)
      await writeFile(inBucket(key), 'first')
    },
    async (key) => {
      await link(theirs, inBucket('new'))
      await rename(inBucket('new'), inBucket(key))
    },
    async (key, when) => {
      // Only while it has a name among the versions: the others are refused above.
      if ((await namesOf()) < 3) return
      archived += 1
      for (const versionId of [undefined, ...(await idsOf(key))]) {
        const object = await namespace.objects.open({ ...at, key, versionId }).catch(() => undefined)
        expect(['first', 'over it', undefined], when).toContain(object?.small?.toString())
        await object?.close()
      }
    },
  )
  expect(archived).toBeGreaterThan(0)
  expect(await attributeOf('theirs')).toBeUndefined()
})

test("somebody else's file that is linked over a key on a mount inside the bucket while its bytes are copied is no version", async () => {
  await version('Enabled')
  const pausing = pausingFiles()
  const openFiles: PausingFiles['openFiles'] = (path, options) => {
    const files = pausing.openFiles(path, options)
    const link = (_: string, target: string) => Promise.reject(new FileError('EXDEV', 'linkat', target))
    return { ...files, as: (identity) => ({ ...files.as(identity), link }) }
  }
  const worker = (await fixture.another({ openFiles })).as(alice)
  let refused = 0
  for (let calls = 0, isOver = false; !isOver; calls += 1) {
    const key = `k${calls}`
    await writeFile(inBucket(key), 'first!')
    isOver = true
    const swap = async (): Promise<void> => {
      isOver = false
      await link(theirs, inBucket('new'))
      await rename(inBucket('new'), inBucket(key))
    }
    pausing.pauseAfter(calls, swap, 'keeping its locks')
    if ((await codeOf(overwrite(worker, key))) === 'SlowDown') refused += 1
    await pausing.forget()
    for (const versionId of await idsOf(key)) {
      const object = await namespace.objects.open({ ...at, key, versionId }).catch(() => undefined)
      expect(['first!', 'over it', undefined], pausing.log().join('\n')).toContain(object?.small?.toString())
      await object?.close()
    }
    await rm(inBucket(key), { force: true })
  }
  expect(refused).toBeGreaterThan(0)
})

const versionOf = (key: string): string => inBucket(`.s3/versions/${key}/.%@0mj8k2x1f3-null`)
const passing: readonly { readonly name: string; readonly pathOf: (key: string) => string; readonly calls: number }[] =
  [
    { name: 'its alias, to stay', pathOf: (key) => inBucket(`.%=${key}`), calls: Number.POSITIVE_INFINITY },
    { name: 'among its versions, to stay', pathOf: versionOf, calls: Number.POSITIVE_INFINITY },
    ...[1, 2, 3, 4, 5, 6, 7].map((calls) => ({
      name: `among its versions, and goes after ${calls} calls`,
      pathOf: versionOf,
      calls,
    })),
  ]

/** ctime as kernels before 6.13 keep it: that of the last tick. */
function ticking(openFiles: PausingFiles['openFiles']): PausingFiles['openFiles'] {
  const ofTick = (each: Stat): Stat => ({ ...each, ctimeNs: each.ctimeNs - (each.ctimeNs % 10_000_000n) })
  const slow = (calls: FileCalls): FileCalls => ({
    ...calls,
    async find(path, want) {
      const found = await calls.find(path, want)
      return found && { ...found, stat: ofTick(found.stat) }
    },
    async statPath(path) {
      const found = await calls.statPath(path)
      return found && ofTick(found)
    },
  })
  return (path, options) => {
    const files = openFiles(path, options)
    return { ...files, as: (identity) => slow(files.as(identity)) }
  }
}

test.each(passing)(
  'a name that comes while names are counted stands for no other: $name',
  async ({ pathOf, calls: staysFor }) => {
    const files = pausingFiles()
    const reader = (await fixture.another({ openFiles: ticking(files.openFiles) })).as(alice)
    for (let calls = 0, isOver = false; !isOver; calls += 1) {
      const key = `k${calls}`
      await link(theirs, inBucket(key))
      await mkdir(inBucket(`.s3/versions/${key}`), { recursive: true })
      isOver = true
      files.pauseAfter(
        calls,
        async () => {
          isOver = false
          await link(theirs, pathOf(key))
          files.pauseAfter(staysFor, () => unlink(pathOf(key)), 'keeping its locks')
        },
        'keeping its locks',
      )
      expect(await codeOf(get(reader, 'docs', key)), files.log().join('\n')).toBe('AccessDenied')
      await files.forget()
      for (const path of [inBucket(key), pathOf(key)]) await rm(path, { force: true })
      expect((await stat(theirs)).nlink).toBe(1)
    }
  },
)

test('a file that a file user gives its name by a link, and whose first name then goes, is read', async () => {
  const files = pausingFiles()
  const reader = (await fixture.another({ openFiles: files.openFiles })).as(alice)
  await writeFile(inBucket('draft'), 'a file')
  await link(inBucket('draft'), inBucket('k'))
  files.pauseAfter(2, () => unlink(inBucket('draft')), 'keeping its locks')
  expect(await get(reader, 'docs', 'k'), files.log().join('\n')).toBe('a file')
  await files.forget()
})

test('a reader that is refused leaves no file open', async () => {
  await link(theirs, inBucket('k'))
  const large = await open(theirs, 'w')
  await large.truncate(2 ** 20)
  await large.close()
  let opened = 0
  const openFiles = (path: string, options: { readonly threads: number }) => {
    const files = openPosixFiles(path, options)
    return {
      ...files,
      as: (identity: Parameters<typeof files.as>[0]) => {
        const calls = files.as(identity)
        return {
          ...calls,
          find: async (...args: Parameters<typeof calls.find>) => {
            const found = await calls.find(...args)
            if (found?.descriptor !== undefined) opened += 1
            return found
          },
          close: async (descriptor: number) => {
            opened -= 1
            await calls.close(descriptor)
          },
        }
      },
    }
  }
  const reader = (await fixture.another({ openFiles })).as(alice)
  opened = 0
  expect(await codeOf(reader.objects.open(at))).toBe('AccessDenied')
  expect(await codeOf(reader.objects.amend(at, () => ({})))).toBe('AccessDenied')
  expect(opened).toBe(0)
})
