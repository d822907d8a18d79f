import { NamespaceError } from './errors.ts'
import { recordAttribute, state } from './layout.ts'
import { writeWhole } from './record-store.ts'
import { findRecord, type Tree } from './tree.ts'

/**
 * Configuration of a bucket as JSON documents by name, in `.causeway/buckets/<bucket>/<name>.json`. All get, put and delete operations of
 * policy, CORS, tagging, lifecycle … are these three verbs.
 */
const documentBytesMax = 4 * 1024 * 1024

const namePattern = /^[a-z][a-z0-9-]*$/

async function requireBucket(tree: Tree, bucket: string, name: string): Promise<void> {
  if (!namePattern.test(name) || name === 'bucket') throw new Error(`'${name}' is no name of a document`)
  if ((await findRecord(tree, bucket)) === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: bucket })
}

export async function findDocument(tree: Tree, bucket: string, name: string): Promise<unknown> {
  await requireBucket(tree, bucket, name)
  const want = { attribute: recordAttribute, bodyBytesMax: documentBytesMax, keepOpen: false }
  const found = await tree.service.find(state.document(bucket, name), want)
  if (found === undefined) return undefined
  try {
    return JSON.parse((found.body ?? Buffer.alloc(0)).toString('utf8'))
  } catch (error) {
    // Never "there is none": a policy that cannot be read must not be no policy.
    const message = `The document '${name}' of bucket ${bucket} is damaged; restore it from a backup of .causeway.`
    throw new NamespaceError('InternalError', { message }, error)
  }
}

/** Under the bucket's lock: a document of a bucket that is removed meanwhile must not become the next one's of that name. */
export function writeDocument(tree: Tree, bucket: string, name: string, value: unknown): Promise<void> {
  return tree.bucketLocks.hold(bucket, 'shared', async () => {
    await requireBucket(tree, bucket, name)
    await writeWhole(tree.service, state.document(bucket, name), Buffer.from(JSON.stringify(value)), tree.options)
  })
}

export function removeDocument(tree: Tree, bucket: string, name: string): Promise<void> {
  return tree.bucketLocks.hold(bucket, 'shared', async () => {
    await requireBucket(tree, bucket, name)
    await tree.service.unlink(state.document(bucket, name))
    if (tree.options.flush) await tree.service.flushDirectory(state.bucket(bucket))
  })
}
