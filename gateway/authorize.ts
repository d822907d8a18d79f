/**
 * May this identity do that? Fetches what a decision depends on, asks #auth, keeps the reason for the log.
 * Order (P-203): a bucket that is not there is 404 for everybody, before anything is said about rights.
 */
import { AuthError, decide, type Identity } from '#auth'
import { type Bucket, type Namespace, NamespaceError } from '#namespace'
import type { Operation } from './operation.ts'
import { copySource } from './operations/copy-source.ts'
import { checkExpectedBucketOwner } from './operations/expected-bucket-owner.ts'
import type { S3Request } from './s3-request.ts'

export type AuthorizeInput = {
  readonly operation: Operation
  readonly request: S3Request
  readonly identity: Identity | undefined
  readonly namespace: Namespace
  /** Told why, for every denial. Never for the client. */
  readonly denied: (reason: string) => void
}

/** What is asked of a bucket that does not exist yet. */
const BEFORE_THE_BUCKET: ReadonlySet<string> = new Set(['s3:CreateBucket'])

/** Throws NoSuchBucket, AccessDenied. */
export async function authorize(input: AuthorizeInput): Promise<void> {
  const { operation, request } = input
  const { action } = operation
  if (action === undefined) return
  const expectsBucket = request.bucket !== '' && !BEFORE_THE_BUCKET.has(action)
  const bucket = expectsBucket ? await readBucket(input.namespace, request.bucket) : undefined
  if (bucket !== undefined) checkExpectedBucketOwner(request.headers, bucket.owner)
  ask(input, action, { bucket: request.bucket, key: request.key }, bucket)
  if (operation.match.headers?.includes('x-amz-copy-source')) await authorizeSource(input)
}

/** A copy reads as well. Asked here and not by the operation, so that no operation can forget it. */
async function authorizeSource(input: AuthorizeInput): Promise<void> {
  const source = copySource(input.request.headers)
  const bucket = await readBucket(input.namespace, source.bucket)
  checkExpectedBucketOwner(input.request.headers, bucket.owner, 'x-amz-source-expected-bucket-owner')
  ask(input, 's3:GetObject', source, bucket)
}

async function readBucket(namespace: Namespace, name: string): Promise<Bucket> {
  const bucket = await namespace.buckets.find(name)
  if (bucket === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
  return bucket
}

function ask(
  { identity, denied }: AuthorizeInput,
  action: string,
  { bucket: name, key }: { readonly bucket: string; readonly key: string },
  bucket: Bucket | undefined,
): void {
  const resource = { bucket: name === '' ? undefined : name, key: key === '' ? undefined : key }
  const decision = decide({ identity, action, resource, bucketOwnerId: bucket?.owner.canonicalId })
  if (decision.allow) return
  denied(`${action}: ${decision.reason}`)
  throw new AuthError('AccessDenied')
}
