import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, bodyOf, codeOf, type DocsFixture, get, openDocs, plain, put } from './testing/fixture.ts'
import type { Namespace, ObjectTarget } from './verbs.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html */
let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const setStatus = (status: 'Enabled' | 'Suspended') => namespace.documents.write('docs', 'versioning', { status })

const putId = async (key: string, content: string): Promise<string> =>
  (await put(namespace, 'docs', key, content)).stat.versionId ?? 'none'

const remove = (key: string, versionId?: string) => namespace.objects.remove({ bucket: 'docs', key, versionId }, {})

async function read(key: string, versionId?: string): Promise<string> {
  const target: ObjectTarget = { bucket: 'docs', key, versionId }
  try {
    const object = await namespace.objects.open(target)
    const pieces: Buffer[] = []
    for await (const piece of object.read(0, object.stat.sizeBytes)) pieces.push(Buffer.from(piece))
    await object.close()
    return Buffer.concat(pieces).toString()
  } catch (error) {
    if (error instanceof NamespaceError) return error.code
    throw error
  }
}

describe.each(['k', 'd/k', 'd/', 'a//b', 'x'.repeat(300)])('key %j', (key) => {
  test('each PUT in an enabled bucket keeps the version of before, readable by its id', async () => {
    await put(namespace, 'docs', key, 'zero')
    await setStatus('Enabled')
    const one = await putId(key, 'one')
    const two = await putId(key, '')
    expect(await read(key)).toBe('')
    expect(await read(key, two)).toBe('')
    expect(await read(key, one)).toBe('one')
    expect(await read(key, 'null')).toBe('zero')
    expect(one < two).toBe(true)
  })

  test('a directory without bytes from before is a version as well', async () => {
    await put(namespace, 'docs', key, '')
    await setStatus('Enabled')
    const { eTag, lastModified } = await namespace.objects.stat({ bucket: 'docs', key })
    await putId(key, 'one')
    const stat = await namespace.objects.stat({ bucket: 'docs', key, versionId: 'null' })
    expect(stat).toMatchObject({ eTag, lastModified, versionId: 'null', sizeBytes: 0 })
    await remove(key, (await namespace.objects.stat({ bucket: 'docs', key })).versionId)
    expect(await read(key)).toBe('')
  })

  test('DELETE hides the key behind a marker; deleting the marker brings it back', async () => {
    await setStatus('Enabled')
    const one = await putId(key, 'one')
    const two = await putId(key, 'two')
    const marker = await remove(key)
    expect(marker).toEqual({ changed: true, versionId: expect.any(String), deleteMarker: true })
    expect(await read(key)).toBe('NoSuchKey')
    await expect(namespace.objects.stat({ bucket: 'docs', key })).rejects.toMatchObject({
      detail: { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.versionId },
    })
    expect(await read(key, marker.versionId)).toBe('MethodNotAllowed')
    expect(await read(key, two)).toBe('two')
    expect(await remove(key, marker.versionId)).toEqual({ ...marker, deleteMarker: true })
    expect(await read(key)).toBe('two')
    expect(await remove(key, two)).toEqual({ changed: true, versionId: two, deleteMarker: false })
    expect(await read(key)).toBe('one')
    expect(await read(key, two)).toBe('NoSuchVersion')
    expect((await remove(key, two)).changed).toBe(false)
    await remove(key, one)
    expect(await read(key)).toBe('NoSuchKey')
    expect(await readdir(fixture.inBucket('.s3/versions'))).toEqual([])
    expect(await readdir(fixture.inBucket())).toEqual(['.s3'])
  })

  test('a suspended bucket has one null version, which is replaced; what has an id stays', async () => {
    await setStatus('Enabled')
    const one = await putId(key, 'one')
    await setStatus('Suspended')
    expect(await putId(key, 'null 1')).toBe('none')
    await putId(key, 'null 2')
    expect(await read(key)).toBe('null 2')
    expect((await namespace.objects.stat({ bucket: 'docs', key })).versionId).toBe('null')
    expect(await read(key, one)).toBe('one')
    await setStatus('Enabled')
    const three = await putId(key, 'three')
    expect(await read(key, 'null')).toBe('null 2')
    await setStatus('Suspended')
    await putId(key, 'null 3')
    expect(await read(key, 'null')).toBe('null 3')
    expect(await remove(key)).toEqual({ changed: true, versionId: 'null', deleteMarker: true })
    expect(await read(key, 'null')).toBe('MethodNotAllowed')
    expect(await read(key)).toBe('NoSuchKey')
    await remove(key, 'null')
    expect(await read(key)).toBe('three')
    await remove(key, three)
    await remove(key, one)
    expect(await readdir(fixture.inBucket('.s3/versions'))).toEqual([])
  })
})

test('a key that never was can be deleted, which makes a marker (P-170)', async () => {
  await setStatus('Enabled')
  const { versionId } = await remove('k')
  expect(await read('k', versionId)).toBe('MethodNotAllowed')
  await remove('k', versionId)
  expect(await readdir(fixture.inBucket('.s3/versions'))).toEqual([])
})

test('a version id is none of ours, is not there, or is of a bucket that never was versioned', async () => {
  await put(namespace, 'docs', 'k', 'zero')
  expect(await read('k', '0'.repeat(26))).toBe('InvalidArgument')
  expect(await read('k', 'null')).toBe('zero')
  await setStatus('Enabled')
  expect(await read('k', 'nonsense')).toBe('InvalidArgument')
  expect(await read('k', '0'.repeat(26))).toBe('NoSuchVersion')
  expect(await codeOf(remove('k', 'nonsense'))).toBe('InvalidArgument')
})

test('a condition on PUT and DELETE sees the current version, and nothing behind a marker', async () => {
  await setStatus('Enabled')
  await putId('k', 'one')
  await remove('k')
  const seen: unknown[] = []
  const precondition = (current: unknown) => void seen.push(current)
  await namespace.objects.put({ bucket: 'docs', key: 'k' }, plain, bodyOf('two'), { precondition })
  await namespace.objects.remove({ bucket: 'docs', key: 'k' }, { precondition })
  expect(seen).toEqual([undefined, expect.objectContaining({ sizeBytes: 3 })])
})

test('a version under retention or legal hold is not removed, but may be hidden (P-196)', async () => {
  await setStatus('Enabled')
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const make = async (locked: object) =>
    (await put(namespace, 'docs', 'k', 'x', { ...plain, ...locked })).stat.versionId
  const held = await make({ legalHold: true })
  const compliance = await make({ retention: { mode: 'COMPLIANCE', until } })
  const governance = await make({ retention: { mode: 'GOVERNANCE', until } })
  const past = await make({ retention: { mode: 'COMPLIANCE', until: '2020-01-01T00:00:00.000Z' } })
  const at = (versionId: string | undefined) => ({ bucket: 'docs', key: 'k', versionId })
  for (const id of [held, compliance, governance]) expect(await codeOf(remove('k', id))).toBe('AccessDenied')
  for (const id of [held, compliance])
    expect(await codeOf(namespace.objects.remove(at(id), { bypassGovernance: true }))).toBe('AccessDenied')
  expect((await remove('k')).deleteMarker).toBe(true)
  await namespace.objects.remove(at(governance), { bypassGovernance: true })
  await remove('k', past)
  expect(await read('k', held)).toBe('x')
})

test('a copy onto itself makes a version, and an older version can be copied from', async () => {
  await setStatus('Enabled')
  const one = await putId('k', 'one')
  const at = { bucket: 'docs', key: 'k' }
  const copied = await namespace.objects.copy(at, at, { describe: () => plain })
  expect(copied.stat.versionId).not.toBe(one)
  await putId('k', 'two')
  await namespace.objects.copy({ ...at, versionId: one }, at, { describe: () => plain })
  expect(await read('k')).toBe('one')
  await remove('k')
  expect(await codeOf(namespace.objects.copy(at, at, { describe: () => plain }))).toBe('NoSuchKey')
  await namespace.objects.copy({ ...at, versionId: one }, { bucket: 'docs', key: 'l' }, { describe: () => plain })
  expect(await read('l')).toBe('one')
})

test('a completed upload is a version; a repeated Complete answers its id, also when it was overwritten', async () => {
  await setStatus('Enabled')
  const one = await putId('k', 'one')
  const at = { bucket: 'docs', key: 'k' }
  const { uploadId } = await namespace.uploads.begin(at, plain, undefined)
  const part = await namespace.uploads.putPart({ ...at, uploadId }, 1, bodyOf('two'))
  const parts = [{ partNumber: 1, eTag: part.eTag, checksums: {} }]
  const { stat } = await namespace.uploads.complete({ ...at, uploadId }, parts, {})
  expect(await read('k', stat.versionId)).toBe('two')
  expect(await read('k', one)).toBe('one')
  await putId('k', 'three')
  expect((await namespace.uploads.complete({ ...at, uploadId }, parts, {})).stat.versionId).toBe(stat.versionId)
  expect(await read('k')).toBe('three')
})

test('an object and the keys below it keep their versions apart', async () => {
  await setStatus('Enabled')
  const a1 = await putId('a', 'a1')
  const b1 = await putId('a/b', 'b1')
  const a2 = await putId('a', 'a2')
  await putId('a/b', 'b2')
  const marker = await remove('a')
  expect(await read('a/b', b1)).toBe('b1')
  await remove('a', marker.versionId)
  expect(await read('a')).toBe('a2')
  await remove('a', a2)
  expect(await read('a')).toBe('a1')
  await remove('a', a1)
  expect(await read('a/b')).toBe('b2')
})

describe('file users', () => {
  const file = (name = 'k') => fixture.inBucket(name)

  test('a file that is dropped over older versions, with a time of last year, is the latest; no version is lost', async () => {
    await setStatus('Enabled')
    const one = await putId('k', 'one')
    const two = await putId('k', 'two')
    await rm(file())
    expect(await read('k')).toBe('NoSuchKey')
    expect(await read('k', one)).toBe('one')
    const marker = await remove('k')
    await writeFile(file(), 'dropped')
    await utimes(file(), 1, 1)
    const { eTag } = await namespace.objects.stat({ bucket: 'docs', key: 'k' })
    const three = await putId('k', 'three')
    expect(await read('k', one)).toBe('one')
    expect(await read('k', marker.versionId)).toBe('MethodNotAllowed')
    await remove('k', three)
    expect(await read('k')).toBe('dropped')
    expect((await namespace.objects.stat({ bucket: 'docs', key: 'k' })).eTag).toBe(eTag)
    expect(await read('k', two)).toBe('NoSuchVersion')
  })

  test('a foreign file is the null version, with the ETag that it had', async () => {
    await writeFile(file(), 'dropped')
    await setStatus('Enabled')
    const { eTag, owner } = await namespace.objects.stat({ bucket: 'docs', key: 'k' })
    await putId('k', 'one')
    expect(await namespace.objects.stat({ bucket: 'docs', key: 'k', versionId: 'null' })).toMatchObject({ eTag, owner })
    expect(await read('k', 'null')).toBe('dropped')
  })

  test('a version rewritten in place stays that version, with its new bytes', async () => {
    await setStatus('Enabled')
    const one = await putId('k', 'one')
    await writeFile(file(), 'rewritten')
    const { eTag } = await namespace.objects.stat({ bucket: 'docs', key: 'k', versionId: one })
    expect(eTag).toMatch(/-0$/)
    await putId('k', 'two')
    expect(await read('k', one)).toBe('rewritten')
    expect((await namespace.objects.stat({ bucket: 'docs', key: 'k', versionId: one })).eTag).toBe(eTag)
  })

  test('the current version is a plain file with the current bytes', async () => {
    await setStatus('Enabled')
    await putId('k', 'one')
    await putId('k', 'two')
    expect(await readFile(file(), 'utf8')).toBe('two')
  })
})

test('two workers writing and deleting one key lose no version', async () => {
  await setStatus('Enabled')
  const other = (await fixture.another()).as(alice)
  const made = new Map<string, string>()
  const write = async (worker: Namespace, content: string) => {
    const { stat } = await put(worker, 'docs', 'k', content)
    made.set(stat.versionId ?? '', content)
  }
  const work = Array.from({ length: 40 }, (_, index) => {
    const worker = index % 2 === 0 ? namespace : other
    return index % 5 === 4
      ? worker.objects
          .remove({ bucket: 'docs', key: 'k' }, {})
          .then(({ versionId = '' }) => made.set(versionId, 'MethodNotAllowed'))
      : write(worker, `content ${index}`)
  })
  await Promise.all(work)
  expect(made.size).toBe(40)
  for (const [id, content] of made) expect(await read('k', id)).toBe(content)
  expect(await get(namespace, 'docs', 'k').catch(() => 'MethodNotAllowed')).toBe([...made].sort().at(-1)?.[1])
})
