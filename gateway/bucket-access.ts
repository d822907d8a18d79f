/** What decides about a bucket besides who asks: its owner and its documents, as they were at one moment. */
import { LRUCache } from 'lru-cache'
import { AuthError, type ObjectOwnership, type Policy, type PublicAccessBlock, parsePolicy } from '#auth'
import { type Bucket, type Grant, type Namespace, NamespaceError } from '#namespace'
import { readBucketDocuments } from './bucket-documents.ts'
import type { S3Config } from './config.ts'
import { ownershipOf } from './effective-ownership.ts'
import { publicAccessOf } from './effective-public-access.ts'

export type BucketAccess = {
  readonly bucket: Bucket
  readonly policy: Policy | undefined
  readonly acl: readonly Grant[] | undefined
  readonly ownership: ObjectOwnership
  readonly publicAccess: PublicAccessBlock
  readonly hasObjectLock: boolean
}

/** Throws NoSuchBucket. */
export async function readBucketAccess(
  namespace: Namespace,
  name: string,
  s3: Pick<S3Config, 'accountPublicAccessBlock'>,
): Promise<BucketAccess> {
  const bucket = await namespace.buckets.find(name)
  if (bucket === undefined) throw new NamespaceError('NoSuchBucket', { BucketName: name })
  const document = await readBucketDocuments(namespace, name)
  const policy = document('policy')
  return {
    bucket,
    policy: policy && parsed(policy.text, name),
    acl: document('acl')?.grants,
    ownership: ownershipOf(document('ownership')),
    publicAccess: publicAccessOf(document('public-access'), s3),
    hasObjectLock: document('object-lock') !== undefined,
  }
}

/** Every request of a bucket reads its policy, which hardly ever changes: the same text is the same policy. */
const policies = new LRUCache<string, Policy>({ max: 1000 })

function parsed(text: string, bucket: string): Policy {
  const key = `${bucket}\n${text}`
  const policy = policies.get(key) ?? parsedOrDenying(text, bucket)
  policies.set(key, policy)
  return policy
}

/** One that is not understood any more (a backup of another version's) denies everything but that its owner puts another one. */
function parsedOrDenying(text: string, bucket: string): Policy {
  try {
    return parsePolicy(text, bucket)
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
    const Statement = { Sid: 'TheStoredPolicyCannotBeRead', Effect: 'Deny', Principal: '*', Action: 's3:*', Resource }
    return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement }), bucket)
  }
}
