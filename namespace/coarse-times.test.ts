/**
 * File systems whose times are coarse: that a file user has written to an object in the very second of its PUT must show all the same. On Files that
 * cut their times, and on ext4 with inodes of 128 bytes, which has whole seconds only.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdir, mkdtemp, open, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { publicationTimes } from './publication-times.ts'
import { coarseFiles } from './testing/coarse-files.ts'
import { bodyOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'
import type { Namespace } from './verbs.ts'

const second = 1_000_000_000n

/** `root`: where it is mounted. */
type Mounted = { readonly root: string; unmount(): Promise<void> }

/** Throws with the reason where that cannot be had: no root, no loop devices. */
async function mountExt4(): Promise<Mounted> {
  if (process.getuid?.() !== 0) throw new Error('only root may mount a file system')
  const directory = await mkdtemp(join(tmpdir(), 'causeway-ext4-'))
  const [image, root] = [join(directory, 'image'), join(directory, 'mnt')]
  const unmount = async (): Promise<void> => {
    // Lazily: closed Files keep their root's descriptor until they are collected.
    spawnSync('/bin/umount', ['-l', root])
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await mkdir(root)
    await writeFile(image, '')
    await truncate(image, 64 * 2 ** 20)
    execFileSync('/sbin/mkfs.ext4', ['-q', '-F', '-I', '128', image], { stdio: 'pipe' })
    execFileSync('/bin/mount', ['-o', 'loop', image, root], { stdio: 'pipe' })
    return { root, unmount }
  } catch (error) {
    await unmount()
    throw error
  }
}

/** By whoever needs it first: a run that leaves all of these tests out mounts nothing. */
let mounted: Promise<Mounted | string> | undefined
const mountOnce = (): Promise<Mounted | string> => {
  mounted ??= mountExt4().catch((error: unknown) => String(error))
  return mounted
}

afterAll(async () => {
  const ext4 = await mounted
  if (typeof ext4 === 'string') console.warn(`skipped: ext4 with whole seconds: ${ext4}`)
  else await ext4?.unmount()
})

/** Or the reason why it cannot be had. */
type OpenTree = () => Promise<DocsFixture | string>

const places: readonly { readonly what: string; readonly openTree: OpenTree }[] = [
  {
    what: 'Files that keep whole seconds',
    openTree: () => openDocs({ openFiles: coarseFiles(second) }),
  },
  {
    what: 'Files of a server that keeps whole seconds, with a clock that is five behind',
    openTree: () => openDocs({ openFiles: coarseFiles(second, 5n * second) }),
  },
  {
    what: 'ext4 with inodes of 128 bytes',
    async openTree() {
      const ext4 = await mountOnce()
      return typeof ext4 === 'string' ? ext4 : openDocs({ root: await mkdtemp(join(ext4.root, 't-')) })
    },
  },
]

/** What follows within some hundred milliseconds is in one second. */
const untilASecondBegins = () => sleep(1000 - (Date.now() % 1000) + 20)

/** In place: the same file, the same inode. */
async function rewrite(file: string, bytes: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY)
  await handle.write(bytes, 0)
  await handle.close()
}

describe.each(places)('on $what', ({ openTree }) => {
  let fixture: DocsFixture
  let namespace: Namespace
  const statOf = (key: string) => namespace.objects.stat({ bucket: 'docs', key })
  const listed = async (key: string) => {
    const page = await namespace.objects.list({ bucket: 'docs', prefix: key, delimiter: '', max: 1, after: '' })
    return page.entries.flatMap((entry) => ('object' in entry ? [entry.object] : []))[0]
  }

  beforeEach(async (context) => {
    const opened = await openTree()
    if (typeof opened === 'string') return context.skip(opened)
    fixture = opened
    namespace = fixture.namespace
    return () => opened.close()
  })

  test('a rewrite of the same size in the second of the PUT has another ETag, for every call', async () => {
    await untilASecondBegins()
    const { stat } = await put(namespace, 'docs', 'k', 'written over S3')
    await rewrite(fixture.inBucket('k'), 'WRITTEN over S3')
    const after = await statOf('k')
    expect(after).toMatchObject({ foreign: true, checksum: undefined })
    expect(after.eTag).not.toBe(stat.eTag)
    expect((await listed('k'))?.eTag).toBe(after.eTag)
    expect(await get(namespace, 'docs', 'k')).toBe('WRITTEN over S3')
  })

  test('so has one in the second of a copy, or of a completed upload', async () => {
    await put(namespace, 'docs', 'source', 'written over S3')
    await untilASecondBegins()
    const at = (key: string) => ({ bucket: 'docs', key })
    const copied = await namespace.objects.copy(at('source'), at('copy'), { describe: () => plain })
    await rewrite(fixture.inBucket('copy'), 'WRITTEN over S3')
    expect((await statOf('copy')).eTag).not.toBe(copied.stat.eTag)

    const { uploadId } = await namespace.uploads.begin(at('upload'), plain, undefined)
    const upload = { ...at('upload'), uploadId }
    const part = await namespace.uploads.putPart(upload, 1, bodyOf('written over S3'))
    await untilASecondBegins()
    await namespace.uploads.complete(upload, [{ partNumber: 1, eTag: part.eTag, checksums: {} }], {})
    const { eTag } = await statOf('upload')
    await rewrite(fixture.inBucket('upload'), 'WRITTEN over S3')
    expect((await statOf('upload')).eTag).not.toBe(eTag)
  })

  test('what nobody has written to keeps its ETag, and was modified in the second of its PUT', async () => {
    await untilASecondBegins()
    const nowMs = Date.now() - (Date.now() % 1000)
    const { stat } = await put(namespace, 'docs', 'k', 'written over S3')
    expect(stat.lastModified.getTime()).toBe(nowMs)
    expect(await statOf('k')).toEqual(stat)
    expect(await listed('k')).toMatchObject({ eTag: stat.eTag, lastModified: stat.lastModified })
    await rewrite(fixture.inBucket('k'), 'WRITTEN over S3')
    expect((await statOf('k')).lastModified.getTime()).toBeGreaterThanOrEqual(nowMs)
  })

  test('names that come in the second of a listing are in the next one', async () => {
    await untilASecondBegins()
    for (const key of ['a', 'b', 'c']) {
      await put(namespace, 'docs', key, key)
      expect(await listAll(namespace, 'docs')).toContain(key)
    }
  })
})

describe('the time that is published', () => {
  const startNs = 1_796_000_000n * second
  const machineMs = Number(startNs / 1_000_000n) + 700

  /** Of a file system whose clock shows `fileSystemNs`. */
  const timesOn = (granularityNs: number, fileSystemNs: bigint) => {
    const stat = { type: 'file', device: 1n, inode: 1n, sizeBytes: 0, mode: 0, uid: 0, gid: 0, links: 1 } as const
    const calls = {
      setModified: async () => undefined,
      stat: async () => ({ ...stat, mtimeNs: fileSystemNs, ctimeNs: fileSystemNs }),
    }
    return publicationTimes(calls, 0, { nowMs: machineMs, granularityNs })
  }

  test.each([1, 100, 1000])('is now, where steps of %i ns are kept: one call less', async (granularity) => {
    const { mtimeNs, lastModifiedMs } = await timesOn(granularity, startNs)
    expect(Math.floor(Number(BigInt(mtimeNs) / 1_000_000n))).toBe(machineMs)
    expect(BigInt(mtimeNs) % BigInt(granularity)).toBe(0n)
    expect(lastModifiedMs).toBeUndefined()
  })

  test.each([
    { clock: 'is this machine’s', offset: 700_000_000n, expected: startNs - second },
    { clock: 'is three seconds behind', offset: -2_300_000_000n, expected: startNs - 4n * second },
    { clock: 'is three seconds ahead', offset: 3_700_000_000n, expected: startNs - second },
  ])('is a second that is over, where the clock of the file system $clock', async ({ offset, expected }) => {
    const { mtimeNs, lastModifiedMs } = await timesOn(Number(second), startNs + offset)
    expect(BigInt(mtimeNs)).toBe(expected)
    expect(lastModifiedMs).toBe(Number(startNs / 1_000_000n))
  })
})

test.each<{ what: string; change: (namespace: Namespace) => Promise<unknown> }>([
  { what: 'amended', change: ({ objects }) => objects.amend({ bucket: 'docs', key: 'k' }, () => ({ tags: [] })) },
  {
    what: 'archived',
    change: async (namespace) => {
      await namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
      await put(namespace, 'docs', 'k', 'next')
    },
  },
])("what a file user has rewritten keeps the file user's time when it is $what", async ({ change }) => {
  const fixture = await openDocs({ openFiles: coarseFiles(second) })
  try {
    const { namespace } = fixture
    await put(namespace, 'docs', 'k', 'first')
    await writeFile(fixture.inBucket('k'), 'rewritten by a file user')
    const longAgo = new Date('2020-02-02T02:02:02Z')
    await utimes(fixture.inBucket('k'), longAgo, longAgo)
    await change(namespace)
    const { lastModified } = await namespace.objects.stat({ bucket: 'docs', key: 'k', versionId: 'null' })
    expect(lastModified).toEqual(longAgo)
  } finally {
    await fixture.close()
  }
})
