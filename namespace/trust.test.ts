import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FileCalls, Files } from './files.ts'
import { openPosixFiles } from './posix-files.ts'
import { listAll, openFixture, plain, put } from './testing/fixture.ts'

const setAttribute = (path: string, value: string): void => {
  execFileSync('python3', [
    '-c',
    'import os,sys; os.setxattr(sys.argv[1],"user.causeway",sys.argv[2].encode())',
    path,
    value,
  ])
}

test('of a record that somebody else wrote, only headers of content with values that can be sent are told', async () => {
  const fixture = await openFixture()
  await fixture.namespace.buckets.create('docs')
  const path = join(fixture.directory, 'docs', 'planted')
  await writeFile(path, 'x')
  const headers = {
    'content-type': 'text/html',
    'set-cookie': 'session=stolen',
    'access-control-allow-origin': '*',
    'cache-control': 'no-store\r\nx-injected: yes',
    'content-language': 'en\u0001',
    'content-disposition': 'inline; filename=\u20ac',
  }
  const record = { v: 1, kind: 'object', sizeBytes: 1, mtimeNs: '1', eTag: 'x', owner: {}, headers, metadata: {} }
  setAttribute(path, JSON.stringify(record))
  const stat = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'planted' })
  expect(stat.headers).toEqual({ 'content-type': 'text/html' })
  expect(await listAll(fixture.namespace, 'docs')).toEqual(['planted'])
  await fixture.close()
})

test('on a file system that keeps whole seconds, objects are not taken for rewritten ones', async () => {
  const cut = (ns: bigint): bigint => ns - (ns % 1_000_000_000n)
  const coarse = (calls: FileCalls): FileCalls => ({
    ...calls,
    setModified: (descriptor, mtimeNs) => calls.setModified(descriptor, cut(mtimeNs)),
    publish: (descriptor, temporary, target, steps) =>
      calls.publish(descriptor, temporary, target, { ...steps, mtimeNs: cut(steps.mtimeNs) }),
  })
  const openFiles = (path: string, options: { readonly threads: number }): Files => {
    const files = openPosixFiles(path, options)
    return { ...files, as: (identity) => coarse(files.as(identity)) }
  }
  const fixture = await openFixture({ openFiles })
  await fixture.namespace.buckets.create('docs')
  const { stat } = await put(fixture.namespace, 'docs', 'k', '1')
  expect(stat.foreign).toBe(false)
  // A record that no file system's attribute takes (64 KiB): it has a side-car.
  const large = {
    ...plain,
    metadata: Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`n${i}`, 'v'.repeat(999)])),
  }
  await put(fixture.namespace, 'docs', 'large', '1', large)
  const found = await fixture.namespace.objects.stat({ bucket: 'docs', key: 'large' })
  expect(found).toMatchObject({ foreign: false, metadata: large.metadata })
  await fixture.close()
})
