/**
 * As fence.test.ts, in a versioned bucket: a writer that is paused before any one of its calls until its locks are gone never costs a version that
 * somebody was told of, and that nobody has removed by its id.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, codeOf, type DocsFixture, openDocs, put } from './testing/fixture.ts'
import { type PausingFiles, pausingFiles } from './testing/pausing-files.ts'
import type { Namespace, Version } from './verbs.ts'

let fixture: DocsFixture
let files: PausingFiles
let paused: Namespace
let other: Namespace

beforeEach(async () => {
  files = pausingFiles()
  fixture = await openDocs({ locksExpire: true })
  other = fixture.namespace
  await other.documents.write('docs', 'versioning', { status: 'Enabled' })
  paused = (await fixture.another({ openFiles: files.openFiles })).as(alice)
})

afterEach(() => fixture.close())

async function read(key: string, versionId: string): Promise<string> {
  try {
    const object = await other.objects.open({ bucket: 'docs', key, versionId })
    const text = object.small?.toString() ?? ''
    await object.close()
    return text
  } catch (error) {
    return error instanceof NamespaceError ? error.code : String(error)
  }
}

/** Of one key: what each version that was acknowledged must say. */
type Acknowledged = Map<string, string>
type Act = (namespace: Namespace, key: string, told: Acknowledged) => Promise<unknown>

/** Versions whose removal by id was acknowledged, and those where it was only asked for: a refused one may have happened. */
let removed: { readonly certainly: Set<string>; readonly perhaps: Set<string> }
beforeEach(() => {
  removed = { certainly: new Set(), perhaps: new Set() }
})

const putText =
  (text: string): Act =>
  async (namespace, key, told) => {
    const { stat } = await put(namespace, 'docs', key, text)
    told.set(stat.versionId ?? '', text)
  }

const hide: Act = async (namespace, key, told) => {
  const { versionId = '' } = await namespace.objects.remove({ bucket: 'docs', key }, {})
  told.set(versionId, 'MethodNotAllowed')
}

async function list(key: string): Promise<readonly Version[]> {
  const page = { bucket: 'docs', prefix: key, delimiter: '', keyMarker: '', versionIdMarker: undefined, max: 1000 }
  const { entries } = await other.objects.listVersions(page)
  return entries.filter((entry) => 'key' in entry)
}

/** Of that which is there when it begins. */
const removeOne =
  (choose: (versions: readonly Version[]) => Version | undefined): Act =>
  async (namespace, key, told) => {
    const versionId = choose(await list(key))?.versionId
    if (versionId === undefined) return
    told.delete(versionId)
    removed.perhaps.add(versionId)
    await namespace.objects.remove({ bucket: 'docs', key, versionId }, {})
    removed.certainly.add(versionId)
  }
const removeLatest = removeOne((versions) => versions.find(({ isLatest }) => isLatest))
const removeOldest = removeOne((versions) => versions.at(-1))

const verbs = {
  PUT: putText('paused'),
  DELETE: hide,
  'DELETE of the latest version': removeLatest,
  'DELETE of the oldest version': removeOldest,
}
const befores: Readonly<Record<string, readonly Act[]>> = {
  nothing: [],
  'two versions': [putText('one'), putText('two')],
  'a marker': [putText('one'), hide],
}
const meanwhiles = {
  'a PUT': [putText('other')],
  'a DELETE': [hide],
  'a DELETE of the latest version': [removeLatest],
  'a PUT, and a DELETE of it': [putText('other'), removeLatest],
  'a DELETE, and a DELETE of its marker': [hide, removeLatest],
  'two PUTs': [putText('other'), putText('more')],
  'a DELETE of the oldest version': [removeOldest],
}

const cases = Object.entries(verbs).flatMap(([name, verb]) =>
  Object.entries(befores).flatMap(([where, before]) =>
    Object.entries(meanwhiles).map(([does, meanwhile]) => ({ name, verb, where, before, does, meanwhile })),
  ),
)

test.each(cases)(
  '$name beside $where, paused before any of its calls, costs no version of $does',
  async (each) => {
    for (let calls = 0, isOver = false; !isOver; calls += 1) {
      const key = `k${calls}-`
      const told: Acknowledged = new Map()
      for (const act of each.before) await act(other, key, told)
      isOver = true
      files.pauseAfter(calls, async () => {
        isOver = false
        for (const act of each.meanwhile) await act(other, key, told)
      })
      const refusal = await codeOf(each.verb(paused, key, told))
      files.forget()
      const said = `paused after ${calls} calls, ${refusal ?? 'acknowledged'}:\n${files.log().join('\n')}`
      expect([undefined, 'SlowDown'], said).toContain(refusal)
      // Of a version that was removed before its writer was told of it.
      for (const id of removed.perhaps) told.delete(id)
      const now = new Map<string, string>()
      for (const id of told.keys()) now.set(id, await read(key, id))
      expect(now, said).toEqual(told)
      const versions = await list(key)
      const ids = versions.map(({ versionId }) => versionId)
      expect(ids, said).toEqual([...new Set(ids)].sort().reverse())
      expect(
        ids.filter((id) => removed.certainly.has(id)),
        said,
      ).toEqual([])
      expect(
        versions.slice(1).filter(({ isLatest }) => isLatest),
        said,
      ).toEqual([])
    }
  },
  60_000,
)
