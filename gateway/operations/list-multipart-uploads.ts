import Type from 'typebox'
import type { UploadStat } from '#namespace'
import { GatewayError } from '../gateway-error.ts'
import { parseEncodingType, parseMax } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import type { S3Query } from '../s3-request.ts'
import { CommonPrefixes, Owner, timestamp } from '../shapes.ts'
import { ownerElement } from './owner-element.ts'
import { xmlReply } from './xml-reply.ts'

const ListMultipartUploadsResult = Type.Object({
  Bucket: Type.String(),
  KeyMarker: Type.String(),
  UploadIdMarker: Type.String(),
  NextKeyMarker: Type.String(),
  NextUploadIdMarker: Type.String(),
  Delimiter: Type.Optional(Type.String()),
  Prefix: Type.Optional(Type.String()),
  MaxUploads: Type.Integer(),
  IsTruncated: Type.Boolean(),
  Upload: Type.Array(
    Type.Object({
      Key: Type.String(),
      UploadId: Type.String(),
      Initiator: Owner,
      Owner,
      StorageClass: Type.String(),
      Initiated: Type.String(),
      ChecksumAlgorithm: Type.Optional(Type.String()),
      ChecksumType: Type.Optional(Type.String()),
    }),
  ),
  CommonPrefixes,
  EncodingType: Type.Optional(Type.String()),
})

/** A pending upload, or the uploads below a common prefix. */
type Entry = { readonly upload: UploadStat } | { readonly prefix: string }

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html */
export const listMultipartUploads = defineOperation({
  name: 'ListMultipartUploads',
  match: { method: 'GET', on: 'bucket', query: ['uploads'] },
  action: 's3:ListBucketMultipartUploads',
  async run({ bucket, query, namespace }) {
    const asked = parseUploadPage(query)
    const { encode, type } = asked.encoding
    const uploads = await namespace.uploads.list(bucket, asked.prefix)
    const rest = groupByDelimiter(behindMarker(uploads, asked), asked)
    const page = rest.slice(0, asked.max)
    const last = page.at(-1)
    return xmlReply('ListMultipartUploadsResult', ListMultipartUploadsResult, {
      Bucket: bucket,
      KeyMarker: encode(asked.keyMarker),
      UploadIdMarker: asked.uploadIdMarker,
      // On the last page too (recorded).
      NextKeyMarker: last === undefined ? '' : encode(nameOf(last)),
      NextUploadIdMarker: last === undefined || 'prefix' in last ? '' : last.upload.uploadId,
      Delimiter: asked.delimiter === '' ? undefined : encode(asked.delimiter),
      Prefix: asked.prefix === '' ? undefined : encode(asked.prefix),
      MaxUploads: asked.max,
      IsTruncated: last !== undefined && rest.length > page.length,
      Upload: page.flatMap((entry) =>
        'upload' in entry ? [{ ...uploadElement(entry.upload), Key: encode(entry.upload.key) }] : [],
      ),
      CommonPrefixes: page.flatMap((entry) => ('prefix' in entry ? [{ Prefix: encode(entry.prefix) }] : [])),
      EncodingType: type,
    })
  },
})

function parseUploadPage(query: S3Query) {
  const keyMarker = query.get('key-marker') ?? ''
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    keyMarker,
    // P-118: without a key it says nothing.
    uploadIdMarker: keyMarker === '' ? '' : (query.get('upload-id-marker') ?? ''),
    max: parseMax(query, 'max-uploads'),
    encoding: parseEncodingType(query),
  }
}

type UploadPage = ReturnType<typeof parseUploadPage>

/**
 * Uploads behind the marker; they come in order of key, then initiation. A marker that has been completed or aborted since the last
 * page is not an error: its key is listed again from the first, so that none of its uploads is passed over.
 * Throws InvalidArgument for the upload of another key (P-118).
 */
function behindMarker(
  uploads: readonly UploadStat[],
  { keyMarker, uploadIdMarker }: UploadPage,
): readonly UploadStat[] {
  if (keyMarker === '') return uploads
  if (uploadIdMarker === '') return uploads.filter((upload) => compareBytes(upload.key, keyMarker) > 0)
  const at = uploads.findIndex((upload) => upload.uploadId === uploadIdMarker)
  if (at < 0) return uploads.filter((upload) => compareBytes(upload.key, keyMarker) >= 0)
  if (uploads[at]?.key === keyMarker) return uploads.slice(at + 1)
  throw new GatewayError('InvalidArgument', {
    message: 'Invalid uploadId marker',
    ArgumentName: 'upload-id-marker',
    ArgumentValue: uploadIdMarker,
  })
}

/** A prefix that the key marker lies in, or is, was listed on an earlier page. */
function groupByDelimiter(
  uploads: readonly UploadStat[],
  { prefix, delimiter, keyMarker }: UploadPage,
): readonly Entry[] {
  if (delimiter === '') return uploads.map((upload) => ({ upload }))
  const entries: Entry[] = []
  for (const upload of uploads) {
    const end = upload.key.indexOf(delimiter, prefix.length)
    const group = end < 0 ? undefined : upload.key.slice(0, end + delimiter.length)
    const last = entries.at(-1)
    if (group === undefined) entries.push({ upload })
    else if ((last === undefined || nameOf(last) !== group) && compareBytes(group, keyMarker) > 0)
      entries.push({ prefix: group })
  }
  return entries
}

function uploadElement({ uploadId, owner, initiator, headers, initiated, checksum }: UploadStat) {
  return {
    UploadId: uploadId,
    Initiator: ownerElement(initiator),
    Owner: ownerElement(owner),
    StorageClass: headers['x-amz-storage-class'] ?? 'STANDARD',
    Initiated: timestamp(initiated),
    ChecksumAlgorithm: checksum?.algorithm,
    ChecksumType: checksum?.type,
  }
}

function nameOf(entry: Entry): string {
  return 'prefix' in entry ? entry.prefix : entry.upload.key
}

/** P-102: UTF-8 bytes, not UTF-16 units. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
