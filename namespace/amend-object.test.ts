import { execFileSync } from 'node:child_process'
import { mkdir, readFile, rm, stat as statFile, utimes, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { alice, bodyOf, codeOf, type DocsFixture, get, openDocs, plain, put } from './testing/fixture.ts'
import { type WatchedFiles, watchedFiles } from './testing/watched-files.ts'
import type { Amendable, Namespace } from './verbs.ts'

let fixture: DocsFixture
let namespace: Namespace

beforeEach(async () => {
  fixture = await openDocs()
  namespace = fixture.namespace
})

afterEach(() => fixture.close())

const tags = (...keys: readonly string[]) => keys.map((key) => ({ key, value: 'v' }))
const amend = (key: string, to: Amendable, by: Namespace = namespace) =>
  by.objects.amend({ bucket: 'docs', key }, () => to)
const stat = (key: string) => namespace.objects.stat({ bucket: 'docs', key })
/** No file system's attribute takes it (64 KiB): it has a side-car. */
const large = Array.from({ length: 100 }, (_, index) => ({ key: `k${index}`, value: 'v'.repeat(999) }))

test('tags, ACL, retention and hold are what the change says, and nothing else is another', async () => {
  await put(namespace, 'docs', 'k', 'bytes', { ...plain, metadata: { a: 'b' }, tags: tags('old'), legalHold: true })
  const before = await stat('k')
  const retention = { mode: 'GOVERNANCE', until: '2030-01-01T00:00:00.000Z' } as const
  const answer = await namespace.objects.amend({ bucket: 'docs', key: 'k' }, (now) => {
    expect(now).toEqual(before)
    return { tags: tags('new', 'order'), retention }
  })
  const { legalHold: _, ...kept } = before
  expect(answer).toEqual({ ...kept, tags: tags('new', 'order'), retention })
  expect(await stat('k')).toEqual(answer)
  expect(await get(namespace, 'docs', 'k')).toBe('bytes')
})

test('a change that refuses changes nothing, and there must be an object', async () => {
  await put(namespace, 'docs', 'k', 'bytes')
  const before = await stat('k')
  const refused = namespace.objects.amend({ bucket: 'docs', key: 'k' }, () => {
    throw new Error('refused')
  })
  await expect(refused).rejects.toThrow('refused')
  expect(await stat('k')).toEqual(before)
  expect(await codeOf(amend('none', {}))).toBe('NoSuchKey')
  expect(await codeOf(amend('none/', {}))).toBe('NoSuchKey')
  expect(await codeOf(namespace.objects.amend({ bucket: 'nobodys', key: 'k' }, () => ({})))).toBe('NoSuchBucket')
})

test('a record that becomes too large for the attribute moves to a side-car and back', async () => {
  await put(namespace, 'docs', 'k', 'bytes')
  const before = await stat('k')
  await amend('k', { tags: large })
  expect(await stat('k')).toEqual({ ...before, tags: large })
  await amend('k', { tags: tags('small') })
  expect(await stat('k')).toEqual({ ...before, tags: tags('small') })
  await amend('k', { tags: large })
  await amend('k', {})
  expect(await stat('k')).toEqual(before)
})

test('an object that stepped aside is amended where it lies', async () => {
  await put(namespace, 'docs', 'a', 'object')
  await put(namespace, 'docs', 'a/b', 'child')
  await amend('a', { tags: tags('x') })
  expect(await stat('a')).toMatchObject({ tags: tags('x') })
  await namespace.objects.remove({ bucket: 'docs', key: 'a/b' }, {})
  expect(await stat('a')).toMatchObject({ tags: tags('x') })
})

test('a directory that is a key keeps its time, and stays a directory', async () => {
  await put(namespace, 'docs', 'd/', '')
  const before = await stat('d/')
  await amend('d/', { tags: tags('x') })
  expect(await stat('d/')).toEqual({ ...before, tags: tags('x') })
  await amend('d/', {})
  expect(await stat('d/')).toEqual(before)
})

test('a directory on which the record has no room any more becomes a file in it, of the same time and owner', async () => {
  await put(namespace, 'docs', 'd/', '')
  const before = await stat('d/')
  const other = (await fixture.another()).as({ canonicalId: 'b'.repeat(64), displayName: 'bob' })
  await amend('d/', { tags: large }, other)
  const after = await stat('d/')
  expect(after).toEqual({ ...before, tags: large, lastModified: after.lastModified })
  expect(after.lastModified.getTime()).toBe(before.lastModified.getTime())
  expect(await fixture.leftOvers()).toEqual([])
})

test("a file user's file keeps the ETag and the time that it had, and stays the file user's", async () => {
  await writeFile(fixture.inBucket('f.txt'), 'by nfs')
  const before = await stat('f.txt')
  await amend('f.txt', { tags: tags('x') })
  const after = await stat('f.txt')
  expect(after).toEqual({ ...before, tags: tags('x') })
  expect(after.foreign).toBe(true)
  await amend('f.txt', { tags: tags('y') })
  expect((await stat('f.txt')).eTag).toBe(before.eTag)
  // It is still not moved for a key below it.
  expect(await codeOf(put(namespace, 'docs', 'f.txt/below', '1'))).toBe(
    await codeOf(writeFile(fixture.inBucket('g'), '1').then(() => put(namespace, 'docs', 'g/below', '1'))),
  )
  expect(await readFile(fixture.inBucket('f.txt'), 'utf8')).toBe('by nfs')
})

test('what is rewritten by a file user after it was amended has another ETag, and keeps its tags', async () => {
  await put(namespace, 'docs', 'k', 'bytes')
  const { eTag } = await amend('k', { tags: tags('x') })
  await writeFile(fixture.inBucket('k'), 'BYTES')
  const rewritten = await stat('k')
  expect(rewritten).toMatchObject({ foreign: true, tags: tags('x') })
  expect(rewritten.eTag).not.toBe(eTag)
  await amend('k', { tags: tags('y') })
  expect(await stat('k')).toEqual({ ...rewritten, tags: tags('y') })
})

test('a forged record stays unbelieved when the file is amended', async () => {
  await writeFile(fixture.inBucket('k'), 'x')
  const { mtimeNs } = await statFile(fixture.inBucket('k'), { bigint: true })
  const forged = {
    v: 1,
    kind: 'object',
    sizeBytes: 1,
    mtimeNs: String(mtimeNs),
    eTag: 'forged',
    owner: {},
    headers: {},
  }
  const text = JSON.stringify({ ...forged, metadata: { a: 'forged' }, legalHold: true, versionId: 'forged' })
  execFileSync('python3', [
    '-c',
    'import os,sys; os.setxattr(sys.argv[1],"user.causeway",sys.argv[2].encode())',
    fixture.inBucket('k'),
    text,
  ])
  const before = await stat('k')
  expect(before).toMatchObject({ foreign: true, metadata: {} })
  await amend('k', { tags: tags('x') })
  expect(await stat('k')).toEqual({ ...before, tags: tags('x') })
})

test('file times of users stay as they are', async () => {
  await writeFile(fixture.inBucket('f'), 'x')
  await utimes(fixture.inBucket('f'), 1000, 1000)
  await amend('f', { tags: tags('x') })
  expect((await statFile(fixture.inBucket('f'))).mtimeMs).toBe(1_000_000)
})

test('what is acknowledged is flushed, wherever the record lies', async () => {
  const watched = watchedFiles()
  const strict = await openDocs({ openFiles: watched.openFiles, durability: 'strict' })
  await put(strict.namespace, 'docs', 'k', 'x')
  await put(strict.namespace, 'docs', 'd/', '')
  for (const key of ['k', 'd/']) {
    for (const to of [{ tags: tags('x') }, { tags: large }, {}]) {
      await strict.namespace.objects.amend({ bucket: 'docs', key }, () => to)
      expect(
        watched.unflushed().filter((line) => !line.startsWith('-')),
        key,
      ).toEqual([])
    }
  }
  expect(watched.open().filter((path) => !path.endsWith('locks'))).toEqual([])
  await strict.close()
})

/** `slow` is interrupted between two of its calls, and there another worker does something whole. */
async function interrupted(locksExpire?: boolean): Promise<{ slow: Namespace; watched: WatchedFiles }> {
  const watched = watchedFiles()
  const options = { openFiles: watched.openFiles, lockTimeoutMs: 1000, locksExpire }
  return { slow: (await fixture.another(options)).as(alice), watched }
}

test('a PUT waits for an amendment under way, and is not amended by it', async () => {
  const { slow, watched } = await interrupted()
  await put(namespace, 'docs', 'k', 'old')
  let later: Promise<unknown> = Promise.resolve()
  watched.before('writeAttribute', /docs\/k$/, async () => {
    later = put(namespace, 'docs', 'k', 'new')
  })
  expect(await amend('k', { tags: tags('x') }, slow)).toMatchObject({ tags: tags('x'), sizeBytes: 3 })
  await later
  expect((await stat('k')).tags).toBeUndefined()
  expect(await get(namespace, 'docs', 'k')).toBe('new')
})

test('of two amendments at a time both are seen by the change', async () => {
  await put(namespace, 'docs', 'k', 'x')
  const other = (await fixture.another()).as(alice)
  const add = (by: Namespace, key: string) =>
    by.objects.amend({ bucket: 'docs', key: 'k' }, (now) => ({ tags: [...(now.tags ?? []), { key, value: 'v' }] }))
  await Promise.all(Array.from({ length: 20 }, (_, index) => add(index % 2 ? other : namespace, `k${index}`)))
  expect((await stat('k')).tags).toHaveLength(20)
})

test('a file user who rewrites the file between look and write gets no old ETag over new bytes', async () => {
  const { slow, watched } = await interrupted()
  await put(namespace, 'docs', 'k', 'old')
  await writeFile(fixture.inBucket('f'), 'old')
  for (const key of ['k', 'f']) {
    const { eTag } = await stat(key)
    watched.before('writeAttribute', /docs\/[kf]$/, () => writeFile(fixture.inBucket(key), 'new'))
    const answer = await amend(key, { tags: tags('x') }, slow)
    expect(answer.eTag, key).not.toBe(eTag)
    expect(await stat(key)).toEqual(answer)
    expect(answer.tags).toEqual(tags('x'))
  }
})

test('a file user who takes the file or directory away between look and write leaves no object', async () => {
  const { slow, watched } = await interrupted()
  await put(namespace, 'docs', 'k', 'x')
  watched.before('writeAttribute', /docs\/k$/, () => rm(fixture.inBucket('k')))
  await amend('k', { tags: tags('x') }, slow)
  expect(await codeOf(stat('k'))).toBe('NoSuchKey')
  await put(namespace, 'docs', 'd/', '')
  watched.before('open', /docs\/d$/, () => rm(fixture.inBucket('d'), { recursive: true }))
  expect(await codeOf(amend('d/', { tags: tags('x') }, slow))).toBe('NoSuchKey')
  expect(await codeOf(stat('d/'))).toBe('NoSuchKey')
  watched.before('open', /docs\/d$/, async () => {
    await rm(fixture.inBucket('d'), { recursive: true })
    await mkdir(fixture.inBucket('d'))
  })
  await put(namespace, 'docs', 'd/', '')
  expect(await codeOf(amend('d/', { tags: tags('x') }, slow))).toBe('SlowDown')
  expect(await codeOf(stat('d/'))).toBe('NoSuchKey')
})

test('one that has lost its lock amends the version that it looked at, never the one put meanwhile', async () => {
  const { slow, watched } = await interrupted(true)
  await put(namespace, 'docs', 'k', 'old')
  // The lock of `slow` is not asked for: as a machine does that was taken for dead.
  watched.before('writeAttribute', /docs\/k$/, async () => {
    await rm(fixture.inBucket('k'))
    await writeFile(fixture.inBucket('k'), 'new')
  })
  await amend('k', { tags: tags('x') }, slow)
  expect(await stat('k')).toMatchObject({ foreign: true })
  expect((await stat('k')).tags).toBeUndefined()
})

test('one that has lost its lock refuses where the version was amended meanwhile', async () => {
  const { slow, watched } = await interrupted(true)
  await put(namespace, 'docs', 'k', 'x')
  const elsewhere = fixture.inBucket('k')
  watched.after('find', /docs\/k$/, async () => {
    const script = 'import os,sys; p=sys.argv[1]; os.setxattr(p,"user.causeway",os.getxattr(p,"user.causeway")+b" ")'
    execFileSync('python3', ['-c', script, elsewhere])
  })
  expect(await codeOf(amend('k', { tags: tags('x') }, slow))).toBe('SlowDown')
  expect(await codeOf(namespace.objects.put({ bucket: 'docs', key: 'k' }, plain, bodyOf('y'), {}))).toBeUndefined()
})
