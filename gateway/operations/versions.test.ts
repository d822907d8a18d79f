/** The operations of a versioned bucket over a real tree. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Namespace, type OpenNamespace, openNamespace } from '#namespace'
import type { Operation } from '../operation.ts'
import { deleteObject } from './delete-object.ts'
import { deleteObjects } from './delete-objects.ts'
import { getObject } from './get-object.ts'
import { listObjectVersions } from './list-object-versions.ts'
import { putObject } from './put-object.ts'
import { createHarness, type Request, textsOf } from './testing/call-operation.ts'

let directory: string
let open: OpenNamespace
let namespace: Namespace

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-'))
  open = await openNamespace({
    root: directory,
    roots: [],
    durability: 'relaxed',
    recordKey: Buffer.alloc(32, 7),
    threads: 2,
    directoriesMax: 100,
    problems: () => undefined,
  })
  namespace = open.as({ canonicalId: 'a'.repeat(64), displayName: 'alice' })
  await namespace.buckets.create('docs')
  await namespace.documents.write('docs', 'versioning', { status: 'Enabled' })
})

afterEach(async () => {
  await open.close()
  await rm(directory, { recursive: true, force: true })
})

const call = (operation: Operation, request: Request) => createHarness().call(operation, { ...request, namespace })

const putId = async (bytes: string): Promise<string> =>
  String((await call(putObject, { ...at, bytes })).headers?.['x-amz-version-id'])

const at = { bucket: 'docs', key: 'k' }

it('DELETE makes a marker, says so, and takes it away again by its id (P-170 … P-172)', async () => {
  const one = await putId('one')
  const deleted = await call(deleteObject, at)
  const versionId = String(deleted.headers?.['x-amz-version-id'])
  expect(deleted).toMatchObject({ status: 204, headers: { 'x-amz-delete-marker': 'true' } })
  await expect(call(getObject, at)).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(call(getObject, { ...at, query: { versionId } })).rejects.toMatchObject({ code: 'MethodNotAllowed' })
  const old = await call(getObject, { ...at, query: { versionId: one } })
  expect(old).toMatchObject({ status: 200, headers: { 'x-amz-version-id': one } })
  expect(await call(deleteObject, { ...at, query: { versionId } })).toMatchObject({
    headers: { 'x-amz-delete-marker': 'true', 'x-amz-version-id': versionId },
  })
  expect((await call(getObject, at)).status).toBe(200)
})

it('DeleteObjects says which markers it made and removed (P-178)', async () => {
  const one = await putId('one')
  const xml = (versionId?: string) =>
    `<Delete><Object><Key>k</Key>${versionId === undefined ? '' : `<VersionId>${versionId}</VersionId>`}</Object></Delete>`
  const made = await call(deleteObjects, { bucket: 'docs', xml: xml() })
  const [marker = ''] = textsOf(made, 'DeleteMarkerVersionId')
  expect(textsOf(made, 'DeleteMarker')).toEqual(['true'])
  const removed = await call(deleteObjects, { bucket: 'docs', xml: xml(marker) })
  expect([textsOf(removed, 'VersionId'), textsOf(removed, 'DeleteMarkerVersionId')]).toEqual([[marker], [marker]])
  const version = await call(deleteObjects, { bucket: 'docs', xml: xml(one) })
  expect([textsOf(version, 'VersionId'), textsOf(version, 'DeleteMarker')]).toEqual([[one], []])
})

it('ListObjectVersions shows versions and markers, over pages (P-117, P-213)', async () => {
  for (const content of ['one', 'two']) await putId(content)
  await call(deleteObject, at)
  const ids: string[] = []
  let markers: Readonly<Record<string, string>> = {}
  for (;;) {
    const page = await call(listObjectVersions, {
      bucket: 'docs',
      query: { versions: '', 'max-keys': '1', ...markers },
    })
    ids.push(...textsOf(page, 'VersionId'))
    const [versionId] = textsOf(page, 'NextVersionIdMarker')
    if (textsOf(page, 'IsTruncated')[0] !== 'true' || versionId === undefined) break
    markers = { 'key-marker': 'k', 'version-id-marker': versionId }
  }
  expect(ids).toHaveLength(3)
  expect(ids).toEqual(ids.toSorted().toReversed())
})
