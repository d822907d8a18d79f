import Type from 'typebox'
import { quoted } from '../headers.ts'
import { parseMax, parsePartNumberMarker } from '../list-page.ts'
import { defineOperation } from '../operation.ts'
import { checksumElements, Owner, timestamp } from '../shapes.ts'
import { checksumElement } from './checksum-elements.ts'
import { ownerElement } from './owner-element.ts'
import { uploadTarget } from './upload-target.ts'
import { xmlReply } from './xml-reply.ts'

const ListPartsResult = Type.Object({
  Bucket: Type.String(),
  Key: Type.String(),
  UploadId: Type.String(),
  Initiator: Owner,
  Owner,
  StorageClass: Type.String(),
  PartNumberMarker: Type.Integer(),
  NextPartNumberMarker: Type.Integer(),
  MaxParts: Type.Integer(),
  IsTruncated: Type.Boolean(),
  ChecksumAlgorithm: Type.Optional(Type.String()),
  ChecksumType: Type.Optional(Type.String()),
  Part: Type.Array(
    Type.Object({
      PartNumber: Type.Integer(),
      LastModified: Type.String(),
      ETag: Type.String(),
      Size: Type.Integer(),
      ...checksumElements,
    }),
  ),
})

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
export const listParts = defineOperation({
  name: 'ListParts',
  match: { method: 'GET', on: 'object', query: ['uploadId'] },
  action: 's3:ListMultipartUploadParts',
  async run(call) {
    const { bucket, key, query, namespace } = call
    const target = uploadTarget(call)
    const max = parseMax(query, 'max-parts')
    const after = parsePartNumberMarker(query.get('part-number-marker')) // P-119
    const upload = await namespace.uploads.stat(target)
    const { parts, truncated } = await namespace.uploads.listParts(target, { after, max })
    return xmlReply('ListPartsResult', ListPartsResult, {
      Bucket: bucket,
      Key: key,
      UploadId: target.uploadId,
      Initiator: ownerElement(upload.initiator),
      Owner: ownerElement(upload.owner),
      StorageClass: upload.headers['x-amz-storage-class'] ?? 'STANDARD',
      PartNumberMarker: after,
      NextPartNumberMarker: parts.at(-1)?.partNumber ?? 0,
      MaxParts: max,
      IsTruncated: truncated,
      ChecksumAlgorithm: upload.checksum?.algorithm,
      ChecksumType: upload.checksum?.type,
      Part: parts.map((part) => ({
        PartNumber: part.partNumber,
        LastModified: timestamp(part.lastModified),
        ETag: quoted(part.eTag),
        Size: part.sizeBytes,
        ...checksumElement(upload.checksum?.algorithm, part.checksum),
      })),
    })
  },
})
