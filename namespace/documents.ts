import { isDocumentName } from './document-reader.ts'
import { NamespaceError } from './errors.ts'
import { state } from './layout.ts'
import { writeWhole } from './record-store.ts'
import { type FindRecord, findRecord, type Tree } from './tree.ts'

/**
 * Configuration of a bucket as JSON documents by name, in `.causeway/buckets/<bucket>/<name>.json`. All get, put and delete operations of
 * policy, CORS, tagging, lifecycle … are these three verbs.
 */

/** A name that no document has is a mistake of ours. Throws NoSuchBucket. */
async function requireBucket(find: FindRecord, bucket: string, name: string): Promise<void> {
  if (!isDocumentName(name)) throw new Error(`'${name}' is no name of a document`)
  if ((await find(bucket)) === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: bucket })
}

/** `find`, `readDocuments`: findRecord and the tree's own, or what remembers their answers. */
export async function findDocument(
  { find, readDocuments }: { readonly find: FindRecord; readonly readDocuments: Tree['readDocuments'] },
  bucket: string,
  name: string,
): Promise<unknown> {
  await requireBucket(find, bucket, name)
  return (await readDocuments(bucket)).get(name)?.()
}

/** Under the bucket's lock: a document of a bucket that is removed meanwhile must not become the next one's of that name. */
export function writeDocument(tree: Tree, bucket: string, name: string, value: unknown): Promise<void> {
  return tree.bucketLocks.hold(bucket, 'shared', async () => {
    await requireBucket((of) => findRecord(tree, of), bucket, name)
    await writeDocumentFile(tree, bucket, name, value)
  })
}

export const writeDocumentFile = (tree: Tree, bucket: string, name: string, value: unknown): Promise<void> =>
  writeWhole(tree.service, state.document(bucket, name), Buffer.from(JSON.stringify(value)), tree.options)

export function removeDocument(tree: Tree, bucket: string, name: string): Promise<void> {
  return tree.bucketLocks.hold(bucket, 'shared', async () => {
    await requireBucket((of) => findRecord(tree, of), bucket, name)
    await tree.service.unlink(state.document(bucket, name))
    if (tree.options.flush) await tree.service.flushDirectory(state.bucket(bucket))
  })
}
