import { parseCopyRange } from '../byte-range.ts'
import { quoted } from '../headers.ts'
import { defineOperation } from '../operation.ts'
import { checkCopySource } from '../preconditions.ts'
import { CopyResult, timestamp } from '../shapes.ts'
import { checksumElement } from './checksum-elements.ts'
import { checkSourceSize, copySource } from './copy-source.ts'
import { encryptionHeader } from './encryption-header.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { requiredPartNumber, uploadTarget } from './upload-target.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html */
export const uploadPartCopy = defineOperation({
  name: 'UploadPartCopy',
  match: { method: 'PUT', on: 'object', query: ['partNumber', 'uploadId'], headers: ['x-amz-copy-source'] },
  action: 's3:PutObject',
  async run(call) {
    const { query, headers, namespace, s3 } = call
    refuseUnsupportedHeaders(headers, s3)
    const target = uploadTarget(call)
    const partNumber = requiredPartNumber(query)
    const source = copySource(headers)
    const rangeOf = parseCopyRange(headers.get('x-amz-copy-source-range')) // P-162
    let sourceVersion: string | undefined
    const { checksum } = await namespace.uploads.stat(target)
    const part = await namespace.uploads.copyPart(source, target, partNumber, {
      select: (found) => {
        checkCopySource(headers, found) // P-163
        sourceVersion = found.versionId
        const range = rangeOf(found.sizeBytes)
        checkSourceSize(range.lengthBytes)
        return range
      },
    })
    const result = {
      ETag: quoted(part.eTag),
      LastModified: timestamp(part.lastModified),
      ...checksumElement(checksum?.algorithm, part.checksum),
    }
    return xmlReply('CopyPartResult', CopyResult, result, {
      'x-amz-copy-source-version-id': sourceVersion,
      ...encryptionHeader(s3),
    })
  },
})
