import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FileError } from './files.ts'
import { keyPath } from './key-path.ts'
import { createScanCache } from './scan-cache.ts'
import { awkwardKeys } from './testing/awkward-keys.ts'
import { byBytes, listModel, type ModelEntry, type ModelQuery } from './testing/list-model.ts'
import { createMemoryTree, type MemoryTree } from './testing/memory-scans.ts'
import { type WalkEntry, type WalkSource, walk } from './walk.ts'

const all: ModelQuery = { prefix: '', delimiter: '', after: '' }

type Skip = readonly [directory: string, name: string | undefined, reason: string]

function sourceOf(tree: MemoryTree, options: Partial<WalkSource> = {}): WalkSource & { readonly skips: Skip[] } {
  const skips: Skip[] = []
  return {
    files: tree.calls,
    cache: createScanCache(),
    root: '',
    isDirectoryObject: async (path) => tree.records.has(path),
    boundary: () => false,
    skipped: (directory, name, reason) => skips.push([directory, name?.toString('latin1'), reason]),
    skips,
    ...options,
  }
}

const treeOf = (keys: readonly string[], asDirectory: (key: string) => boolean = () => false): MemoryTree => {
  const tree = createMemoryTree()
  tree.addKeys(keys, asDirectory)
  return tree
}

const modelEntry = (entry: WalkEntry): ModelEntry =>
  entry.kind === 'prefix' ? { prefix: entry.prefix } : { key: entry.key }
const textOf = (entry: ModelEntry): string => ('key' in entry ? entry.key : entry.prefix)

async function collect(source: WalkSource, query: Partial<ModelQuery> = {}, max = Infinity): Promise<WalkEntry[]> {
  const entries: WalkEntry[] = []
  for await (const entry of walk(source, { ...all, ...query })) {
    entries.push(entry)
    if (entries.length >= max) break
  }
  return entries
}

const list = async (source: WalkSource, query: Partial<ModelQuery> = {}): Promise<string[]> =>
  (await collect(source, query)).map((entry) => textOf(modelEntry(entry)))

describe('order', () => {
  test('a directory sorts as its name and a slash, among files that sort around it', async () => {
    const keys = ['a', 'a-b', 'a/', 'a/b', 'a/b/c', 'a/b-', 'a0', 'a.', 'A', 'é', 'e\u0301', '\uffff', '\u{10000}']
    expect(await list(sourceOf(treeOf(keys)))).toEqual([...keys].sort(byBytes))
    expect(byBytes('\uffff', '\u{10000}')).toBeLessThan(0)
  })

  test('keys with escaped names come where their segments belong, not where their names are', async () => {
    const keys = [
      '.',
      '..',
      '.%e',
      '.s3',
      '-',
      '0',
      '\0',
      '\n',
      '\x7f',
      '!',
      '/',
      '//',
      '/x',
      'x//',
      'x//y',
      'x/',
      'x/ ',
      '.nfs1',
    ]
    expect(await list(sourceOf(treeOf(keys)))).toEqual([...keys].sort(byBytes))
  })

  test('over-long segments come in order although they lie in chains of directories', async () => {
    const x = 'x'.repeat(252)
    const keys = [
      x,
      `${x}a`,
      `${x}abcd`,
      `${x}abcd/e`,
      `${x}abc`,
      `${x}abc/d`,
      `${x}b${x}`,
      `${x}b${x}/k`,
      `${x}zz`,
      'x',
      'y',
    ]
    const source = sourceOf(treeOf(keys))
    expect(await list(source)).toEqual([...keys].sort(byBytes))
    expect(await list(source, { after: `${x}abcd/e` })).toEqual([`${x}b${x}`, `${x}b${x}/k`, `${x}zz`, 'y'])
    expect(await list(source, { delimiter: '/', prefix: `${x}ab` })).toEqual([
      `${x}abc`,
      `${x}abc/`,
      `${x}abcd`,
      `${x}abcd/`,
    ])
  })

  test('a start inside a chain finds what the chain holds behind it', async () => {
    const link = '\n'.repeat(83)
    const source = sourceOf(treeOf([`${link}🎉`, `${link}🎉🎉`, `${link}`]))
    expect(await list(source, { after: `${link}a` })).toEqual([`${link}🎉`, `${link}🎉🎉`])
    expect(await list(source, { after: link })).toEqual([`${link}🎉`, `${link}🎉🎉`])
    expect(await list(source, { after: `${link}🎉` })).toEqual([`${link}🎉🎉`])
  })

  test('entries say where their files lie', async () => {
    const tree = treeOf(['b/a', 'b/a/x', 'b/..', 'd/'], (key) => key === 'd/')
    const moved = createMemoryTree()
    for (const path of ['b/.%=a', 'b/a/x', 'b/.%e..']) moved.add(`roots/one/${path}`)
    expect(await collect(sourceOf(moved, { root: 'roots/one' }))).toEqual([
      { kind: 'file', key: 'b/..', directory: 'roots/one/b', name: Buffer.from('.%e..'), aside: false },
      { kind: 'file', key: 'b/a', directory: 'roots/one/b', name: Buffer.from('.%=a'), aside: true },
      { kind: 'file', key: 'b/a/x', directory: 'roots/one/b/a', name: Buffer.from('x'), aside: false },
    ])
    expect((await collect(sourceOf(tree))).at(-1)).toEqual({ kind: 'directory', key: 'd/', directory: 'd' })
  })
})

describe('the model', () => {
  const smallKeys = fc
    .array(fc.constantFrom('a', 'b', '/', '/', '-', '.', '%', '0', '\n', 'é', '🎉'), { minLength: 1, maxLength: 6 })
    .map((characters) => characters.join(''))
  const keySets = fc.uniqueArray(fc.oneof({ weight: 2, arbitrary: smallKeys }, { weight: 1, arbitrary: awkwardKeys }), {
    maxLength: 25,
  })
  const delimiters = fc.oneof(
    fc.constant(''),
    fc.constant('/'),
    fc.constantFrom('a', '%', '.', '\n', '//', 'b/', '/a', '-', 'é', '🎉', '0', 'xx', ' '),
  )
  /** A piece of one of the keys: whole characters, since S3 gets them as UTF-8. */
  const pieceOf = (keys: readonly string[], pick: number, from: number, to: number): string => {
    const characters = [...(keys[pick % Math.max(1, keys.length)] ?? 'a')]
    const start = from % (characters.length + 1)
    return characters.slice(start, start + (to % (characters.length + 2))).join('')
  }
  const cuts = fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.constantFrom('', '', '\0', '/', 'a', '~'))
  const queries = fc.tuple(delimiters, fc.boolean(), cuts, cuts, cuts, fc.nat({ max: 5 }))
  const queryOf = (
    keys: readonly string[],
    [delimiter, ownDelimiter, d, p, a, how]: typeof queries extends fc.Arbitrary<infer T> ? T : never,
  ) => ({
    delimiter: ownDelimiter ? pieceOf(keys, ...take3(d)) : delimiter,
    prefix: how < 2 ? '' : pieceOf(keys, p[0], 0, p[2]) + (how === 5 ? p[3] : ''),
    after: how % 2 === 0 ? '' : pieceOf(keys, a[0], 0, a[2]) + a[3],
  })
  const take3 = ([pick, from, to]: readonly [number, number, number, string]): [number, number, number] => [
    pick,
    from,
    to,
  ]

  const addJunk = (tree: MemoryTree) => {
    tree.add('.s3/locks', 'file')
    tree.add('empty/er/est', 'directory')
    tree.add('only/.s3-1-temporary', 'file')
    tree.add('not utf8 \xff', 'file')
    tree.add('link', 'symlink')
    tree.add('socket', 'other')
    tree.add('.%exx', 'file')
    tree.add('.%+short/.%ey', 'file')
  }

  test('a listing of any keys with any prefix, delimiter and start is the model’s', async () => {
    await fc.assert(
      fc.asyncProperty(
        keySets,
        fc.boolean(),
        fc.array(queries, { minLength: 1, maxLength: 6 }),
        async (keys, bare, cutting) => {
          const tree = treeOf(keys, () => bare)
          addJunk(tree)
          const source = sourceOf(tree)
          for (const query of cutting.map((cut) => queryOf(keys, cut))) {
            expect((await collect(source, query)).map(modelEntry), JSON.stringify(query)).toEqual(
              listModel(keys, query),
            )
          }
        },
      ),
      { numRuns: 1500 },
    )
  })

  test('pages of any size, resumed where they ended, are the whole listing', async () => {
    await fc.assert(
      fc.asyncProperty(keySets, fc.boolean(), queries, fc.integer({ min: 1, max: 4 }), async (keys, bare, cut, max) => {
        const source = sourceOf(treeOf(keys, () => bare))
        const query = queryOf(keys, cut)
        const pages: ModelEntry[] = []
        for (let after: string | undefined = query.after; after !== undefined; ) {
          const page: ModelEntry[] = (await collect(source, { ...query, after }, max)).map(modelEntry)
          pages.push(...page)
          const last: ModelEntry | undefined = page.at(-1)
          after = last === undefined ? undefined : textOf(last)
          expect(pages.length).toBeLessThan(1000)
        }
        expect(pages).toEqual(listModel(keys, query))
      }),
      { numRuns: 700 },
    )
  })

  test('every entry’s directory and name are the key’s path, or its alias', async () => {
    await fc.assert(
      fc.asyncProperty(keySets, async (keys) => {
        for (const entry of await collect(sourceOf(treeOf(keys)))) {
          if (entry.kind !== 'file') throw new Error('all of them have bytes')
          const { path, alias } = keyPath(entry.key)
          const where = `${entry.directory}${entry.directory === '' ? '' : '/'}${entry.name.toString()}`
          expect(where).toBe(entry.aside ? alias : path)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('what is no key', () => {
  test('common prefixes are shown only for directories that hold a key (P-114)', async () => {
    const tree = treeOf(['full/deep/er/key', 'object/'], () => true)
    tree.add('empty/er', 'directory')
    tree.add('temporary/.s3-1-2')
    tree.add('silly/.nfs0001')
    tree.add('foreign/link', 'symlink')
    const source = sourceOf(tree)
    expect(await list(source, { delimiter: '/' })).toEqual(['full/', 'object/'])
    expect(await list(source)).toEqual(['full/deep/er/key', 'object/'])
    expect(source.skips).toContainEqual(['temporary', '.s3-1-2', 'reserved'])
    expect(source.skips).toContainEqual(['foreign', 'link', 'type'])
  })

  test('names that are no keys are told with their reasons and hidden', async () => {
    const tree = treeOf(['k'])
    tree.add('bad \xff')
    tree.add('.%ek')
    tree.add('.%e')
    tree.add('.%=dir', 'directory')
    tree.add(`${'d'.repeat(250)}/${'e'.repeat(250)}/${'f'.repeat(250)}/${'g'.repeat(250)}/${'h'.repeat(30)}`)
    const source = sourceOf(tree)
    expect(await list(source)).toEqual(['k'])
    expect(source.skips.map(([, name, reason]) => [name, reason])).toEqual(
      expect.arrayContaining([
        ['bad \xff', 'name'],
        ['.%ek', 'name'],
        ['.%e', 'name'],
        ['.%=dir', 'type'],
        ['h'.repeat(30), 'length'],
      ]),
    )
  })

  test('a file beside its own alias is one key, and the file is it', async () => {
    const tree = createMemoryTree()
    const long = 'n'.repeat(254)
    for (const path of ['a', '.%=a', '.%e..', '.%=..', 'd/.%e', 'd/.%=', long, `.%+${'n'.repeat(252)}/.%=nn`])
      tree.add(path)
    tree.records.add('d')
    expect(
      (await collect(sourceOf(tree))).map((entry) => (entry.kind === 'file' ? [entry.key, entry.aside] : [])),
    ).toEqual([
      ['..', false],
      ['a', false],
      ['d/', false],
      [long, false],
    ])
  })

  test('a file in a chain beside its own alias is one key', async () => {
    const tree = treeOf(['x'.repeat(300)])
    tree.add(`.%+${'x'.repeat(252)}/.%=${'x'.repeat(48)}`)
    expect(await collect(sourceOf(tree))).toMatchObject([{ key: 'x'.repeat(300), aside: false }])
  })

  test('an alias is not taken for double because of a name that looks like its key', async () => {
    const keys = ['..', '.%e..', '.%e../x']
    expect(await list(sourceOf(treeOf(keys)))).toEqual(keys.sort(byBytes))
  })

  test('a boundary is not part of the bucket, wherever a listing starts', async () => {
    const tree = treeOf(['a/b/c', 'a/x', 'm/n/o'])
    const source = sourceOf(tree, { boundary: (path) => path === 'a/b' || path === 'm' })
    expect(await list(source)).toEqual(['a/x'])
    expect(await list(source, { delimiter: '/' })).toEqual(['a/'])
    expect(await list(source, { prefix: 'a/b/' })).toEqual([])
    expect(await list(source, { prefix: 'm/n/' })).toEqual([])
    expect(await list(source, { after: 'a/b/b' })).toEqual(['a/x'])
  })
})

describe('faults', () => {
  test.each(['ENOENT', 'EACCES', 'ENOTDIR', 'ESTALE', 'EPERM', 'ELOOP'])(
    'a directory that answers %s never fails a listing',
    async (code) => {
      const tree = treeOf(['a/1', 'b/1', 'b/c/1', 'd/1', 'e/1', 'f/1', 'g/1'])
      for (const path of ['b', 'e']) tree.failures.set(path, code)
      const source = sourceOf(tree)
      expect(await list(source)).toEqual(['a/1', 'd/1', 'f/1', 'g/1'])
      expect(await list(source, { delimiter: '/' })).toEqual(['a/', 'd/', 'f/', 'g/'])
      expect(await list(source, { prefix: 'b/' })).toEqual([])
      expect(await list(source, { after: 'b/0' })).toEqual(['d/1', 'f/1', 'g/1'])
    },
  )

  test('an error of the disk is not taken for a deletion', async () => {
    const tree = treeOf(['a/1', 'b/1'])
    tree.failures.set('b', 'EIO')
    await expect(list(sourceOf(tree))).rejects.toThrow('EIO')
    await expect(list(sourceOf(tree), { delimiter: '/' })).rejects.toThrow('EIO')
  })

  test('the bucket’s own directory missing is an error', async () => {
    const tree = createMemoryTree()
    await expect(list(sourceOf(tree, { root: 'gone' }))).rejects.toThrow('ENOENT')
  })

  test('a directory replaced under way is read again after ESTALE', async () => {
    const tree = treeOf(['a/1', 'b/1'])
    let stale = 1
    const scan: WalkSource['files']['scan'] = async (path) => {
      if (path === 'b' && stale-- > 0) throw new FileError('ESTALE', 'openat2', path)
      return tree.calls.scan(path)
    }
    expect(await list(sourceOf(tree, { files: { ...tree.calls, scan } }))).toEqual(['a/1', 'b/1'])
  })
})

describe('cost', () => {
  test('a prefix goes to its directory without reading what is above it', async () => {
    const tree = treeOf(['a/b/c/1', 'a/b/c/2', 'a/b/d', 'x'])
    expect(await list(sourceOf(tree), { prefix: 'a/b/c/' })).toEqual(['a/b/c/1', 'a/b/c/2'])
    expect(tree.scanned).toEqual(['a/b/c'])
  })

  test('a page resumed deep in the tree reads only what it shows', async () => {
    const keys = Array.from({ length: 50 }, (_, index) => `d${String(index).padStart(2, '0')}/x`)
    const tree = treeOf(keys.flatMap((key) => [`${key}/1`, `${key}/2`]))
    await collect(sourceOf(tree), { after: 'd25/x/1' }, 1)
    expect(tree.scanned).toEqual(['d25/x'])
  })

  test('a common prefix is proven by a glance, and its subtree is not read', async () => {
    const tree = treeOf(['a/1', 'a/sub/2', 'b/1', 'b/sub/2'])
    expect(await list(sourceOf(tree), { delimiter: '/' })).toEqual(['a/', 'b/'])
    expect(tree.scanned).toEqual(['', 'a…', 'b…'])
  })

  test('a group that is done is skipped without a look into it', async () => {
    const tree = treeOf(['a/1', 'b/1', 'c'])
    expect(await list(sourceOf(tree), { delimiter: '/', after: 'b/' })).toEqual(['c'])
    expect(tree.scanned).toEqual([''])
  })

  test('nothing behind the prefix is read ahead', async () => {
    const keys = ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'].map((directory) => `${directory}/k`)
    const tree = treeOf(keys)
    expect(await list(sourceOf(tree), { prefix: 'a' })).toEqual(['a1/k', 'a2/k', 'a3/k'])
    expect(tree.scanned.sort()).toEqual(['', 'a1', 'a2', 'a3'])
  })

  test('an empty bucket and the first key need one directory', async () => {
    const tree = treeOf(['a', 'b/c'])
    await collect(sourceOf(tree), {}, 1)
    expect(tree.scanned).toEqual([''])
  })

  test('directories ahead are read at the same time, eight at most', async () => {
    const tree = treeOf(Array.from({ length: 100 }, (_, index) => `${String(index).padStart(3, '0')}/k`))
    let reading = 0
    let most = 0
    tree.duringScan = async (path, before) => {
      if (path === '') return
      reading += before ? 1 : -1
      most = Math.max(most, reading)
      if (before) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect(await list(sourceOf(tree))).toHaveLength(100)
    expect(most).toBeGreaterThan(3)
    expect(most).toBeLessThanOrEqual(9)
    expect(tree.scanned.filter((path) => path === '050')).toHaveLength(1)
  })
})
