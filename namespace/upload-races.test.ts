import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { dyingFiles } from './testing/dying-files.ts'
import { alice, bodyOf, codeOf, type DocsFixture, get, openDocs, plain, put } from './testing/fixture.ts'
import type { CompletePart, Namespace } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const mebibyte = 2 ** 20
const inBucket = (...path: readonly string[]): string => fixture.inBucket(...path)

async function uploaded(key: string, sizes: readonly number[], through = namespace) {
  const { uploadId } = await through.uploads.begin({ bucket: 'docs', key }, plain, undefined)
  const upload = { bucket: 'docs', key, uploadId }
  const wanted: CompletePart[] = []
  for (const [index, size] of sizes.entries()) {
    const body = bodyOf(Buffer.alloc(size, `${index}`), mebibyte)
    const { partNumber, eTag } = await through.uploads.putPart(upload, index + 1, body)
    wanted.push({ partNumber, eTag, checksums: {} })
  }
  return { upload, wanted }
}

const layouts = [
  { layout: 'in its assembly', sizes: [5 * mebibyte, 5 * mebibyte, 3] },
  { layout: 'by copying', sizes: [5 * mebibyte + 1, 3] },
]

test.each(layouts)(
  'a Complete $layout that finds no room leaves a pending upload, which can be aborted',
  async (each) => {
    const dying = dyingFiles()
    const failing = (await fixture.another({ openFiles: dying.openFiles })).as(alice)
    const { upload, wanted } = await uploaded('k', each.sizes)
    dying.arm({ faults: [{ call: 'rename', path: /docs\/k$/, code: 'ENOSPC' }] })
    expect(await codeOf(failing.uploads.complete(upload, wanted, {}))).toBe('StorageFull')
    dying.arm({})
    expect(await readdir(inBucket())).not.toContain(`.s3-upload-${upload.uploadId}-final`)
    expect((await namespace.uploads.list('docs', '')).map(({ uploadId }) => uploadId)).toEqual([upload.uploadId])
    expect((await namespace.uploads.listParts(upload, { after: 0, max: 9 })).parts).toHaveLength(each.sizes.length)
    await namespace.uploads.abort(upload)
    expect(await fixture.leftOvers()).toEqual([])
    expect(await codeOf(namespace.objects.stat(upload))).toBe('NoSuchKey')
  },
)

test.each(layouts)('a Complete $layout that a precondition refuses leaves nothing but the parts', async ({ sizes }) => {
  const { upload, wanted } = await uploaded('k', sizes)
  const precondition = (): never => {
    throw new NamespaceError('InvalidRequest')
  }
  expect(await codeOf(namespace.uploads.complete(upload, wanted, { precondition }))).toBe('InvalidRequest')
  expect((await readdir(inBucket())).filter((name) => name.endsWith('-final'))).toEqual([])
  await namespace.uploads.complete(upload, wanted, {})
})

test.each(layouts.flatMap((each) => [each, { ...each, layout: `${each.layout}, if none is there,`, create: true }]))(
  'a Complete $layout that is killed anywhere has published, or can be aborted, and no late part reaches the object',
  async ({ sizes, ...how }) => {
    for (let count = 0, crashed = true; crashed; count += 1) {
      const dying = dyingFiles()
      const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
      const { upload, wanted } = await uploaded('k', sizes)
      dying.arm({ crashAfter: count })
      const options = 'create' in how ? { precondition: () => undefined } : {}
      crashed = await victim.uploads.complete(upload, wanted, options).then(
        () => false,
        () => true,
      )
      await dying.bury()
      const where = dying.log().join('; ')
      const published = (await codeOf(namespace.objects.stat(upload))) === undefined
      const before = published ? await readFile(inBucket('k')) : undefined
      const late = await codeOf(namespace.uploads.putPart(upload, 4, bodyOf(Buffer.alloc(5 * mebibyte, 'z'), mebibyte)))
      expect(late, where).toBe(published ? 'NoSuchUpload' : undefined)
      expect(await codeOf(namespace.uploads.abort(upload)), where).toBe(published ? 'NoSuchUpload' : undefined)
      if (before !== undefined) {
        expect((await readFile(inBucket('k'))).equals(before), where).toBe(true)
        await namespace.uploads.complete(upload, wanted, {})
        await namespace.objects.remove(upload, {})
      }
      expect(await fixture.leftOvers(), where).toEqual([])
    }
  },
  300_000,
)

/** If-None-Match: * */
const onlyNew = (current: unknown): void => {
  if (current !== undefined) throw new NamespaceError('InvalidRequest')
}

const published = [
  ...layouts.flatMap((each) => [
    { ...each, key: 'k', options: {} },
    { ...each, key: 'k', options: { precondition: onlyNew }, layout: `${each.layout}, if none is there,` },
  ]),
  { key: 'd/', sizes: [0], options: {}, layout: 'of a directory' },
  { key: 'd/', sizes: [0], options: { precondition: onlyNew }, layout: 'of a directory, if none is there,' },
]

const meanwhile = [
  { what: 'was deleted', change: (key: string) => namespace.objects.remove({ bucket: 'docs', key }, {}), left: undefined },
  { what: 'was overwritten', change: (key: string) => put(namespace, 'docs', key, 'newer'), left: 'newer' },
] // biome-ignore format: one change a line

test.each(published.flatMap((each) => meanwhile.map((then) => ({ ...each, ...then }))))(
  'an object that a Complete $layout published before it was killed, and that $what, does not come back',
  async ({ key, sizes, options, change, left }) => {
    for (let count = 0, crashed = true; crashed; count += 1) {
      const dying = dyingFiles()
      const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
      const { upload, wanted } = await uploaded(key, sizes)
      dying.arm({ crashAfter: count })
      crashed = await victim.uploads.complete(upload, wanted, options).then(
        () => false,
        () => true,
      )
      await dying.bury()
      const where = dying.log().join('; ')
      if ((await codeOf(namespace.objects.stat(upload))) === undefined) {
        expect(await codeOf(namespace.uploads.abort(upload)), where).toBe('NoSuchUpload')
        await change(key)
        // One that shall not overwrite may be refused instead.
        await codeOf(namespace.uploads.complete(upload, wanted, options))
        expect((await get(namespace, 'docs', key).catch(() => undefined))?.slice(0, 9), where).toBe(left)
      }
      await namespace.uploads.complete(upload, wanted, {}).catch(() => undefined)
      await namespace.objects.remove(upload, {})
    }
  },
  300_000,
)

/** A Complete by copying, killed after so many changes. */
async function killed(
  upload: { bucket: string; key: string; uploadId: string },
  wanted: CompletePart[],
  count: number,
) {
  const dying = dyingFiles()
  const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
  dying.arm({ crashAfter: count })
  const crashed = await victim.uploads.complete(upload, wanted, {}).then(
    () => false,
    () => true,
  )
  await dying.bury()
  return { crashed, where: dying.log().join('; ') }
}

test('an upload whose Complete is killed twice, anywhere, is published by the third', async () => {
  for (let first = 0, more = true; more; first += 1) {
    for (let second = 0, again = true; again; second += 1) {
      const { upload, wanted } = await uploaded('k', [7])
      const one = await killed(upload, wanted, first)
      const two = await killed(upload, wanted, second)
      more = one.crashed
      again = two.crashed
      await namespace.uploads.complete(upload, wanted, {})
      const content = await get(namespace, 'docs', 'k').catch(String)
      expect(content, `${one.where}, then ${two.where}`).toBe('0000000')
      await namespace.objects.remove(upload, {})
    }
  }
}, 300_000)

test('a Complete that finds no room, after one that was killed, leaves a pending upload', async () => {
  const failing = dyingFiles()
  const other = (await fixture.another({ openFiles: failing.openFiles })).as(alice)
  for (let count = 0, crashed = true; crashed; count += 1) {
    const { upload, wanted } = await uploaded('k', [7])
    const one = await killed(upload, wanted, count)
    crashed = one.crashed
    failing.arm({ faults: [{ call: 'copyRange', code: 'ENOSPC' }] })
    await other.uploads.complete(upload, wanted, {}).catch(() => undefined)
    failing.arm({})
    await other.uploads.complete(upload, wanted, {})
    expect(await get(namespace, 'docs', 'k').catch(String), one.where).toBe('0000000')
    await namespace.objects.remove(upload, {})
  }
}, 300_000)

test('sweep clears an upload whose Abort was cut off, and no upload that is young', async () => {
  const dying = dyingFiles()
  const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
  const { upload } = await uploaded('k', [7])
  dying.arm({ crashAfter: 2 })
  await victim.uploads.abort(upload).catch(() => undefined)
  await dying.bury()
  const directory = inBucket('.s3/uploads', upload.uploadId)
  expect(existsSync(join(directory, 'upload.json'))).toBe(false)
  const { upload: young } = await uploaded('young', [7])
  await fixture.open.sweep()
  expect(existsSync(directory)).toBe(true)
  const longAgo = new Date(Date.now() - 3 * 86_400_000)
  for (const uploadId of [upload.uploadId, young.uploadId]) {
    await utimes(inBucket('.s3/uploads', uploadId), longAgo, longAgo)
  }
  expect(await fixture.open.sweep()).toMatchObject({ uploads: 1 })
  expect(await readdir(inBucket('.s3/uploads'))).toEqual([young.uploadId])
})

test('sweep keeps an upload whose Complete was cut off a week ago before anything was published', async () => {
  const { upload, wanted } = await uploaded('k', [7])
  const marker = inBucket('.s3/uploads', upload.uploadId, 'completed.json')
  for (let count = 0; !existsSync(marker); count += 1) {
    const dying = dyingFiles()
    const victim = (await fixture.victim({ openFiles: dying.openFiles })).as(alice)
    dying.arm({ crashAfter: count })
    await victim.uploads.complete(upload, wanted, {}).catch(() => undefined)
    await dying.bury()
  }
  const longAgo = new Date(Date.now() - 9 * 86_400_000)
  await utimes(marker, longAgo, longAgo)
  await fixture.open.sweep()
  await namespace.uploads.complete(upload, wanted, {})
  expect(await get(namespace, 'docs', 'k')).toBe('0000000')
})

test.skipIf(process.getuid?.() !== 0)(
  'under their own identity users complete uploads by copying, also those that others began',
  async () => {
    await chmod(fixture.directory, 0o755)
    await mkdir(inBucket('d'))
    await chmod(inBucket('d'), 0o777)
    const as = (uid: number): Namespace => fixture.open.as({ ...alice, posix: { uid, gid: uid, groups: [] } })
    const { upload, wanted } = await uploaded('d/k', [5 * mebibyte, 5 * mebibyte + 1, 3], as(65_534))
    await as(65_533).uploads.complete(upload, wanted, {})
    expect((await namespace.objects.stat(upload)).sizeBytes).toBe(10 * mebibyte + 4)
    const second = await uploaded('d/l', [5 * mebibyte], as(65_534))
    await chmod(inBucket('d'), 0o1777)
    await as(65_533).uploads.abort(second.upload)
    expect(await fixture.leftOvers()).toEqual([])
  },
)
