/**
 * What explain foretells from modes and ACLs is what enforcement `kernel` does: the same question to the calculation and to a gateway whose calls the
 * kernel decides. Needs root, to give files away.
 */
import { chmod, chown, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FileNeed, fileRights } from '../gateway/file-rights.ts'
import { type Files, type OpenNamespace, openNamespace, openPosixFiles } from '../namespace/namespace.ts'
import { type KernelTree, openKernelTree, serviceId } from '../namespace/testing/kernel-tree.ts'
import { writeAcl } from '../namespace/testing/posix-acls.ts'

type Question = {
  readonly work: Parameters<KernelTree['ask']>[1]
  readonly need: FileNeed
  readonly key: string
  readonly ofOlder?: true
}

const questions: Readonly<Record<string, Question>> = {
  get: { work: 'get', need: 'read', key: 'd/k' },
  head: { work: 'stat', need: 'read', key: 'd/k' },
  tag: { work: 'tag', need: 'amend', key: 'd/k' },
  replace: { work: 'put', need: 'replace', key: 'd/k' },
  remove: { work: 'remove', need: 'replace', key: 'd/k' },
  put: { work: 'put', need: 'replace', key: 'd/new' },
  'put below': { work: 'put', need: 'replace', key: 'd/x/y' },
  'begin an upload': { work: 'begin', need: 'replace', key: 'd/big' },
  list: { work: 'list', need: 'list', key: '' },
  'get an older version': { work: 'getVersion', need: 'read', key: 'd/k', ofOlder: true },
  'tag an older version': { work: 'tag', need: 'amend', key: 'd/k', ofOlder: true },
  'remove an older version': { work: 'remove', need: 'replace', key: 'd/k', ofOlder: true },
}

// Few, so that owners and members are as frequent as strangers.
const id = fc.integer({ min: 41_001, max: 41_004 })
const bits = fc.integer({ min: 0, max: 0o777 })
/** More often given than not, so that something gets through. */
const mode = fc.tuple(bits, bits).map(([one, other]) => one | other)
const rights = fc.record({
  uid: id,
  gid: id,
  mode,
  named: fc.option(fc.record({ id, permissions: fc.integer({ min: 0, max: 7 }) })),
})
const sticky = fc.constantFrom(0, 0, 0, 0o1000)
const asked = fc.record({
  name: fc.constantFrom(...Object.keys(questions)),
  who: fc.record({ uid: id, gid: id, groups: fc.tuple(id) }),
  bucket: rights,
  directory: fc.tuple(rights, sticky).map(([all, bit]) => ({ ...all, mode: all.mode | bit })),
  file: rights.map((all) => ({ ...all, mode: all.mode & 0o666 })),
})
type Rights = typeof rights extends fc.Arbitrary<infer Each> ? Each : never

describe.skipIf(process.getuid?.() !== 0)('explain', () => {
  const owner = { name: 'owner', posix: { uid: 41_001, gid: 41_001, groups: [] } }
  let tree: KernelTree
  let operator: OpenNamespace
  let files: Files
  const on = (...path: readonly string[]) => join(tree.directory, ...path)

  beforeAll(async () => {
    tree = await openKernelTree()
    for (const bucket of ['docs', 'kept']) await tree.ask(owner, 'createBucket', bucket)
    await tree.ask(owner, 'version', 'kept', 'Enabled')
    files = openPosixFiles(tree.directory, { threads: 1 })
    operator = await openNamespace({
      ...{ root: tree.directory, roots: [], durability: 'relaxed', recordKey: Buffer.alloc(32, 7), threads: 2 },
      ...{ directoriesMax: 100, problems: () => {} },
    })
  })
  afterAll(async () => {
    await operator?.close()
    files?.close()
    await tree?.close()
  })

  async function give(path: string, { uid, gid, mode, named }: Rights): Promise<void> {
    await chown(on(path), uid, gid)
    await chmod(on(path), mode)
    if (named === null) return
    const none = 0xffffffff
    await writeAcl(files.as(undefined), path, [
      { tag: 'owner', permissions: (mode >> 6) & 7, id: none },
      { tag: 'user', ...named },
      { tag: 'owningGroup', permissions: (mode >> 3) & 7, id: none },
      { tag: 'mask', permissions: (mode >> 3) & 7, id: none },
      { tag: 'other', permissions: mode & 7, id: none },
    ])
  }

  /** The bucket is anew what it was; the id of an older version of `d/k`, where it has one. */
  async function prepare(bucket: string): Promise<string | undefined> {
    await chown(on(bucket), 41_001, 41_001)
    await give(bucket, { uid: 41_001, gid: 41_001, mode: 0o777, named: null })
    await rm(on(bucket, 'd'), { recursive: true, force: true })
    if (bucket === 'docs') {
      await mkdir(on('docs/d'))
      await writeFile(on('docs/d/k'), 'x')
      return undefined
    }
    const older = await tree.ask(owner, 'put', bucket, 'd/k', 'older')
    await tree.ask(owner, 'put', bucket, 'd/k', 'current')
    return (older.value as { versionId: string }).versionId
  }

  test('knows whose a version is that the service keeps as a file of its own', async () => {
    await prepare('kept')
    await give('kept/d/k', { uid: 41_002, gid: 41_003, mode: 0o640, named: null })
    await give('kept/d', { uid: 41_002, gid: 41_003, mode: 0o755, named: null })
    const user = { name: 'user', posix: { uid: 41_002, gid: 41_003, groups: [] } }
    const { value } = await tree.ask(user, 'hold', 'kept', 'd/k')
    await tree.ask(user, 'put', 'kept', 'd/k', 'next')
    const { versionId } = value as { versionId: string }
    const { kind, components } = await operator.path({ bucket: 'kept', key: 'd/k', versionId })
    expect([kind, components.at(-1)]).toMatchObject(['older', { uid: 41_002, gid: 41_003, mode: 0o640 }])
    const { uid } = await stat(components.at(-1)?.path ?? '')
    expect(uid).toBe(serviceId)
  })

  test('foretells what the kernel lets a user do', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(asked, async ({ name, who, bucket, directory, file }) => {
        const question = questions[name]
        if (question === undefined) throw new Error(name)
        const { work, need, key, ofOlder } = question
        const inBucket = ofOlder ? 'kept' : 'docs'
        const versionId = await prepare(inBucket)
        const older = on('kept/.s3/versions/d/k')
        const entry = ofOlder && (await readdir(older)).find((each) => each.includes(versionId ?? ''))
        await give(ofOlder ? `kept/.s3/versions/d/k/${entry}` : 'docs/d/k', file)
        await give(`${inBucket}/d`, directory)
        await give(inBucket, bucket)
        const path = await operator.path({ bucket: inBucket, key, versionId })
        const may = fileRights(who, path, need).every(({ answer }) => answer === 'yes')
        const value = ['tag', 'put'].includes(work) ? ['value'] : []
        const named = versionId === undefined ? [] : [versionId]
        const input = [...(key === '' ? [] : [key]), ...value, ...named]
        const { code } = await tree.ask({ name: 'user', posix: who }, work, inBucket, ...input)
        expect({ name, code }).toEqual({ name, code: may ? undefined : 'AccessDenied' })
        seen.set(`${name} ${may}`, (seen.get(`${name} ${may}`) ?? 0) + 1)
      }),
      { numRuns: 1500 },
    )
    // Each has been allowed and refused.
    expect(seen.size).toBe(Object.keys(questions).length * 2)
  }, 300_000)
})
