import type { Grant, ObjectOwnership } from '#auth'
import type { BucketDocuments } from './bucket-documents.ts'
import type { S3Config } from './config.ts'
import { allBlocked } from './effective-public-access.ts'

/** What a request says of its bucket; the configuration says the rest. */
type Asked = {
  readonly ownership?: ObjectOwnership | undefined
  readonly grants?: readonly Grant[] | undefined
}

/** What a bucket has from its first moment on, made by a client or by the command line. */
export function documentsOfNewBucket(
  { objectOwnership, publicAccessBlock }: Pick<S3Config, 'objectOwnership' | 'publicAccessBlock'>,
  { ownership, grants }: Asked = {},
): Partial<Pick<BucketDocuments, 'acl' | 'ownership' | 'public-access'>> {
  const rule = ownership ?? (objectOwnership === 'none' ? undefined : objectOwnership)
  return {
    ...(rule !== undefined && { ownership: { rule } }),
    ...(publicAccessBlock && { 'public-access': allBlocked }),
    ...(grants !== undefined && { acl: { grants } }),
  }
}
