import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NamespaceError } from './errors.ts'
import { alice, bob, bodyOf, codeOf, type DocsFixture, get, listAll, openDocs, plain, put } from './testing/fixture.ts'

let fixture: DocsFixture

beforeEach(async () => {
  fixture = await openDocs()
})

afterEach(() => fixture.close())

const inBucket = (...path: readonly string[]): string => fixture.inBucket(...path)

describe('objects', () => {
  test('an object is a plain file with plain bytes at the path of its key', async () => {
    await put(fixture.namespace, 'docs', 'reports/2026/q3.pdf', 'hello world')
    expect(await readFile(inBucket('reports/2026/q3.pdf'), 'utf8')).toBe('hello world')
    const found = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'reports/2026/q3.pdf' })
    expect(found).toMatchObject({
      eTag: '5eb63bbbe01eeed093cb22bb8f5acdc3',
      sizeBytes: 11,
      foreign: false,
      owner: alice,
      headers: { 'content-type': 'text/plain' },
    })
    expect(await fixture.leftOvers()).toEqual([])
  })

  test('a file dropped into the bucket is an object at once, with an ETag that is no MD5', async () => {
    await mkdir(inBucket('in'))
    await writeFile(inBucket('in/box.json'), '{}')
    const found = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'in/box.json' })
    expect(found.eTag).toMatch(/^[0-9a-f]{32}-0$/)
    expect(found.headers['content-type']).toMatch(/^application\/json/)
    expect(await listAll(fixture.namespace, 'docs')).toEqual(['in/box.json'])
  })

  test('a file rewritten in place keeps its metadata and loses ETag and checksum', async () => {
    await put(fixture.namespace, 'docs', 'a', 'one', { ...plain, metadata: { colour: 'red' } })
    await writeFile(inBucket('a'), 'two')
    const found = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'a' })
    expect(found).toMatchObject({ foreign: true, metadata: { colour: 'red' }, checksum: undefined, owner: alice })
    expect(found.eTag).toMatch(/-0$/)
  })

  test('a record copied from another file of the bucket is not believed for other bytes', async () => {
    await put(fixture.namespace, 'docs', 'mine', 'one')
    await writeFile(inBucket('other'), 'two!')
    copyAttribute(inBucket('mine'), inBucket('other'))
    const found = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'other' })
    expect(found.foreign).toBe(true)
  })

  test('a missing key is NoSuchKey, in a missing bucket NoSuchBucket', async () => {
    expect(await codeOf(fixture.namespace.objects.stat({ bucket: 'docs', key: 'none' }))).toBe('NoSuchKey')
    expect(await codeOf(fixture.namespace.objects.stat({ bucket: 'nope', key: 'none' }))).toBe('NoSuchBucket')
    expect(await codeOf(put(fixture.namespace, 'nope', 'x', ''))).toBe('NoSuchBucket')
  })

  test('a body that fails, is too short or too long leaves the old object and nothing else', async () => {
    await put(fixture.namespace, 'docs', 'a/b', 'old')
    const refused = { ...bodyOf('new'), verify: () => { throw new NamespaceError('BadDigest') } } // biome-ignore format: one thought
    const target = { bucket: 'docs', key: 'a/b' }
    expect(await codeOf(fixture.namespace.objects.put(target, plain, refused, {}))).toBe('BadDigest')
    for (const sizeBytes of [2, 4]) {
      const wrong = { ...bodyOf('new'), sizeBytes }
      expect(await codeOf(fixture.namespace.objects.put(target, plain, wrong, {}))).toBe('IncompleteBody')
    }
    expect(await get(fixture.namespace, 'docs', 'a/b')).toBe('old')
    expect(await fixture.leftOvers()).toEqual([])
    const below = { bucket: 'docs', key: 'new/directory/x' }
    expect(await codeOf(fixture.namespace.objects.put(below, plain, { ...bodyOf('new'), sizeBytes: 2 }, {}))).toBe(
      'IncompleteBody',
    )
    expect(existsSync(inBucket('new'))).toBe(false)
  })

  test('a reader finishes with the bytes it began with while the key is overwritten and deleted', async () => {
    await put(fixture.namespace, 'docs', 'big', Buffer.alloc(1_000_000, 1))
    const object = await fixture.namespace.objects.open({ bucket: 'docs', key: 'big' })
    await put(fixture.namespace, 'docs', 'big', Buffer.alloc(10, 2))
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'big' }, {})
    const pieces: Buffer[] = []
    for await (const piece of object.read(0, 1_000_000)) pieces.push(piece)
    await object.close()
    expect(Buffer.concat(pieces).equals(Buffer.alloc(1_000_000, 1))).toBe(true)
  })

  test('a file cut short under a reader ends in an error, never in padding', async () => {
    await put(fixture.namespace, 'docs', 'big', Buffer.alloc(1_000_000, 1))
    const object = await fixture.namespace.objects.open({ bucket: 'docs', key: 'big' })
    await writeFile(inBucket('big'), 'x')
    await expect(readThrough(object.read(0, 1_000_000))).rejects.toThrow('shorter')
    await object.close()
  })

  test('a symbolic link planted in the tree is never followed, in no part of a path', async () => {
    await symlink('/etc/passwd', inBucket('passwd'))
    await symlink('/etc', inBucket('etc'))
    for (const key of ['passwd', 'etc/passwd', 'etc/']) {
      expect(await codeOf(fixture.namespace.objects.open({ bucket: 'docs', key }))).toBe('NoSuchKey')
    }
    expect(await codeOf(put(fixture.namespace, 'docs', 'etc/evil', 'x'))).toBe('ObjectIsForeignFile')
    expect(existsSync('/etc/evil')).toBe(false)
    expect(await listAll(fixture.namespace, 'docs')).toEqual([])
    expect(await fixture.namespace.objects.remove({ bucket: 'docs', key: 'passwd' }, {})).toMatchObject({
      changed: false,
    })
  })

  test.each([
    '../../etc/passwd',
    'a/../../b',
    '.s3/locks',
    '.causeway/format',
    '.',
    '..',
    '/',
    '//',
    'a//b',
    '\0',
    'a\nb',
    '.%e',
    '%',
    '.nfs0001',
    '.snapshot/x',
    `${'x'.repeat(300)}/${'ä'.repeat(200)}`,
    'a/',
    ' ',
    '🂡',
  ])(
    // biome-ignore format: a list
    'the key %j is a key like any other',
    async (key) => {
      await put(fixture.namespace, 'docs', key, 'content')
      expect(await get(fixture.namespace, 'docs', key)).toBe('content')
      expect(await listAll(fixture.namespace, 'docs')).toEqual([key])
      expect(await fixture.namespace.objects.remove({ bucket: 'docs', key }, {})).toMatchObject({ changed: true })
      expect(await listAll(fixture.namespace, 'docs')).toEqual([])
      expect((await readdir(inBucket())).filter((name) => name !== '.s3')).toEqual([])
      expect(await readdir(fixture.directory)).toEqual(expect.arrayContaining(['.causeway', 'docs']))
    },
  )

  test('a key whose directories are too many for one PUT is refused', async () => {
    const narrow = await fixture.another({ directoriesMax: 10 })
    expect(await codeOf(put(narrow.as(alice), 'docs', '/'.repeat(20), 'x'))).toBe('InvalidRequest')
  })

  test('directories made for a key go with it, directories of file users stay', async () => {
    await mkdir(inBucket('theirs'))
    await put(fixture.namespace, 'docs', 'theirs/ours/x', '1')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'theirs/ours/x' }, {})
    expect(await readdir(inBucket('theirs'))).toEqual([])
    expect(existsSync(inBucket('theirs'))).toBe(true)
  })
})

const readThrough = async (stream: AsyncIterable<Buffer>): Promise<void> => {
  for await (const _piece of stream);
}

/** With what every Linux has: python3 is there wherever the addon could be compiled and tested. */
function copyAttribute(source: string, target: string): void {
  const script = 'import os,sys; os.setxattr(sys.argv[2],"user.causeway",os.getxattr(sys.argv[1],"user.causeway"))'
  execFileSync('python3', ['-c', script, source, target])
}

describe('clashing keys', () => {
  test('keys a and a/b live side by side, whichever comes first, and listing has both', async () => {
    await put(fixture.namespace, 'docs', 'a', 'file')
    await put(fixture.namespace, 'docs', 'a/b', 'child')
    await put(fixture.namespace, 'docs', 'c/d', 'child')
    await put(fixture.namespace, 'docs', 'c', 'file')
    expect(await listAll(fixture.namespace, 'docs')).toEqual(['a', 'a/b', 'c', 'c/d'])
    for (const key of ['a', 'c']) expect(await get(fixture.namespace, 'docs', key)).toBe('file')
    expect((await readdir(inBucket())).sort()).toEqual(['.%=a', '.%=c', '.s3', 'a', 'c'])
    expect(await listAll(fixture.namespace, 'docs', { delimiter: '/' })).toEqual(['a', 'a/', 'c', 'c/'])
  })

  test('the file moves back when the directory is gone', async () => {
    await put(fixture.namespace, 'docs', 'a', 'file')
    await put(fixture.namespace, 'docs', 'a/b/c', 'child')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'a/b/c' }, {})
    expect(await readdir(inBucket())).toEqual(expect.arrayContaining(['a']))
    expect(existsSync(inBucket('.%=a'))).toBe(false)
    expect(await get(fixture.namespace, 'docs', 'a')).toBe('file')
  })

  test('an object that stepped aside is overwritten and deleted like any other', async () => {
    await put(fixture.namespace, 'docs', 'a', 'one')
    await put(fixture.namespace, 'docs', 'a/b', 'child')
    await put(fixture.namespace, 'docs', 'a', 'two')
    expect(await get(fixture.namespace, 'docs', 'a')).toBe('two')
    expect(await fixture.namespace.objects.remove({ bucket: 'docs', key: 'a' }, {})).toMatchObject({ changed: true })
    expect(await listAll(fixture.namespace, 'docs')).toEqual(['a/b'])
  })

  test('a long name that had stepped aside leaves no chain behind (seed 1471664827)', async () => {
    const long = 'x'.repeat(254)
    await put(fixture.namespace, 'docs', long, 'file')
    await put(fixture.namespace, 'docs', `${long}/child`, 'child')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: long }, {})
    expect((await readdir(inBucket())).sort()).toEqual(['.s3', long])
  })

  test('a file that no S3 client wrote is never moved', async () => {
    await writeFile(inBucket('a'), 'theirs')
    expect(await codeOf(put(fixture.namespace, 'docs', 'a/b', 'x'))).toBe('ObjectIsForeignFile')
    expect(await readFile(inBucket('a'), 'utf8')).toBe('theirs')
  })

  test('writers of a and of a/b at once, from two workers, lose nothing', async () => {
    const two = (await fixture.another()).as(alice)
    for (let round = 0; round < 20; round += 1) {
      await Promise.all([
        put(fixture.namespace, 'docs', `r${round}`, 'file'),
        put(two, 'docs', `r${round}/x`, 'child'),
        put(two, 'docs', `r${round}/y/z`, 'child'),
      ])
      expect(await get(two, 'docs', `r${round}`)).toBe('file')
      expect(await get(fixture.namespace, 'docs', `r${round}/x`)).toBe('child')
      await Promise.all([
        fixture.namespace.objects.remove({ bucket: 'docs', key: `r${round}/x` }, {}),
        two.objects.remove({ bucket: 'docs', key: `r${round}/y/z` }, {}),
      ])
      expect(await get(two, 'docs', `r${round}`)).toBe('file')
    }
    expect(await listAll(two, 'docs')).toHaveLength(20)
  })
})

describe('keys ending in a slash', () => {
  test('without bytes it is the directory itself, which a file user can remove', async () => {
    await put(fixture.namespace, 'docs', 'd/', '', { ...plain, metadata: { a: 'b' } })
    expect(await readdir(inBucket('d'))).toEqual([])
    const found = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'd/' })
    expect(found).toMatchObject({ sizeBytes: 0, metadata: { a: 'b' }, eTag: 'd41d8cd98f00b204e9800998ecf8427e' })
    expect(await listAll(fixture.namespace, 'docs')).toEqual(['d/'])
    await rm(inBucket('d'), { recursive: true })
    expect(await listAll(fixture.namespace, 'docs')).toEqual([])
  })

  test('with bytes it is a file in it, and either turns into the other', async () => {
    await put(fixture.namespace, 'docs', 'd/', '')
    await put(fixture.namespace, 'docs', 'd/', 'bytes')
    expect(await get(fixture.namespace, 'docs', 'd/')).toBe('bytes')
    await put(fixture.namespace, 'docs', 'd/', '')
    expect(await get(fixture.namespace, 'docs', 'd/')).toBe('')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'd/' }, {})
    expect(await listAll(fixture.namespace, 'docs')).toEqual([])
    expect(existsSync(inBucket('d'))).toBe(false)
  })

  test('it outlives the keys below it and goes only when it is deleted itself', async () => {
    await put(fixture.namespace, 'docs', 'd/', '')
    await put(fixture.namespace, 'docs', 'd/x', '1')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'd/x' }, {})
    expect(await listAll(fixture.namespace, 'docs')).toEqual(['d/'])
    await put(fixture.namespace, 'docs', 'd/x', '1')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'd/' }, {})
    expect(await listAll(fixture.namespace, 'docs')).toEqual(['d/x'])
  })
})

describe('conditional writes', () => {
  test('of 16 creations at once that allow no other, one wins', async () => {
    const workers = [fixture.namespace, (await fixture.another()).as(alice), (await fixture.another()).as(alice)]
    for (let round = 0; round < 10; round += 1) {
      const target = { bucket: 'docs', key: `round/${round}` }
      const precondition = (current: unknown): void => {
        if (current !== undefined) throw new NamespaceError('ConditionalRequestConflict')
      }
      const tries = Array.from({ length: 16 }, (_, index) =>
        codeOf(
          (workers[index % 3] ?? fixture.namespace).objects.put(target, plain, bodyOf(`${index}`), { precondition }),
        ),
      )
      const codes = await Promise.all(tries)
      expect(codes.filter((each) => each === undefined)).toHaveLength(1)
    }
  })

  test('increments by ETag from two workers with plain writers beside them end at the number acknowledged', async () => {
    const two = (await fixture.another()).as(alice)
    const target = { bucket: 'docs', key: 'counter' }
    await put(two, 'docs', 'counter', '0')
    const increment = async (namespace: typeof two): Promise<void> => {
      for (;;) {
        const { eTag } = await namespace.objects.stat(target)
        const value = await get(namespace, 'docs', 'counter')
        const precondition = (current: { eTag: string } | undefined): void => {
          if (current?.eTag !== eTag) throw new NamespaceError('ConditionalRequestConflict')
        }
        const body = bodyOf(`${Number(value) + 1}`)
        // The value read may be of a later version than the ETag; then the ETag is not current either.
        const result = await codeOf(namespace.objects.put(target, plain, body, { precondition }))
        if (result === undefined) return
      }
    }
    const bystander = async (): Promise<void> => {
      for (let index = 0; index < 50; index += 1) await put(two, 'docs', `other-${index % 3}`, `${index}`)
    }
    const counters = Array.from({ length: 60 }, (_, index) => increment(index % 2 === 0 ? two : fixture.namespace))
    await Promise.all([...counters, bystander()])
    expect(await get(two, 'docs', 'counter')).toBe('60')
  })

  test('a file user who creates the file between check and publication is not overwritten', async () => {
    let calls = 0
    const precondition = (current: unknown): void => {
      calls += 1
      if (calls === 1) execFileSync('sh', ['-c', `echo theirs > '${inBucket('x')}'`])
      else if (current !== undefined) throw new NamespaceError('ConditionalRequestConflict')
    }
    const target = { bucket: 'docs', key: 'x' }
    const result = await codeOf(fixture.namespace.objects.put(target, plain, bodyOf('ours'), { precondition }))
    expect(result).toBe('ConditionalRequestConflict')
    expect(await readFile(inBucket('x'), 'utf8')).toBe('theirs\n')
  })
})

describe('copies', () => {
  test('a copy has the bytes, ETag and checksum of its source and the description it was given', async () => {
    const { stat: source } = await put(fixture.namespace, 'docs', 'from', 'hello')
    const copied = await fixture.namespace.objects.copy(
      { bucket: 'docs', key: 'from' },
      { bucket: 'docs', key: 'to/here' },
      { describe: () => ({ headers: {}, metadata: { new: 'yes' } }) },
    )
    expect(copied.stat).toMatchObject({ eTag: source.eTag, checksum: source.checksum, metadata: { new: 'yes' } })
    expect(await get(fixture.namespace, 'docs', 'to/here')).toBe('hello')
  })

  test('a copy of a foreign file has the MD5 of its bytes', async () => {
    await writeFile(inBucket('foreign'), 'hello world')
    const copied = await fixture.namespace.objects.copy(
      { bucket: 'docs', key: 'foreign' },
      { bucket: 'docs', key: 'copy' },
      { describe: (source) => source },
    )
    expect(copied.stat.eTag).toBe('5eb63bbbe01eeed093cb22bb8f5acdc3')
  })

  test('a copy onto itself changes the description and nothing else', async () => {
    await put(fixture.namespace, 'docs', 'self', 'hello')
    const target = { bucket: 'docs', key: 'self' }
    await fixture.namespace.objects.copy(target, target, { describe: () => ({ headers: {}, metadata: { n: '1' } }) })
    expect(await get(fixture.namespace, 'docs', 'self')).toBe('hello')
    expect((await fixture.namespace.objects.stat(target)).metadata).toEqual({ n: '1' })
  })
})

describe('records too large for an attribute', () => {
  const metadata = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`name-${index}`, 'v'.repeat(500)]))

  test('lie in a side-car, are read back, listed and survive a second worker', async () => {
    await put(fixture.namespace, 'docs', 'large', 'bytes', { ...plain, metadata })
    expect(await readdir(inBucket('.s3/records'))).toHaveLength(1)
    const other = (await fixture.another()).as(alice)
    expect((await other.objects.stat({ bucket: 'docs', key: 'large' })).metadata).toEqual(metadata)
    const page = await other.objects.list({ bucket: 'docs', prefix: '', delimiter: '', after: '', max: 10 })
    expect(page.entries).toMatchObject([{ object: { key: 'large', foreign: false } }])
  })

  test('never mix with other bytes: the overwritten object has its own', async () => {
    await put(fixture.namespace, 'docs', 'large', 'bytes', { ...plain, metadata })
    await put(fixture.namespace, 'docs', 'large', 'byte2')
    expect((await fixture.namespace.objects.stat({ bucket: 'docs', key: 'large' })).metadata).toEqual({})
  })
})

describe('buckets', () => {
  test('a bucket is a directory; an existing directory is never adopted', async () => {
    await mkdir(join(fixture.directory, 'taken'))
    await writeFile(join(fixture.directory, 'taken', 'file'), 'theirs')
    expect(await codeOf(fixture.namespace.buckets.create('taken'))).toBe('BucketAlreadyExists')
    expect(await codeOf(fixture.namespace.buckets.create('docs'))).toBe('BucketAlreadyOwnedByYou')
    expect(await codeOf(fixture.open.as(bob).buckets.create('docs'))).toBe('BucketAlreadyExists')
    expect((await fixture.namespace.buckets.list()).map(({ name }) => name)).toEqual(['docs'])
  })

  test.each(['ab', 'Upper', 'under_score', 'a..b', 'a.-b', '192.168.0.1', 'xn--b', '-a', 'a-', `${'a'.repeat(64)}`])(
    'the name %s is refused',
    async (name) => {
      expect(await codeOf(fixture.namespace.buckets.create(name))).toBe('InvalidBucketName')
    },
  )

  test('a creation that was cut off is finished by the next one', async () => {
    const record = join(fixture.directory, '.causeway/buckets/docs/bucket.json')
    const { inode: _inode, ...unfinished } = JSON.parse(await readFile(record, 'utf8'))
    await writeFile(record, JSON.stringify(unfinished))
    expect(await codeOf(fixture.namespace.buckets.read('docs'))).toBe('NoSuchBucket')
    await fixture.namespace.buckets.create('docs')
    await put(fixture.namespace, 'docs', 'x', '1')
  })

  test('a damaged bucket record is reported and never written over', async () => {
    await writeFile(join(fixture.directory, '.causeway/buckets/docs/bucket.json'), '{"v":1')
    expect(await codeOf(fixture.namespace.buckets.create('docs'))).toBe('InternalError')
    expect(await codeOf(fixture.namespace.buckets.read('docs'))).toBe('NoSuchBucket')
    expect(fixture.problems).toContainEqual(expect.objectContaining({ kind: 'damaged-bucket-record' }))
  })

  test('only an empty bucket goes, with its pending uploads; a file of any kind keeps it', async () => {
    await put(fixture.namespace, 'docs', 'a/b', '1')
    expect(await codeOf(fixture.namespace.buckets.remove('docs'))).toBe('BucketNotEmpty')
    await fixture.namespace.objects.remove({ bucket: 'docs', key: 'a/b' }, {})
    await symlink('nowhere', inBucket('link'))
    expect(await codeOf(fixture.namespace.buckets.remove('docs'))).toBe('BucketNotEmpty')
    await rm(inBucket('link'))
    await mkdir(inBucket('empty/directories'), { recursive: true })
    await fixture.namespace.uploads.begin({ bucket: 'docs', key: 'pending' }, plain, undefined)
    await fixture.namespace.buckets.remove('docs')
    expect(existsSync(inBucket())).toBe(false)
    expect(await codeOf(listAll(fixture.namespace, 'docs'))).toBe('NoSuchBucket')
    await fixture.namespace.buckets.create('docs')
    expect(await listAll(fixture.namespace, 'docs')).toEqual([])
  })

  test('an existing directory is mapped in place, and unmapped without losing a file', async () => {
    const directory = join(fixture.directory, 'projects/alpha')
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'x.txt'), 'here')
    await fixture.namespace.buckets.map('alpha', directory, alice)
    expect(await get(fixture.namespace, 'alpha', 'x.txt')).toBe('here')
    await expect(fixture.namespace.buckets.map('beta', directory, alice)).rejects.toThrow('overlaps')
    await expect(fixture.namespace.buckets.map('beta', join(directory, '..'), alice)).rejects.toThrow()
    await fixture.namespace.objects.remove({ bucket: 'alpha', key: 'none' }, {})
    await fixture.namespace.buckets.unmap('alpha')
    expect(await readFile(join(directory, 'x.txt'), 'utf8')).toBe('here')
    expect(await codeOf(fixture.namespace.buckets.read('alpha'))).toBe('NoSuchBucket')
  })

  test('a .s3 that somebody else put there is not believed', async () => {
    await rename(inBucket('.s3'), inBucket('moved-away'))
    await mkdir(inBucket('.s3'))
    const begun = fixture.namespace.uploads.begin({ bucket: 'docs', key: 'x' }, plain, undefined)
    expect(await codeOf(begun)).toBe('SlowDown')
    expect(fixture.problems).toContainEqual(expect.objectContaining({ kind: 'transit-directory-replaced' }))
  })

  test('after the master key got a new line the tree keeps the key of its records, whoever opens it', async () => {
    const former = Buffer.alloc(32, 7)
    await put(fixture.namespace, 'docs', 'old', 'one')
    const rekeyed = await fixture.another({ recordKey: Buffer.alloc(32, 9), formerRecordKeys: [former] })
    expect([rekeyed.recordKey, fixture.open.recordKey]).toEqual([former, former])
    await put(rekeyed.as(alice), 'docs', 'new', 'two')
    for (const namespace of [fixture.namespace, rekeyed.as(alice)]) {
      for (const key of ['old', 'new']) {
        expect(await namespace.objects.stat({ bucket: 'docs', key })).toMatchObject({ foreign: false, owner: alice })
      }
    }
    expect(fixture.problems).toEqual([])
  })

  test('another master key is refused, and so is a format from the future', async () => {
    await expect(fixture.another({ recordKey: Buffer.alloc(32, 9) })).rejects.toThrow('another master key')
    const path = join(fixture.directory, '.causeway/format')
    const format = JSON.parse(await readFile(path, 'utf8'))
    await writeFile(path, JSON.stringify({ ...format, features: ['time-travel'] }))
    await expect(fixture.another()).rejects.toThrow('time-travel')
  })
})

describe('upkeep', () => {
  test('sweep takes old temporaries away and leaves young ones and files of users', async () => {
    await mkdir(inBucket('d'))
    await writeFile(inBucket('d/.s3-old-1'), 'x')
    await writeFile(inBucket('d/.s3-young-1'), 'x')
    await writeFile(inBucket('d/keep'), 'x')
    const longAgo = new Date(Date.now() - 3 * 86_400_000)
    for (const name of ['d/.s3-old-1', 'd/keep']) await utimes(inBucket(name), longAgo, longAgo)
    expect(await fixture.open.sweep()).toEqual({ temporaries: 1, uploads: 0 })
    expect((await readdir(inBucket('d'))).sort()).toEqual(['.s3-young-1', 'keep'])
  })

  test('check finds what does not fit the format, and repair mends it without losing bytes', async () => {
    await put(fixture.namespace, 'docs', 'fine', '1')
    for (const key of [`${'x'.repeat(300)}/y`, 'x'.repeat(254), `${'x'.repeat(254)}/y`]) {
      await put(fixture.namespace, 'docs', key, 'long names are fine too')
    }
    await writeFile(inBucket('.%=lonely'), 'aside')
    await writeFile(inBucket('bad\nname'), 'x')
    await writeFile(inBucket('.s3-old-1'), 'x')
    const longAgo = new Date(Date.now() - 3 * 86_400_000)
    await utimes(inBucket('.s3-old-1'), longAgo, longAgo)
    await mkdir(inBucket('.s3/records'), { recursive: true })
    await writeFile(inBucket('.s3/records/1-2-3'), '{}')
    await utimes(inBucket('.s3/records/1-2-3'), longAgo, longAgo)
    await writeFile(inBucket('hurt'), 'x')
    execFileSync('python3', ['-c', 'import os,sys; os.setxattr(sys.argv[1],"user.causeway",b"{")', inBucket('hurt')])
    const kinds = async (repair: boolean): Promise<string[]> => {
      const found: string[] = []
      for await (const { kind } of fixture.open.check({ repair })) found.push(kind)
      return found.sort()
    }
    const all = [
      'alias-without-reason',
      'damaged-record',
      'name-without-key',
      'orphaned-temporary',
      'sidecar-without-file',
    ]
    expect(await kinds(false)).toEqual(all)
    expect(await kinds(true)).toEqual(all)
    expect(await kinds(false)).toEqual(['name-without-key'])
    expect(await readFile(inBucket('lonely'), 'utf8')).toBe('aside')
    expect(await readFile(inBucket('hurt'), 'utf8')).toBe('x')
  })

  test('documents of a bucket are kept, replaced and removed', async () => {
    const { documents } = fixture.namespace
    expect(await documents.find('docs', 'tagging')).toBeUndefined()
    await documents.write('docs', 'tagging', { a: [1] })
    expect(await documents.find('docs', 'tagging')).toEqual({ a: [1] })
    await documents.remove('docs', 'tagging')
    await documents.remove('docs', 'tagging')
    expect(await documents.find('docs', 'tagging')).toBeUndefined()
  })
})

test('a same-size rewrite in the very tick of the publication shows', async () => {
  for (let round = 0; round < 50; round += 1) {
    await put(fixture.namespace, 'docs', 'a', 'one')
    const before = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'a' })
    await writeFile(inBucket('a'), 'two')
    const after = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'a' })
    expect(after.eTag).not.toBe(before.eTag)
  }
  await appendFile(inBucket('a'), '!')
  expect((await stat(inBucket('a'))).size).toBe(4)
})
