/** Object lock of a bucket, as its objects meet it. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html */

import type { Namespace, ObjectLockDocument, Retention } from '#namespace'
import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { lockFrom, type ObjectLock } from '../object-lock-headers.ts'
import type { Call } from '../operation.ts'

/** P-194: retention and hold are only where the bucket has object lock. Throws InvalidRequest. */
export async function requireObjectLock(namespace: Namespace, bucket: string): Promise<ObjectLockDocument> {
  const document = await findBucketDocument(namespace, bucket, 'object-lock')
  if (document !== undefined) return document
  throw new GatewayError('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' })
}

type Asking = Pick<Call, 'headers' | 'now' | 'namespace' | 'bucket'>

/**
 * What the headers say of an object. Throws InvalidArgument (P-195), and InvalidRequest where the bucket has no object lock, for OFF too (P-194).
 */
export async function askedLock({ headers, now, namespace, bucket }: Asking): Promise<ObjectLock> {
  const asked = lockFrom(headers, now)
  if (Object.keys(asked).length > 0) await requireObjectLock(namespace, bucket)
  return asked
}

/** What protects an object that is there from now on: what its headers say, else the bucket's own rule. Throws as `askedLock`. */
export async function lockOfNewObject(call: Asking): Promise<ObjectLock> {
  const asked = await askedLock(call)
  const retention = asked.retention ?? (await defaultRetention(call))
  return { ...asked, ...(retention !== undefined && { retention }) }
}

/** By the bucket's rule, from now on; undefined where it has none. Throws NoSuchBucket. */
export async function defaultRetention({
  now,
  namespace,
  bucket,
}: Omit<Asking, 'headers'>): Promise<Retention | undefined> {
  const rule = (await findBucketDocument(namespace, bucket, 'object-lock'))?.rule
  if (rule === undefined) return undefined
  const until = new Date(now)
  until.setUTCDate(until.getUTCDate() + (rule.days ?? 0))
  until.setUTCFullYear(until.getUTCFullYear() + (rule.years ?? 0))
  return { mode: rule.mode, until: until.toISOString() }
}
