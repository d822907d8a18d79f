/** publish: nothing visible before everything is in place. */
import { readdirSync } from 'node:fs'
import { expect } from 'vitest'
import type { PublishSteps } from '../files.ts'
import type { OpenedFiles } from './contract-tree.ts'
import { contentOf, created, statOnly, testOnTree, written } from './contract-tree.ts'

const mtimeNs = 1_700_000_000_123_456_789n
const steps: PublishSteps = { mtimeNs, flushFile: true, replace: true, flushDirectory: true }
const attribute = { name: 'user.causeway', value: Buffer.from('record') }

export function publishContract(open: () => Promise<OpenedFiles>): void {
  const onTree = testOnTree(open)

  onTree(
    'publish replaces what is there, with attribute and mtime, and answers the final stat',
    async ({ calls, directory }) => {
      await calls.makeDirectory('d', 0o755)
      await written(calls, 'd/key', 'old')
      const descriptor = await created(calls, 'd/.s3-1', 'new')
      const stat = await calls.publish(descriptor, 'd/.s3-1', 'd/key', { ...steps, attribute })
      expect(stat).toEqual(await calls.stat(descriptor))
      expect(stat).toMatchObject({ mtimeNs, links: 1, sizeBytes: 3, type: 'file' })
      await calls.close(descriptor)
      const found = await calls.find('d/key', { attribute: 'user.causeway', bodyBytesMax: 10, keepOpen: false })
      expect(found).toMatchObject({ attribute: Buffer.from('record'), body: Buffer.from('new'), stat: { mtimeNs } })
      expect(readdirSync(`${directory}/d`)).toEqual(['key'])
    },
  )

  onTree('publish without replace takes a free name once, by link', async ({ calls, directory }) => {
    const one = await created(calls, '.s3-1', 'one')
    const two = await created(calls, '.s3-2', 'two')
    const published = await calls.publish(one, '.s3-1', 'key', { ...steps, attribute, replace: false })
    expect(published).toMatchObject({ mtimeNs, sizeBytes: 3 })
    await expect(calls.publish(two, '.s3-2', 'key', { ...steps, attribute, replace: false })).rejects.toMatchObject({
      code: 'EEXIST',
      syscall: 'linkat',
      path: 'key',
    })
    expect(await contentOf(calls, 'key')).toBe('one')
    // An NFS client keeps a second name (.nfs…) of a file that is unlinked while it is open, until it is closed.
    await calls.close(one)
    expect((await calls.find('key', statOnly))?.stat.links).toBe(1)
    expect(readdirSync(directory).sort()).toEqual(['.s3-2', 'key'])
    // mtime and attribute come before the name: they are on the loser's temporary already
    expect(await calls.stat(two)).toMatchObject({ mtimeNs })
    expect(await calls.readAttribute(two, attribute.name)).toEqual(attribute.value)
    await calls.close(two)
  })

  onTree('of many publishes without replace at once exactly one wins', async ({ calls }) => {
    const descriptors = await Promise.all(Array.from({ length: 24 }, (_, i) => created(calls, `.s3-${i}`, `${i}`)))
    const results = await Promise.allSettled(
      descriptors.map((descriptor, i) => calls.publish(descriptor, `.s3-${i}`, 'key', { ...steps, replace: false })),
    )
    const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [`${i}`] : []))
    expect(won.length).toBe(1)
    expect(await contentOf(calls, 'key')).toBe(won[0])
    await Promise.all(descriptors.map((descriptor) => calls.close(descriptor)))
  })

  onTree('a link repeated because its answer was lost is no conflict with itself', async ({ calls, directory }) => {
    const descriptor = await created(calls, '.s3-1', 'one')
    await calls.link('.s3-1', 'key')
    await calls.publish(descriptor, '.s3-1', 'key', { ...steps, replace: false })
    await calls.close(descriptor)
    expect((await calls.find('key', statOnly))?.stat.links).toBe(1)
    expect(readdirSync(directory)).toEqual(['key'])
  })

  onTree(
    'an attribute that does not fit stops publish before the name, after the mtime',
    async ({ calls, directory }) => {
      await written(calls, 'key', 'old')
      const descriptor = await created(calls, '.s3-1', 'new')
      const large = { name: 'user.causeway', value: Buffer.alloc(70_000) }
      const failure = await calls
        .publish(descriptor, '.s3-1', 'key', { ...steps, attribute: large })
        .catch((error) => error)
      expect(['E2BIG', 'ENOSPC', 'ERANGE']).toContain(failure.code)
      expect(failure).toMatchObject({ syscall: 'fsetxattr', path: 'key' })
      expect(await contentOf(calls, 'key')).toBe('old')
      expect((await calls.stat(descriptor)).mtimeNs).toBe(mtimeNs)
      expect(readdirSync(directory).sort()).toEqual(['.s3-1', 'key'])
      await calls.close(descriptor)
    },
  )

  onTree('publish into a directory that is not there changes nothing', async ({ calls }) => {
    const descriptor = await created(calls, '.s3-1', 'new')
    const before = await calls.stat(descriptor)
    await expect(calls.publish(descriptor, '.s3-1', 'absent/key', { ...steps, attribute })).rejects.toMatchObject({
      code: 'ENOENT',
    })
    expect(await calls.stat(descriptor)).toEqual(before)
    expect(await calls.readAttribute(descriptor, attribute.name)).toBeUndefined()
    await calls.close(descriptor)
  })

  onTree('publish never replaces a directory', async ({ calls }) => {
    await calls.makeDirectory('key', 0o755)
    const descriptor = await created(calls, '.s3-1', 'new')
    await expect(calls.publish(descriptor, '.s3-1', 'key', steps)).rejects.toMatchObject({
      code: 'EISDIR',
      syscall: 'renameat',
    })
    expect((await calls.find('key', statOnly))?.stat.type).toBe('directory')
    await calls.close(descriptor)
  })

  onTree('publish across directories moves', async ({ calls }) => {
    await calls.makeDirectory('armed', 0o755)
    const descriptor = await created(calls, 'armed/x', 'new')
    await calls.publish(descriptor, 'armed/x', 'key', steps)
    expect(await contentOf(calls, 'key')).toBe('new')
    expect((await calls.scan('armed')).count).toBe(0)
    await calls.close(descriptor)
  })
}
