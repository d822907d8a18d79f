/**
 * The documents that configure a bucket, as they are kept (`.causeway/buckets/<bucket>/<name>.json`), and the one way to read and write
 * them with their types. Operations validate what clients send and write it; nobody else can write there, so what is read is trusted to have
 * the shape it was written with.
 */
import type { Amendable, Grant, LifecycleDocument, Namespace, ObjectLockDocument, VersioningDocument } from '#namespace'

export type BucketDocuments = {
  /** namespace/ reads this one, too, inside the lock of each key that it writes. */
  readonly versioning: VersioningDocument
  readonly 'object-lock': ObjectLockDocument
  readonly acl: { readonly grants: readonly Grant[] }
  readonly ownership: { readonly rule: 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter' }
  readonly 'public-access': {
    readonly blockPublicAcls: boolean
    readonly ignorePublicAcls: boolean
    readonly blockPublicPolicy: boolean
    readonly restrictPublicBuckets: boolean
  }
  /** Byte for byte as it was put. */
  readonly policy: { readonly text: string }
  readonly cors: {
    readonly rules: readonly {
      readonly id?: string | undefined
      readonly allowedHeaders?: readonly string[]
      readonly allowedMethods: readonly string[]
      readonly allowedOrigins: readonly string[]
      readonly exposeHeaders?: readonly string[]
      readonly maxAgeSeconds?: number | undefined
    }[]
  }
  /** Carried out by namespace/. */
  readonly lifecycle: LifecycleDocument
  /** SSE-S3, where the tree is encrypted. */
  readonly encryption: { readonly bucketKeyEnabled: boolean }
  readonly tagging: { readonly tags: NonNullable<Amendable['tags']> }
}

export type BucketDocument = keyof BucketDocuments

/** undefined: the bucket has none. Throws NoSuchBucket. */
export async function findBucketDocument<Name extends BucketDocument>(
  namespace: Namespace,
  bucket: string,
  name: Name,
): Promise<BucketDocuments[Name] | undefined> {
  // Only writeBucketDocument writes it: see above.
  return (await namespace.documents.find(bucket, name)) as BucketDocuments[Name] | undefined
}

/** All of a bucket as they were at one moment, by name. Throws NoSuchBucket. */
export async function readBucketDocuments(
  namespace: Namespace,
  bucket: string,
): Promise<<Name extends BucketDocument>(name: Name) => BucketDocuments[Name] | undefined> {
  const read = await namespace.documents.read(bucket)
  // As above.
  return (name) => read(name) as BucketDocuments[typeof name] | undefined
}

/** Holds for the next request on every worker of this machine. Throws NoSuchBucket. */
export function writeBucketDocument<Name extends BucketDocument>(
  namespace: Namespace,
  bucket: string,
  name: Name,
  document: BucketDocuments[Name],
): Promise<void> {
  return namespace.documents.write(bucket, name, document)
}
