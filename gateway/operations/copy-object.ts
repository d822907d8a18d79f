import type { Description, ObjectStat, ObjectTarget } from '#namespace'
import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { descriptionFrom, parseTagging, quoted } from '../headers.ts'
import { lifecycleExpiration } from '../lifecycle-expiration.ts'
import { newObjectAccess } from '../object-access.ts'
import { lockActions } from '../object-lock-headers.ts'
import { defineOperation } from '../operation.ts'
import { checkCopySource, writePrecondition } from '../preconditions.ts'
import type { S3Headers } from '../s3-request.ts'
import { CopyResult, timestamp } from '../shapes.ts'
import { requestedChecksum } from './checksum-algorithm.ts'
import { typedChecksumElement } from './checksum-elements.ts'
import { checkSourceSize, copySource } from './copy-source.ts'
import { encryptionHeader } from './encryption-header.ts'
import { lockOfNewObject } from './object-lock.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export const copyObject = defineOperation({
  name: 'CopyObject',
  match: { method: 'PUT', on: 'object', headers: ['x-amz-copy-source'] },
  action: 's3:PutObject',
  actionsByHeader: lockActions,
  async run(call) {
    const { bucket, key, headers, namespace, s3 } = call
    refuseUnsupportedHeaders(headers, s3)
    const source = copySource(headers)
    const target = { bucket, key }
    const describe = descriptionOfCopy(headers)
    // A version of its own comes of an older one.
    if (isSameObject(source, target) && source.versionId === undefined) refuseUnchangedCopy(headers)
    const access = await newObjectAccess(call) // P-144: the source's ACL is never taken over
    const lock = await lockOfNewObject(call) // Never the source's.
    const lifecycle = await findBucketDocument(namespace, bucket, 'lifecycle')
    let sourceVersion: string | undefined

    const { stat } = await namespace.objects.copy(source, target, {
      describe: (found) => {
        checkCopySource(headers, found) // P-143
        checkSourceSize(found.sizeBytes) // P-145
        sourceVersion = found.versionId
        return { ...describe(found), ...access, ...lock }
      },
      checksum: requestedChecksum(headers), // P-087
      precondition: writePrecondition(headers, key), // P-139
    })
    return xmlReply(
      'CopyObjectResult',
      CopyResult,
      {
        ETag: quoted(stat.eTag),
        LastModified: timestamp(stat.lastModified),
        ...typedChecksumElement(stat.checksum),
      },
      {
        'x-amz-version-id': stat.versionId,
        'x-amz-copy-source-version-id': sourceVersion,
        ...encryptionHeader(s3),
        'x-amz-expiration': lifecycleExpiration(lifecycle, stat),
      },
    )
  },
})

/**
 * P-144: metadata and tags each have a directive, COPY unless said otherwise. The storage class and the website redirect are never
 * taken over. Reads the headers at once, so that what is wrong with them is said before the source is opened.
 */
function descriptionOfCopy(headers: S3Headers): (source: ObjectStat) => Description {
  const ownMetadata = replaces(headers, 'x-amz-metadata-directive')
  const ownTags = replaces(headers, 'x-amz-tagging-directive')
  const given = descriptionFrom(headers)
  const tags = ownTags ? parseTagging(headers.get('x-amz-tagging')) : undefined
  return (source) => {
    const kept = ownMetadata ? given : source
    const { 'x-amz-storage-class': _class, 'x-amz-website-redirect-location': _redirect, ...content } = kept.headers
    return {
      headers: {
        ...content,
        ...only(given, 'x-amz-storage-class'),
        ...only(given, 'x-amz-website-redirect-location'),
      },
      metadata: kept.metadata,
      tags: ownTags ? tags : source.tags,
    }
  }
}

function only(description: Description, name: 'x-amz-storage-class' | 'x-amz-website-redirect-location') {
  const value = description.headers[name]
  return value === undefined ? {} : { [name]: value }
}

function replaces(headers: S3Headers, directive: string): boolean {
  const value = headers.get(directive)
  if (value === undefined || value === 'COPY') return false
  if (value === 'REPLACE') return true
  const what = directive === 'x-amz-metadata-directive' ? 'metadata' : 'tagging'
  throw new GatewayError('InvalidArgument', {
    message: `Unknown ${what} directive.`,
    ArgumentName: directive,
    ArgumentValue: value,
  })
}

function isSameObject(source: ObjectTarget, target: ObjectTarget): boolean {
  return source.bucket === target.bucket && source.key === target.key
}

/** P-142. What makes a copy onto itself worth doing; an ACL or tags alone do not. */
function refuseUnchangedCopy(headers: S3Headers): void {
  const changes =
    headers.get('x-amz-metadata-directive') === 'REPLACE' ||
    headers.get('x-amz-storage-class') !== undefined ||
    headers.get('x-amz-website-redirect-location') !== undefined
  if (changes) return
  throw new GatewayError('InvalidRequest', {
    message:
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  })
}
