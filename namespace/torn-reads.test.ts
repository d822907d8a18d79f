/**
 * Who reads takes no lock: it looks at a key's file, and then at what lies behind it. A writer between the two looks, before any call of the reader,
 * must not be seen by halves.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, type DocsFixture, openDocs, put } from './testing/fixture.ts'
import { type PausingFiles, pausingFiles } from './testing/pausing-files.ts'
import type { Namespace, VersionQuery } from './verbs.ts'

let fixture: DocsFixture
let files: PausingFiles
let reader: Namespace
let writer: Namespace

beforeEach(async () => {
  files = pausingFiles()
  fixture = await openDocs()
  writer = fixture.namespace
  await writer.documents.write('docs', 'versioning', { status: 'Enabled' })
  reader = (await fixture.another({ openFiles: files.openFiles })).as(alice)
})

afterEach(() => fixture.close())

type Act = (key: string) => Promise<unknown>
const write: Act = (key) => put(writer, 'docs', key, 'x')
const hide: Act = (key) => writer.objects.remove({ bucket: 'docs', key }, {})
const removeLatest: Act = async (key) => {
  const versionId = (await list(writer, key))[0]
  await writer.objects.remove({ bucket: 'docs', key, versionId }, {})
}

const removeOlder: Act = async (key) => {
  const versionId = (await list(writer, key))[1]
  await writer.objects.remove({ bucket: 'docs', key, versionId }, {})
}

const pageOf = (key: string): VersionQuery => ({
  bucket: 'docs',
  prefix: key,
  delimiter: '',
  keyMarker: '',
  versionIdMarker: undefined,
  max: 1000,
})

async function list(namespace: Namespace, key: string): Promise<readonly string[]> {
  const { entries } = await namespace.objects.listVersions(pageOf(key))
  return entries.flatMap((entry) => ('key' in entry ? [entry.versionId] : []))
}

/** What a client is told of the key: that it is there, or the marker that hides it. */
async function look(key: string): Promise<string> {
  try {
    await reader.objects.stat({ bucket: 'docs', key })
    return 'is there'
  } catch (error) {
    if (error instanceof NamespaceError) return `${error.code}, marker ${error.detail['x-amz-delete-marker'] ?? 'none'}`
    throw error
  }
}

const befores: Readonly<Record<string, readonly Act[]>> = {
  'a version': [write],
  'two versions': [write, write],
  'a marker': [write, hide],
}
const meanwhiles: Readonly<Record<string, readonly Act[]>> = {
  'a PUT': [write],
  'two PUTs': [write, write],
  'a DELETE': [hide],
  'a PUT and a DELETE': [write, hide],
  'a DELETE and a PUT': [hide, write],
  'two PUTs, the second one removed': [write, write, removeLatest],
}
const cases = Object.entries(befores).flatMap(([where, before]) =>
  Object.entries(meanwhiles).map(([does, meanwhile]) => ({ where, before, does, meanwhile })),
)

/** `read` of a fresh key, paused before one call after the other. */
async function pausedAnywhere({ before, meanwhile }: (typeof cases)[number], read: Act): Promise<void> {
  for (let calls = 0, isOver = false; !isOver; calls += 1) {
    const key = `k${calls}-`
    for (const act of before) await act(key)
    isOver = true
    files.pauseAfter(
      calls,
      async () => {
        isOver = false
        for (const act of meanwhile) await act(key)
      },
      'keeping its locks',
    )
    await read(key)
    await files.forget()
  }
}

test.each(cases)('HEAD beside $where, while there is $does, tells of the object or of its marker', async (each) => {
  await pausedAnywhere(each, async (key) => {
    expect(['is there', 'NoSuchKey, marker true'], files.log().join('\n')).toContain(await look(key))
  })
})

test.each(cases)('a page of versions beside $where, while there is $does, has the newest first', async (each) => {
  await pausedAnywhere(each, async (key) => {
    const ids = await list(reader, key)
    expect(ids.length).toBeGreaterThan(0)
    expect(ids, files.log().join('\n')).toEqual([...ids].sort().reverse())
  })
})

test('a page that ends inside a key is no shorter for a version that is removed while it is made', async () => {
  const acts = { before: [write, write, write, write], meanwhile: [removeOlder], where: 'four', does: 'a removal' }
  await pausedAnywhere(acts, async (key) => {
    const there = await list(writer, key)
    const page = await reader.objects.listVersions({ ...pageOf(key), max: 2 })
    const next = page.next && (await reader.objects.listVersions({ ...pageOf(key), ...page.next }))
    const shown = [...page.entries, ...(next?.entries ?? [])].map((entry) => ('key' in entry ? entry.versionId : ''))
    const removed = there[1]
    expect(
      shown.filter((id) => id !== removed),
      files.log().join('\n'),
    ).toEqual(there.filter((id) => id !== removed))
  })
})
