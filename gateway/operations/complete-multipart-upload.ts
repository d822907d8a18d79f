import type { Static } from 'typebox'
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  type CompletePart,
  type Namespace,
  NamespaceError,
  type Precondition,
  type UploadStat,
  type UploadTarget,
} from '#namespace'
import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { quoted } from '../headers.ts'
import { lifecycleExpiration } from '../lifecycle-expiration.ts'
import { encodeKey } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import { writePrecondition } from '../preconditions.ts'
import type { S3Headers } from '../s3-request.ts'
import { CompleteMultipartUpload, CompleteMultipartUploadResult } from '../shapes.ts'
import { checksumAlgorithms, typedChecksumElement } from './checksum-elements.ts'
import { encryptionHeader } from './encryption-header.ts'
import { defaultRetention } from './object-lock.ts'
import { checkPartNumber, uploadTarget } from './upload-target.ts'
import { xmlReply } from './xml-reply.ts'

type Part = Static<typeof CompleteMultipartUpload>['Part'][number]

/** 10,000 parts, each with ETag and a checksum. */
const maxBodyBytes = 4 * 1024 * 1024

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 * x-amz-checksum-* of this request are the object's, not the XML body's.
 */
export const completeMultipartUpload = defineOperation({
  name: 'CompleteMultipartUpload',
  match: { method: 'POST', on: 'object', query: ['uploadId'] },
  action: 's3:PutObject',
  body: {
    root: 'CompleteMultipartUpload',
    shape: CompleteMultipartUpload,
    maxBytes: maxBodyBytes,
    checksumOfObject: true,
  },
  async run(call) {
    const { bucket, key, headers, body, namespace, endpoint } = call
    const target = uploadTarget(call)
    const parts = listedParts(body.Part)
    const lifecycle = await findBucketDocument(namespace, bucket, 'lifecycle')
    const { stat } = await namespace.uploads.complete(target, parts, {
      precondition: await preconditionOf(headers, target, namespace),
      sizeBytes: objectSize(headers), // P-086
      checksum: objectChecksum(headers),
      checksumType: checksumType(headers),
      defaultRetention: await defaultRetention(call),
    })
    return xmlReply(
      'CompleteMultipartUploadResult',
      CompleteMultipartUploadResult,
      {
        Location: `${endpoint}/${bucket}/${encodeKey(key)}`,
        Bucket: bucket,
        Key: key,
        ETag: quoted(stat.eTag),
        ...typedChecksumElement(stat.checksum),
      },
      {
        'x-amz-version-id': stat.versionId,
        ...encryptionHeader(call.s3),
        'x-amz-expiration': lifecycleExpiration(lifecycle, stat),
      },
    )
  },
})

/** Throws InvalidRequest for none, InvalidArgument for impossible numbers (P-156). */
function listedParts(parts: readonly Part[]): readonly CompletePart[] {
  if (parts.length === 0) throw new GatewayError('InvalidRequest', { message: 'You must specify at least one part' })
  return parts.map((part) => ({
    partNumber: checkPartNumber(String(part.PartNumber)),
    eTag: part.ETag.replace(/^"(.*)"$/, '$1'), // P-098
    checksums: Object.fromEntries(
      checksumAlgorithms.flatMap((algorithm) => {
        const value = part[`Checksum${algorithm}`]
        return value === undefined ? [] : [[algorithm, value]]
      }),
    ),
  }))
}

/**
 * P-165, and what has become of the object since the upload began (P-210): put meanwhile, even if it is the one that If-Match names, or deleted
 * meanwhile, when nothing was to be there, is a conflict and not a match.
 */
async function preconditionOf(
  headers: S3Headers,
  target: UploadTarget,
  namespace: Namespace,
): Promise<Precondition | undefined> {
  const precondition = writePrecondition(headers, target.key)
  if (precondition === undefined) return undefined
  const upload = await findUpload(target, namespace)
  return (current) => {
    precondition(current)
    if (upload === undefined) return
    const putSince = current !== undefined && current.lastModified > upload.initiated
    if (headers.get('if-match') !== undefined && putSince) throw conflict('If-Match', target.key)
    const goneSince = current === undefined && upload.objectExisted
    if (headers.get('if-none-match') === '*' && goneSince) throw conflict('If-None-Match', target.key)
  }
}

const conflict = (Condition: string, Key: string) => new GatewayError('ConditionalRequestConflict', { Condition, Key })

/** undefined when the upload is completed already: then `complete` answers once more what it answered before (P-158). */
async function findUpload(target: UploadTarget, namespace: Namespace): Promise<UploadStat | undefined> {
  try {
    return await namespace.uploads.stat(target)
  } catch (error) {
    if (error instanceof NamespaceError && error.code === 'NoSuchUpload') return undefined
    throw error
  }
}

/** Throws InvalidRequest. */
function objectSize(headers: S3Headers): number | undefined {
  const size = headers.get('x-amz-mp-object-size')
  if (size === undefined) return undefined
  if (/^\d{1,15}$/.test(size)) return Number(size)
  throw new GatewayError('InvalidRequest', { message: 'Value for x-amz-mp-object-size header is invalid.' })
}

/** Throws InvalidRequest for more than one (P-078). Whether the value is well-formed shows when it is compared. */
function objectChecksum(
  headers: S3Headers,
): { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined {
  const sent = checksumAlgorithms.flatMap((algorithm) => {
    const value = headers.get(`x-amz-checksum-${algorithm.toLowerCase()}`)
    return value === undefined ? [] : [{ algorithm, value }]
  })
  if (sent.length <= 1) return sent[0]
  const message = 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.'
  throw new GatewayError('InvalidRequest', { message })
}

/** Throws InvalidRequest. */
function checksumType(headers: S3Headers): ChecksumType | undefined {
  const type = headers.get('x-amz-checksum-type')?.toUpperCase()
  if (type === undefined || type === 'COMPOSITE' || type === 'FULL_OBJECT') return type
  throw new GatewayError('InvalidRequest', { message: 'Value for x-amz-checksum-type header is invalid.' })
}
