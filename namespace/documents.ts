import { isDocumentName } from './document-reader.ts'
import { NamespaceError } from './errors.ts'
import { state } from './layout.ts'
import { writeWhole } from './record-store.ts'
import { type FindRecord, findRecord, type Tree } from './tree.ts'

/**
 * Configuration of a bucket as JSON documents by name, in `.causeway/buckets/<bucket>/<name>.json`. All get, put and delete operations of
 * policy, CORS, tagging, lifecycle … are these three verbs.
 */

/** A name that no document has is a mistake of ours. */
function documentName(name: string): string {
  if (!isDocumentName(name)) throw new Error(`'${name}' is no name of a document`)
  return name
}

/** Throws NoSuchBucket. */
async function requireBucket(find: FindRecord, bucket: string): Promise<void> {
  if ((await find(bucket)) === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: bucket })
}

/** findRecord and the tree's own, or what remembers their answers. */
type Reading = { readonly find: FindRecord; readonly readDocuments: Tree['readDocuments'] }

export async function findDocument(reading: Reading, bucket: string, name: string): Promise<unknown> {
  return (await readBucketDocuments(reading, bucket))(name)
}

/** Whoever asks for several waits once. */
export async function readBucketDocuments(
  { find, readDocuments }: Reading,
  bucket: string,
): Promise<(name: string) => unknown> {
  await requireBucket(find, bucket)
  const documents = await readDocuments(bucket)
  return (name) => documents.get(documentName(name))?.()
}

/** Under the bucket's lock: a document of a bucket that is removed meanwhile must not become the next one's of that name. */
export function writeDocument(tree: Tree, bucket: string, name: string, value: unknown): Promise<void> {
  return tree.bucketLocks.hold(bucket, 'shared', async () => {
    await requireBucket((of) => findRecord(tree, of), bucket)
    await writeDocumentFile(tree, bucket, documentName(name), value)
  })
}

export const writeDocumentFile = (tree: Tree, bucket: string, name: string, value: unknown): Promise<void> =>
  writeWhole(tree.service, state.document(bucket, name), Buffer.from(JSON.stringify(value)), tree.options)

export function removeDocument(tree: Tree, bucket: string, name: string): Promise<void> {
  return tree.bucketLocks.hold(bucket, 'shared', async () => {
    await requireBucket((of) => findRecord(tree, of), bucket)
    await tree.service.unlink(state.document(bucket, documentName(name)))
    if (tree.options.flush) await tree.service.flushDirectory(state.bucket(bucket))
  })
}
