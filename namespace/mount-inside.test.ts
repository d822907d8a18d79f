/**
 * A mount inside a versioned bucket: nothing can be linked between the plain paths and `.s3/versions` (EXDEV), so a version is copied, with its time
 * and record.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openPosixFiles } from './posix-files.ts'
import { faultyFiles } from './testing/faulty-files.ts'
import { type DocsFixture, get, openDocs, put } from './testing/fixture.ts'
import type { Namespace } from './verbs.ts'

const key = 'mounted/key'
let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  const faults = [{ call: 'link', path: /\/\.s3\/versions\//, code: 'EXDEV' }] as const
  fixture = await openDocs({
    openFiles: (path, options) => faultyFiles(openPosixFiles(path, options), { faults }),
  })
  namespace = fixture.namespace
  await namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
})

afterEach(() => fixture.close())

const version = async (content: string): Promise<string> =>
  (await put(namespace, 'docs', key, content)).stat.versionId ?? ''

test('the version before comes back when the current one is removed', async () => {
  const one = await version('one')
  const before = await namespace.objects.stat({ bucket: 'docs', key })
  const two = await version('two')
  await namespace.objects.remove({ bucket: 'docs', key, versionId: two }, {})
  expect(await get(namespace, 'docs', key)).toBe('one')
  expect(await namespace.objects.stat({ bucket: 'docs', key })).toMatchObject({
    versionId: one,
    eTag: before.eTag,
    lastModified: before.lastModified,
  })
  expect(await fixture.leftOvers()).toEqual([])
})

test('the version before comes back when the marker that hides it is removed', async () => {
  const one = await version('one')
  const { versionId } = await namespace.objects.remove({ bucket: 'docs', key }, {})
  await namespace.objects.remove({ bucket: 'docs', key, versionId }, {})
  expect(await get(namespace, 'docs', key)).toBe('one')
  expect((await namespace.objects.stat({ bucket: 'docs', key })).versionId).toBe(one)
  expect(await fixture.leftOvers()).toEqual([])
})
