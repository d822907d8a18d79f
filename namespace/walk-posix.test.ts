import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Files } from './files.ts'
import { keyPath } from './key-path.ts'
import { openPosixFiles } from './posix-files.ts'
import { createScanCache } from './scan-cache.ts'
import { awkwardKeys } from './testing/awkward-keys.ts'
import { listModel, type ModelQuery } from './testing/list-model.ts'
import { type WalkSource, walk } from './walk.ts'

/** walk and scan-cache over the real calls and a real file system: what the tree in memory may have wrong. */
describe('on a real tree', () => {
  let root = ''
  let files: Files
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'walk-'))
    files = openPosixFiles(root, { threads: 2 })
  })
  afterAll(() => {
    files.close()
    rmSync(root, { recursive: true })
  })

  const sourceOf = (bucket: string): WalkSource => ({
    files: files.as(undefined),
    cache: createScanCache(),
    root: bucket,
    isDirectoryObject: async () => false,
    boundary: () => false,
    skipped: () => undefined,
  })

  async function list(source: WalkSource, query: Partial<ModelQuery> = {}): Promise<string[]> {
    const entries: string[] = []
    for await (const entry of walk(source, { prefix: '', delimiter: '', after: '', ...query })) {
      entries.push(entry.kind === 'prefix' ? entry.prefix : entry.key)
    }
    return entries
  }

  function lay(bucket: string, keys: readonly string[]): void {
    mkdirSync(join(root, bucket))
    const laid = keys.map((key) => keyPath(key))
    const directories = new Set(
      laid.flatMap(({ path }) => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index))),
    )
    for (const { path, alias } of laid) {
      const file = join(root, bucket, directories.has(path) ? alias : path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, '')
    }
  }

  let buckets = 0
  const queries = fc.record({
    delimiter: fc.constantFrom('', '/', '%', '.', 'a', '\n', '🎉'),
    prefixCut: fc.nat({ max: 6 }),
    afterCut: fc.nat({ max: 8 }),
    pick: fc.nat({ max: 30 }),
  })

  test('any keys, listed from anywhere, are the model’s', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(awkwardKeys, { minLength: 1, maxLength: 25 }),
        fc.array(queries, { minLength: 3, maxLength: 8 }),
        async (keys, cuts) => {
          buckets += 1
          const bucket = `bucket-${buckets}`
          lay(bucket, keys)
          writeFileSync(Buffer.concat([Buffer.from(`${join(root, bucket)}/bad `), Buffer.from([0xff])]), '')
          mkdirSync(join(root, bucket, '.s3/uploads'), { recursive: true })
          writeFileSync(join(root, bucket, '.s3-1-temporary'), '')
          symlinkSync('/etc', join(root, bucket, 'link to elsewhere'))
          const source = sourceOf(bucket)
          for (const { delimiter, prefixCut, afterCut, pick } of cuts) {
            const characters = [...(keys[pick % keys.length] ?? '')]
            const prefix = characters.slice(0, prefixCut > 3 ? 0 : prefixCut).join('')
            const query = { delimiter, prefix, after: characters.slice(0, afterCut).join('') }
            const expected = listModel(keys, query).map((entry) => ('key' in entry ? entry.key : entry.prefix))
            expect(await list(source, query), JSON.stringify(query)).toEqual(expected)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test('a listing that begins after a file was made shows it, however fast they come', async () => {
    mkdirSync(join(root, 'fast/deep/er'), { recursive: true })
    const source = sourceOf('fast')
    const keys: string[] = []
    const others: Promise<unknown>[] = []
    for (let index = 0; index < 300; index += 1) {
      const key = `deep/er/${String(index).padStart(4, '0')}`
      writeFileSync(join(root, 'fast', key), '')
      keys.push(key)
      // Listings under way that the next one must not be served from.
      others.push(list(source))
      if (index % 3 === 0) expect(await list(source)).toEqual(keys)
    }
    await Promise.all(others)
    expect(await list(source)).toEqual(keys)
  })

  test('the bucket’s directory missing is an error, another one missing is not', async () => {
    mkdirSync(join(root, 'there'))
    await expect(list(sourceOf('not-there'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await list(sourceOf('there'), { prefix: 'no/such/directory/' })).toEqual([])
    expect(await list(sourceOf('there'), { after: '/'.repeat(1000) })).toEqual([])
  })
})
