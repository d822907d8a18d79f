import type { UploadStat } from '#namespace'
import type { ObjectBody } from '../body/pipeline.ts'
import { GatewayError } from '../gateway-error.ts'
import { quoted } from '../headers.ts'
import { defineOperation } from '../operation.ts'
import { checksumHeader } from './checksum-elements.ts'
import { encryptionHeader } from './encryption-header.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { requiredPartNumber, uploadTarget } from './upload-target.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html */
export const uploadPart = defineOperation({
  name: 'UploadPart',
  match: { method: 'PUT', on: 'object', query: ['partNumber', 'uploadId'] },
  action: 's3:PutObject',
  async run(call) {
    const { query, headers, namespace, s3 } = call
    refuseUnsupportedHeaders(headers, s3)
    const target = uploadTarget(call)
    const partNumber = requiredPartNumber(query)
    const upload = await namespace.uploads.stat(target)
    const body = bodyOfPart(upload, call.bytes) // asked for last: it tells a waiting client to send its body
    const part = await namespace.uploads.putPart(target, partNumber, body)
    return {
      status: 200,
      headers: {
        etag: quoted(part.eTag),
        ...encryptionHeader(s3),
        ...checksumHeader(upload.checksum?.algorithm ?? body.checksumAlgorithm, part.checksum),
      },
    }
  },
})

/** A part carries its upload's checksum; one sent without gets it computed. Throws InvalidRequest (P-084). */
function bodyOfPart({ checksum }: UploadStat, bytes: ObjectBody): ObjectBody {
  if (checksum === undefined) return bytes
  const sent = bytes.checksumAlgorithm
  if (sent === undefined) return bytes.withChecksum(checksum.algorithm)
  if (sent === checksum.algorithm) return bytes
  const message = `Checksum Type mismatch occurred, expected checksum Type: ${checksum.algorithm.toLowerCase()}, actual checksum Type: ${sent.toLowerCase()}`
  throw new GatewayError('InvalidRequest', { message })
}
