/**
 * A writer that has looked before it writes, and is paused before any one of its calls for so long that its locks are gone, never changes what
 * others have written meanwhile (design section 5). `locksExpire` has the fencing of a server's mount on a local file system.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, bodyOf, codeOf, type DocsFixture, get, openDocs, plain, put } from './testing/fixture.ts'
import { type PausingFiles, pausingFiles } from './testing/pausing-files.ts'
import type { Namespace, ObjectStat, Precondition } from './verbs.ts'

let fixture: DocsFixture
let files: PausingFiles
/** The machine that is paused, and the one that is not. */
let paused: Namespace
let other: Namespace

beforeEach(async () => {
  files = pausingFiles()
  fixture = await openDocs({ locksExpire: true })
  other = fixture.namespace
  const machine = await fixture.another({ openFiles: files.openFiles })
  paused = machine.as(alice)
})

afterEach(() => fixture.close())

const failed = () => new NamespaceError('ConditionalRequestConflict')
const ifMatch =
  (eTag: string | undefined): Precondition =>
  (current) => {
    if (eTag === undefined || current?.eTag !== eTag) throw failed()
  }
const ifNoneMatch: Precondition = (current) => {
  if (current !== undefined) throw failed()
}

type Where = { readonly bucket: string; readonly key: string }
type Before = { readonly at: Where; readonly eTag: string | undefined }

/** The end of it: some are large. */
const contents = (namespace: Namespace, key: string): Promise<string> =>
  get(namespace, 'docs', key)
    .then((text) => text.slice(-6))
    .catch((error: unknown) => (error instanceof NamespaceError ? error.code : String(error)))

/** The smallest part that goes into a slot of the assembly. */
const slotBytes = 5 * 2 ** 20
const slotted = Buffer.concat([Buffer.alloc(slotBytes - 6), Buffer.from('paused')])

/** Each is prepared on the other machine, and answers what the paused one then does. */
const verbs: Readonly<Record<string, (before: Before) => Promise<() => Promise<unknown>>>> = {
  'PUT with If-Match':
    async ({ at, eTag }) =>
    () =>
      paused.objects.put(at, plain, bodyOf('paused'), { precondition: ifMatch(eTag) }),
  'copy with If-Match': async ({ at, eTag }) => {
    await put(other, 'docs', 'source', 'paused')
    const source = { bucket: 'docs', key: 'source' }
    return () => paused.objects.copy(source, at, { describe: () => plain, precondition: ifMatch(eTag) })
  },
  'copy onto itself':
    async ({ at }) =>
    () =>
      paused.objects.copy(at, at, { describe: () => ({ ...plain, metadata: { by: 'paused' } }) }),
  'Complete with If-Match, by assembly': ({ at, eTag }) => completing(at, slotted, ifMatch(eTag)),
  'Complete with If-Match, by copying': ({ at, eTag }) => completing(at, Buffer.from('paused'), ifMatch(eTag)),
  'DELETE with If-Match':
    async ({ at, eTag }) =>
    () =>
      paused.objects.remove(at, { precondition: ifMatch(eTag) }),
}
const creating: typeof verbs = {
  'PUT with If-None-Match':
    async ({ at }) =>
    () =>
      paused.objects.put(at, plain, bodyOf('paused'), { precondition: ifNoneMatch }),
  'Complete with If-None-Match': ({ at }) => completing(at, slotted, ifNoneMatch),
}

async function completing(at: Where, part: Buffer, precondition: Precondition) {
  const upload = { ...at, uploadId: (await other.uploads.begin(at, plain, undefined)).uploadId }
  const { partNumber, eTag } = await other.uploads.putPart(upload, 1, bodyOf(part, 2 ** 20))
  return () => paused.uploads.complete(upload, [{ partNumber, eTag, checksums: {} }], { precondition })
}

/** What the other machine does meanwhile; all of it is acknowledged. */
const meanwhile: Readonly<Record<string, (at: Where) => Promise<unknown>>> = {
  'a plain PUT': (at) => other.objects.put(at, plain, bodyOf('other!'), {}),
  'a PUT that looked': async (at) => {
    const current = await statOrNone(at)
    const precondition = current === undefined ? ifNoneMatch : ifMatch(current.eTag)
    await other.objects.put(at, plain, bodyOf('other!'), { precondition })
  },
  'a DELETE': (at) => other.objects.remove(at, {}),
  'a PUT, then a DELETE that looked': async (at) => {
    const { stat } = await other.objects.put(at, plain, bodyOf('other!'), {})
    await other.objects.remove(at, { precondition: ifMatch(stat.eTag) })
  },
}

const statOrNone = (at: Where): Promise<ObjectStat | undefined> =>
  other.objects.stat(at).catch((error: unknown) => {
    if (error instanceof NamespaceError && error.code === 'NoSuchKey') return undefined
    throw error
  })

const cases = [
  ...Object.entries(verbs).map(([name, verb]) => ({ name, verb, first: 'first!' as const })),
  ...Object.entries(creating).map(([name, verb]) => ({ name, verb, first: undefined })),
].flatMap((each) => Object.entries(meanwhile).map(([does, act]) => ({ ...each, does, act })))

describe('paused before every one of its calls', () => {
  test.each(cases)('$name never undoes $does', { timeout: 300_000 }, async ({ name, verb, first, act }) => {
    let isOver = false
    let stopped = 0
    for (let calls = 0; !isOver; calls += 1) {
      const at = { bucket: 'docs', key: `key-${calls}` }
      const eTag = first && (await put(other, 'docs', at.key, first)).stat.eTag
      const run = await verb({ at, eTag })
      const before = await contents(other, at.key)
      let wasDone = false
      let after = ''
      isOver = true
      files.pauseAfter(calls, async () => {
        isOver = false
        const now = await contents(other, at.key)
        wasDone = now !== before || (await statOrNone(at))?.metadata.by === 'paused'
        await act(at)
        after = await contents(other, at.key)
      })
      const refusal = await codeOf(run())
      await files.forget()
      if (isOver) {
        expect(refusal, 'undisturbed').toBe(undefined)
        break
      }
      stopped += 1
      const said = `paused after ${calls} calls, ${refusal ?? 'acknowledged'}:\n${files.log().join('\n')}`
      const now = await contents(other, at.key)
      // Whoever asks for absence may come after a DELETE, and a copy onto itself after anything.
      if (now !== after) expect({ now, after, first, refusal }, said).toEqual({ now: 'paused', after: 'NoSuchKey' })
      else if (!wasDone && refusal === undefined && name !== 'copy onto itself')
        expect.unreachable(`acknowledged, though another writer came between. ${said}`)
    }
    expect(stopped).toBeGreaterThan(5)
  })
})

test('nothing is left armed when all is over', async () => {
  for (const [name, verb] of Object.entries({ ...verbs, ...creating })) {
    const at = { bucket: 'docs', key: name }
    const eTag = name in verbs ? (await put(other, 'docs', name, 'first!')).stat.eTag : undefined
    await (await verb({ at, eTag }))()
  }
  expect((await readdir(fixture.inBucket())).filter((name) => name.startsWith('.s3-'))).toEqual([])
})

test('a Complete that was fenced leaves a pending upload, whose next Complete publishes', async () => {
  const at = { bucket: 'docs', key: 'k' }
  const first = (await put(other, 'docs', 'k', 'first!')).stat.eTag
  for (let calls = 0; ; calls += 1) {
    await put(other, 'docs', 'k', 'first!')
    const run = await completing(at, slotted, ifMatch(first))
    let wasPaused = false
    files.pauseAfter(calls, async () => {
      wasPaused = true
      if ((await contents(other, 'k')) === 'first!') await put(other, 'docs', 'k', 'other!')
    })
    const refusal = await codeOf(run())
    await files.forget()
    if (!wasPaused) break
    if (refusal !== undefined) {
      expect(await contents(other, 'k')).toBe('other!')
      await put(other, 'docs', 'k', 'first!')
      await run()
    }
    expect((await other.objects.stat(at)).sizeBytes).toBe(slotted.length)
  }
})

test('a removal that was cut off half way is ended by the next writer', async () => {
  let ended = 0
  // Each time one call further, on a machine that comes back only when all has been looked at (on NFS, what it has open stays in the directory).
  for (let calls = 0; ; calls += 1) {
    const at = { bucket: 'docs', key: `k${calls}` }
    const { eTag } = (await put(other, 'docs', at.key, 'first!')).stat
    const dying = pausingFiles()
    const machine = await fixture.another({ openFiles: dying.openFiles })
    const comesBack = Promise.withResolvers<void>()
    const died = new Promise<boolean>((resolve) => {
      dying.pauseAfter(calls, () => {
        resolve(true)
        return comesBack.promise
      })
    })
    const removal = machine.as(alice).objects.remove(at, { precondition: ifMatch(eTag) })
    const wasPaused = await Promise.race([died, removal.then(() => false)])
    if (!wasPaused) {
      await dying.forget()
      break
    }
    const found = await contents(other, at.key)
    const refusal = await codeOf(other.objects.put(at, plain, bodyOf('x'), { precondition: ifNoneMatch }))
    expect(refusal).toBe(found === 'NoSuchKey' ? undefined : 'ConditionalRequestConflict')
    expect((await readdir(fixture.inBucket(), { recursive: true })).filter((name) => name.endsWith(at.key))).toEqual([
      at.key,
    ])
    if (found === 'NoSuchKey') ended += 1
    comesBack.resolve()
    await removal.catch(() => undefined)
  }
  expect(ended).toBeGreaterThan(1)
})

test('a removal beside a file user who rewrites the file is refused, or takes it away for good', async () => {
  const removed: (readonly string[])[] = []
  for (let calls = 0, isOver = false; !isOver; calls += 1) {
    const at = { bucket: 'docs', key: `k${calls}` }
    const { eTag } = (await put(other, 'docs', at.key, 'first!')).stat
    isOver = true
    let log: readonly string[] = []
    files.pauseAfter(calls, async () => {
      isOver = false
      log = files.log()
      if (existsSync(fixture.inBucket(at.key))) await writeFile(fixture.inBucket(at.key), 'rewritten by a file user')
    })
    const refusal = await codeOf(paused.objects.remove(at, { precondition: ifMatch(eTag) }))
    await files.forget()
    expect(await contents(other, at.key)).toBe(refusal === undefined ? 'NoSuchKey' : 'e user')
    if (refusal === undefined) removed.push(log)
  }
  // Not "paused at the rename itself": what a stat reads varies by a call from pass to pass, so one place may be skipped.
  expect(removed.some((log) => log.some((call) => call.startsWith('rename ')))).toBe(true)
})

const slot = (letter: string) => Buffer.alloc(slotBytes, letter)

test.each([
  { what: 'of another number', partNumber: 2 },
  { what: 'sent again', partNumber: 1 },
])(
  'a part $what, paused before every one of its calls, never reaches the object that is completed meanwhile',
  {
    timeout: 300_000,
  },
  async ({ partNumber }) => {
    let isOver = false
    for (let calls = 0; !isOver; calls += 1) {
      const at = { bucket: 'docs', key: `key-${calls}` }
      const upload = { ...at, uploadId: (await other.uploads.begin(at, plain, undefined)).uploadId }
      const { eTag } = await other.uploads.putPart(upload, 1, bodyOf(slot('o'), 2 ** 20))
      isOver = true
      files.pauseAfter(calls, async () => {
        isOver = false
        // Sent again, the part may have been acknowledged before the pause: then it is the one.
        const [part] = (await other.uploads.listParts(upload, { after: 0, max: 1 })).parts
        await other.uploads.complete(upload, [{ partNumber: 1, eTag: part?.eTag ?? eTag, checksums: {} }], {})
      })
      const letter = async () => (await get(other, 'docs', at.key)).replace(/^(.)\1*$/, '$1')
      const part = paused.uploads.putPart(upload, partNumber, bodyOf(slot('p'), 2 ** 20))
      const refusal = await codeOf(part)
      await files.forget()
      if (isOver) break
      const said = `paused after ${calls} calls, ${refusal ?? 'acknowledged'}:\n${files.log().join('\n')}`
      expect((await other.objects.stat(at)).sizeBytes, said).toBe(slotBytes)
      const now = await letter()
      expect(['o', 'p'], said).toContain(now)
      expect(multipartETag(now), said).toBe((await other.objects.stat(at)).eTag)
    }
  },
)

const multipartETag = (letter: string) =>
  `${createHash('md5')
    .update(createHash('md5').update(slot(letter)).digest())
    .digest('hex')}-1`

test('nor when it wakes up in the middle of the Complete', { timeout: 60_000 }, async () => {
  const completer = pausingFiles()
  const completing = (await fixture.another({ openFiles: completer.openFiles })).as(alice)
  // It does not wait long for what the one that completes holds.
  const late = pausingFiles()
  const sender = (await fixture.another({ openFiles: late.openFiles, lockTimeoutMs: 20 })).as(alice)
  let rounds = 0
  const once = async (partCalls: number, completeCalls: number): Promise<string> => {
    const at = { bucket: 'docs', key: `key-${partCalls}-${completeCalls}` }
    const upload = { ...at, uploadId: (await other.uploads.begin(at, plain, undefined)).uploadId }
    const { eTag } = await other.uploads.putPart(upload, 1, bodyOf(slot('o'), 2 ** 20))
    let complete: Promise<unknown> = Promise.resolve()
    let resume = () => {}
    let reached = 'part over'
    late.pauseAfter(partCalls, async () => {
      const isPaused = new Promise<boolean>((resolve) => {
        completer.pauseAfter(
          completeCalls,
          () => {
            resolve(true)
            return new Promise((go) => {
              resume = go
            })
          },
          'keeping its locks',
        )
        complete = completing.uploads
          .complete(upload, [{ partNumber: 1, eTag, checksums: {} }], {})
          .then(() => resolve(false))
      })
      reached = (await isPaused) ? 'both paused' : 'complete over'
    })
    const refusal = await codeOf(sender.uploads.putPart(upload, 2, bodyOf(slot('p'), 2 ** 20)))
    await late.forget()
    resume()
    await complete
    await completer.forget()
    if (reached === 'both paused') {
      const said = `part ${refusal ?? 'acknowledged'}:\n${late.log().join('\n')}\n\nComplete:\n${completer.log().join('\n')}`
      expect(await get(other, 'docs', at.key), said).toBe(slot('o').toString())
      rounds += 1
    }
    return reached
  }
  // It stops where it is about to claim its slot, having seen that nobody completes.
  // Twice, since the first part also opens the lock file.
  await once(1000, 0)
  await once(1000, 0)
  const partCalls = late.log().findIndex((call) => /^create .*claim/.test(call))
  expect(partCalls, late.log().join('\n')).toBeGreaterThan(0)
  for (let completeCalls = 0; (await once(partCalls, completeCalls)) === 'both paused'; ) completeCalls += 1
  expect(rounds).toBeGreaterThan(10)
})
