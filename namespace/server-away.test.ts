/** A bucket on a mount whose server goes away, beside one on the namespace root: who is told what, and what is there afterwards. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FileCalls } from './files.ts'
import type { OpenNamespace } from './namespace.ts'
import {
  alice,
  bodyOf,
  codeOf,
  type Fixture,
  get,
  listAll,
  makeDirectory,
  openFixture,
  plain,
  put,
  removeDirectory,
} from './testing/fixture.ts'
import { hangingFiles } from './testing/hanging-files.ts'
import type { Namespace } from './verbs.ts'

const callTimeoutMs = 1000
const longCallTimeoutMs = 2000
const mebibyte = 1024 * 1024

let server: ReturnType<typeof hangingFiles>
let far: string
let fixture: Fixture
let namespace: Namespace
let changes: number

/** `docs` on the namespace root, `far` on the further one. */
beforeEach(async () => {
  // Deadlines pass when the test says so; what the tree does meanwhile takes its own time.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  server = hangingFiles()
  far = await makeDirectory()
  changes = 0
  fixture = await openFixture({
    roots: [far],
    durability: 'strict',
    threads: 16,
    callTimeoutMs,
    longCallTimeoutMs,
    lockTimeoutMs: 300,
    openFiles: server.openFiles,
    openPulse: server.openPulse,
    reach: server.reach,
    rootsChanged: () => {
      changes += 1
    },
  })
  namespace = fixture.namespace
  await namespace.buckets.create('docs')
  await mkdir(join(far, 'bucket'))
  await namespace.buckets.map('far', join(far, 'bucket'), alice)
  await put(namespace, 'far', 'k', 'old')
  await put(namespace, 'far', 'large', Buffer.alloc(mebibyte))
})

afterEach(async () => {
  await server.release()
  vi.useRealTimers()
  await fixture.close()
  await removeDirectory(far)
})

/** Until every deadline is over. */
const timePasses = () => vi.advanceTimersByTimeAsync(2 * longCallTimeoutMs)

const isHanging = () => vi.waitFor(() => expect(server.hanging().length).toBeGreaterThan(0))

/** Descriptors of lock files stay for a second. */
const nothingIsLeft = () =>
  vi.waitFor(
    async () => {
      expect(fixture.open.load().hung).toBe(0)
      expect(server.open()).toEqual([])
      const names = await readdir(join(far, 'bucket'), { recursive: true })
      expect(names.filter((name) => /(^|\/)\.s3-|\/(data|claim)\.|\.tmp$/.test(name))).toEqual([])
    },
    { timeout: 10_000, interval: 50 },
  )

const works = async (bucket: string): Promise<void> => {
  await put(namespace, bucket, 'a/b', 'new')
  expect(await get(namespace, bucket, 'a/b')).toBe('new')
  expect(await listAll(namespace, bucket)).toContain('a/b')
  await namespace.objects.remove({ bucket, key: 'a/b' }, {})
  expect(await listAll(namespace, bucket)).not.toContain('a/b')
}

const requests: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['PutObject', () => put(namespace, 'far', 'k', 'new')],
  ['GetObject', () => get(namespace, 'far', 'large')],
  ['HeadObject', () => namespace.objects.stat({ bucket: 'far', key: 'k' })],
  ['DeleteObject', () => namespace.objects.remove({ bucket: 'far', key: 'k' }, {})],
  ['ListObjects', () => listAll(namespace, 'far')],
  ['CopyObject', () => copy('far', 'docs')],
  ['CopyObject to it', () => copy('docs', 'far')],
  ['CreateMultipartUpload', () => namespace.uploads.begin({ bucket: 'far', key: 'k' }, plain, undefined)],
  ['ListMultipartUploads', () => namespace.uploads.list('far', '')],
]

const copy = (source: string, target: string): Promise<unknown> =>
  namespace.objects.copy({ bucket: source, key: 'k' }, { bucket: target, key: 'k' }, { describe: () => plain })

test('a root that hangs: its buckets are SlowDown in bounded time, others go on, and it works again without a restart', async () => {
  await put(namespace, 'docs', 'k', 'here')
  server.hang(far)
  const underWay = requests.map(([, request]) => codeOf(request()))
  await isHanging()
  await works('docs')
  expect((await namespace.buckets.list()).map(({ name }) => name)).toEqual(['docs', 'far'])
  await timePasses()
  expect(await Promise.all(underWay)).toEqual(requests.map(() => 'SlowDown'))
  expect(fixture.open.troubles()).toEqual([{ path: far, isMain: false, trouble: 'does not answer' }])

  // Now it is known: nobody waits, and nothing more piles up behind it.
  const hung = server.hanging().length
  for (const [, request] of requests) expect(await codeOf(request())).toBe('SlowDown')
  expect(server.hanging()).toHaveLength(hung)
  await works('docs')
  expect((await namespace.buckets.list()).map(({ name }) => name)).toEqual(['docs', 'far'])

  await server.release()
  await vi.waitFor(() => expect(fixture.open.troubles()).toEqual([]))
  expect(changes).toBe(2)
  await nothingIsLeft()
  await works('far')
  await nothingIsLeft()
})

describe('a worker that starts', () => {
  const start = () => {
    changes = 0
    return fixture.another({ callTimeoutMs: 100 })
  }
  const bucketsOn = async (worker: OpenNamespace) => {
    const through = worker.as(alice)
    expect((await through.buckets.list()).map(({ name }) => name)).toEqual(['docs', 'far'])
    await put(through, 'docs', 'k', 'here')
    expect(await get(through, 'docs', 'k')).toBe('here')
    return Promise.all(['docs', 'far'].map((bucket) => codeOf(put(through, bucket, 'started', 'x'))))
  }

  test.each<{ when: string; calls?: readonly (keyof FileCalls)[] }>([
    { when: 'hangs' },
    { when: 'goes away while it is probed', calls: ['makeDirectory', 'writeAttribute'] },
  ])('while a further root $when serves the others, and that one when it answers', async ({ calls }) => {
    server.hang(far, calls)
    const starting = start()
    if (calls !== undefined) {
      await isHanging()
      await timePasses()
    }
    const worker = await starting
    expect(worker.troubles()).toEqual([{ path: far, isMain: false, trouble: 'does not answer' }])
    expect(changes).toBeGreaterThan(0)
    expect(await bucketsOn(worker)).toEqual([undefined, 'SlowDown'])
    await server.release()
    await vi.waitFor(() => expect(worker.troubles()).toEqual([]), 10_000)
    expect(await bucketsOn(worker)).toEqual([undefined, undefined])
    expect(await get(worker.as(alice), 'far', 'k')).toBe('old')
  })

  test('and is closed before the root has answered leaves nothing open', async () => {
    server.hang(far)
    const before = server.open()
    const worker = await start()
    await worker.close()
    await server.release()
    expect(server.open()).toEqual(before)
  })
})

test('a namespace root that hangs is told, and answers again by itself', async () => {
  server.hang(fixture.directory)
  const underWay = codeOf(namespace.buckets.list())
  await timePasses()
  expect(await underWay).toBe('SlowDown')
  expect(fixture.open.troubles()).toMatchObject([{ path: fixture.directory, isMain: true }])
  await server.release()
  await vi.waitFor(() => expect(fixture.open.troubles()).toEqual([]))
  await works('docs')
})

test('a server that goes in the middle of a body leaves no temporary, when it is back', async () => {
  async function* chunks(): AsyncGenerator<Buffer> {
    yield Buffer.from('one')
    server.hang(far)
    yield Buffer.from('two')
  }
  const body = { ...bodyOf('onetwo'), bytes: chunks() }
  const underWay = codeOf(namespace.objects.put({ bucket: 'far', key: 'k' }, plain, body, {}))
  await isHanging()
  await timePasses()
  expect(await underWay).toBe('SlowDown')
  expect((await readdir(join(far, 'bucket'))).filter((name) => name.startsWith('.s3-'))).toHaveLength(1)
  await server.release()
  await nothingIsLeft()
  expect(await get(namespace, 'far', 'k')).toBe('old')
})

// Only these calls hang, those of before and after are answered: where a request can be when its server goes.
const stages: readonly (readonly [keyof FileCalls, string, () => Promise<unknown>])[] = [
  ['create', 'PutObject', () => put(namespace, 'far', 'k', 'new')],
  ['write', 'PutObject', () => put(namespace, 'far', 'k', 'new')],
  ['stat', 'PutObject', () => put(namespace, 'far', 'k', 'new')],
  ['publish', 'PutObject', () => put(namespace, 'far', 'k', 'new')],
  ['lock', 'PutObject', () => put(namespace, 'far', 'k', 'new')],
  ['makeDirectory', 'PutObject', () => put(namespace, 'far', 'd/k', 'new')],
  ['find', 'GetObject', () => get(namespace, 'far', 'large')],
  ['flushDirectory', 'DeleteObject', () => namespace.objects.remove({ bucket: 'far', key: 'k' }, {})],
  ['unlink', 'DeleteObject', () => namespace.objects.remove({ bucket: 'far', key: 'k' }, {})],
  ['scan', 'ListObjects', () => listAll(namespace, 'far')],
  ['copyRange', 'CopyObject', () => copyWithin('large', 'k')],
  ['rename', 'CreateMultipartUpload', () => namespace.uploads.begin({ bucket: 'far', key: 'k' }, plain, undefined)],
]

const copyWithin = (from: string, to: string): Promise<unknown> =>
  namespace.objects.copy({ bucket: 'far', key: from }, { bucket: 'far', key: to }, { describe: () => plain })

test.each(stages)(
  '%s hangs in %s: SlowDown, and afterwards no descriptor, no temporary, no lock is left',
  async (call, _name, request) => {
    server.hang(far, [call])
    const underWay = codeOf(request())
    await isHanging()
    await works('docs')
    await timePasses()
    expect(await underWay).toBe('SlowDown')
    await server.release()
    await nothingIsLeft()
    await works('far')
    await put(namespace, 'far', 'k', 'newest')
    expect(await get(namespace, 'far', 'k')).toBe('newest')
  },
)

test('a publication that was given up keeps its key until it has come back: it never comes over a later one', async () => {
  server.hang(far, ['publish'])
  const late = codeOf(put(namespace, 'far', 'k', 'late'))
  await isHanging()
  await timePasses()
  expect(await late).toBe('SlowDown')
  server.pass()
  // Other keys are not concerned.
  await works('far')
  expect(await codeOf(put(namespace, 'far', 'k', 'too early'))).toBe('SlowDown')
  await server.release()
  await vi.waitFor(async () => expect(await codeOf(put(namespace, 'far', 'k', 'later'))).toBeUndefined(), 10_000)
  await nothingIsLeft()
  expect(await readFile(join(far, 'bucket', 'k'), 'utf8')).toBe('later')
})

test('a part that was given up in its slot never writes over the part that was sent again', async () => {
  const target = { bucket: 'far', key: 'multi' }
  const { uploadId } = await namespace.uploads.begin(target, plain, undefined)
  const send = (partNumber: number, letter: string) =>
    namespace.uploads.putPart({ ...target, uploadId }, partNumber, bodyOf(Buffer.alloc(5 * mebibyte, letter)))
  const first = await send(1, 'a')
  server.hang(far, ['write'])
  const late = codeOf(send(2, 'b'))
  await isHanging()
  await timePasses()
  expect(await late).toBe('SlowDown')
  server.pass()
  const again = await send(2, 'c')
  await server.release()
  await vi.waitFor(() => expect(fixture.open.load().hung).toBe(0))
  const parts = [first, again].map(({ partNumber, eTag }) => ({ partNumber, eTag, checksums: {} }))
  await namespace.uploads.complete({ ...target, uploadId }, parts, {})
  const bytes = await readFile(join(far, 'bucket', 'multi'))
  expect(bytes.length).toBe(10 * mebibyte)
  expect([bytes.indexOf('b'), bytes.indexOf('c'), bytes.lastIndexOf('a')]).toEqual([-1, 5 * mebibyte, 5 * mebibyte - 1])
  await nothingIsLeft()
})
