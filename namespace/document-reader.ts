import { NamespaceError } from './errors.ts'
import { isErrno } from './file-errors.ts'
import type { FileCalls, Scan } from './files.ts'
import { recordAttribute, state } from './layout.ts'
import type { ScanCache } from './scan-cache.ts'

const documentBytesMax = 4 * 1024 * 1024

/** Of what may be a document's name; `bucket` is the bucket's own record. */
export const isDocumentName = (name: string): boolean => /^[a-z][a-z0-9-]*$/.test(name) && name !== 'bucket'

const suffix = '.json'

/** Of one bucket, by name. What cannot be read throws when it is asked for: a policy that cannot be read must not be no policy. */
export type Documents = ReadonlyMap<string, () => unknown>

/**
 * Every request asks for several documents of its bucket, which hardly ever change: they are kept while their directory stays as it is. Each
 * is replaced by a rename in there, so one look at the directory tells of all of them, and a change holds for the next request on every worker.
 */
export function documentReader(service: FileCalls, scans: ScanCache): (bucket: string) => Promise<Documents> {
  const read = new WeakMap<Scan, Promise<Documents>>()
  return async (bucket) => {
    try {
      const scan = await scans.scan(service, state.bucket(bucket))
      const known = read.get(scan) ?? readAll(service, bucket, scan)
      read.set(scan, known)
      // A failure is of that moment, not of the directory.
      known.catch(() => read.delete(scan))
      return await known
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return new Map()
      throw error
    }
  }
}

async function readAll(service: FileCalls, bucket: string, scan: Scan): Promise<Documents> {
  const names = Array.from({ length: scan.count }, (_, index) => scan.name(index).toString('utf8'))
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .filter(isDocumentName)
  const values = await Promise.all(names.map((name) => readOne(service, bucket, name)))
  return new Map(names.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]]])))
}

/** undefined: it has gone meanwhile. */
async function readOne(service: FileCalls, bucket: string, name: string): Promise<(() => unknown) | undefined> {
  const want = { attribute: recordAttribute, bodyBytesMax: documentBytesMax, keepOpen: false }
  const found = await service.find(state.document(bucket, name), want)
  if (found === undefined) return undefined
  try {
    const value: unknown = JSON.parse((found.body ?? Buffer.alloc(0)).toString('utf8'))
    return () => value
  } catch (error) {
    const message = `The document '${name}' of bucket ${bucket} is damaged; restore it from a backup of .causeway.`
    return () => {
      throw new NamespaceError('InternalError', { message }, error)
    }
  }
}
