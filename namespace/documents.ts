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
  return found?.body === undefined ? undefined : JSON.parse(found.body.toString('utf8'))
}

export async function writeDocument(tree: Tree, bucket: string, name: string, value: unknown): Promise<void> {
  await requireBucket(tree, bucket, name)
  await writeWhole(tree.service, state.document(bucket, name), Buffer.from(JSON.stringify(value)), tree.options)
}

export async function removeDocument(tree: Tree, bucket: string, name: string): Promise<void> {
  await requireBucket(tree, bucket, name)
  await tree.service.unlink(state.document(bucket, name))
  if (tree.options.flush) await tree.service.flushDirectory(state.bucket(bucket))
}
