import { Readable } from 'node:stream'
import type { Namespace } from '#namespace'
import { createMultipartUpload } from '../create-multipart-upload.ts'
import { putObject } from '../put-object.ts'
import { uploadPart } from '../upload-part.ts'
import { type createHarness, fileOwner, type Request, textsOf } from './call-operation.ts'

type Harness = ReturnType<typeof createHarness>

/** Puts objects of the bytes given, or of their key where a list is given. Makes the bucket `photos`. */
export async function fill(
  harness: Harness,
  objects: Readonly<Record<string, string>> | readonly string[] = [],
): Promise<void> {
  await harness.namespace.buckets.create('photos')
  const all = Array.isArray(objects) ? objects.map((key) => [key, key] as const) : Object.entries(objects)
  for (const [key, bytes] of all) await harness.call(putObject, { bucket: 'photos', key, bytes })
}

/** What is there when a file user of this uid has written the key, and nobody else. */
export async function putFile(namespace: Namespace, key: string, uid: number): Promise<void> {
  const body = { bytes: Readable.from([]), sizeBytes: 0, digests: [], verify: () => undefined }
  await namespace.objects.put({ bucket: 'photos', key }, { headers: {}, metadata: {}, owner: fileOwner(uid) }, body, {})
}

export async function beginUpload(harness: Harness, key: string, request: Request = {}): Promise<string> {
  const reply = await harness.call(createMultipartUpload, { ...request, bucket: 'photos', key, query: { uploads: '' } })
  return textsOf(reply, 'UploadId')[0] ?? ''
}

/** Answers the part's ETag, with its quotes. */
export async function sendPart(
  harness: Harness,
  key: string,
  uploadId: string,
  partNumber: number,
  request: Request = {},
): Promise<string> {
  const query = { uploadId, partNumber: String(partNumber) }
  const reply = await harness.call(uploadPart, { ...request, bucket: 'photos', key, query })
  return String(reply.headers?.etag)
}
