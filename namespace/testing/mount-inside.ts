/** Run in a mount namespace of its own: mounts a tmpfs inside a bucket and tells, as JSON, what became of keys in and out of it. */
import { execFileSync } from 'node:child_process'
import { openNamespace } from '../namespace.ts'
import { alice, bodyOf, get, listAll, plain, put } from './fixture.ts'

const [root = '', mountPoint = ''] = process.argv.slice(2)
execFileSync('mount', ['-t', 'tmpfs', 'causeway-test', mountPoint])
const open = await openNamespace({
  root,
  roots: [],
  durability: 'strict',
  recordKey: Buffer.alloc(32, 7),
  threads: 2,
  directoriesMax: 64,
  problems: () => undefined,
  // As on a server's mount: conditional writers rename once more, and must not leave the file system either.
  locksExpire: true,
})
const namespace = open.as(alice)
const at = (key: string) => ({ bucket: 'docs', key })
await put(namespace, 'docs', 'mounted/bytes', 'bytes')
await put(namespace, 'docs', 'outside', 'outside')
await put(namespace, 'docs', 'mounted/new', 'old')
const { eTag } = await namespace.objects.stat(at('mounted/new'))
const precondition = (current: { readonly eTag: string } | undefined): void => {
  if (current?.eTag !== eTag) throw new Error('another one')
}
await namespace.objects.put(at('mounted/new'), plain, bodyOf('conditional'), { precondition })
await namespace.objects.copy(at('outside'), at('mounted/copied'), { describe: () => plain })
await namespace.objects.copy(at('mounted/bytes'), at('copied'), { describe: () => plain })
const { uploadId } = await namespace.uploads.begin(at('mounted/assembled'), plain, undefined)
const upload = { ...at('mounted/assembled'), uploadId }
const part = await namespace.uploads.putPart(upload, 1, bodyOf('part'))
await namespace.uploads.complete(upload, [{ partNumber: 1, eTag: part.eTag, checksums: {} }], {})
const read = (key: string) => get(namespace, 'docs', key)
const told = {
  written: await read('mounted/bytes'),
  conditional: await read('mounted/new'),
  copiedIn: await read('mounted/copied'),
  copiedOut: await read('copied'),
  assembled: await read('mounted/assembled'),
  listed: await listAll(namespace, 'docs', { prefix: 'mounted/' }),
  left: (await listAll(namespace, 'docs')).filter((key) => !key.startsWith('mounted/')),
  removed: (await namespace.objects.remove(at('mounted/bytes'), {})).changed,
}
await open.close()
process.stdout.write(JSON.stringify(told))
