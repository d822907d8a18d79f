import Type from 'typebox'
import { descriptionFrom } from '../headers.ts'
import { newObjectAccess } from '../object-access.ts'
import { lockActions } from '../object-lock-headers.ts'
import { defineOperation } from '../operation.ts'
import { uploadChecksum } from './checksum-algorithm.ts'
import { encryptionHeader } from './encryption-header.ts'
import { askedLock } from './object-lock.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { xmlReply } from './xml-reply.ts'

const InitiateMultipartUploadResult = Type.Object({
  Bucket: Type.String(),
  Key: Type.String(),
  UploadId: Type.String(),
})

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html */
export const createMultipartUpload = defineOperation({
  name: 'CreateMultipartUpload',
  match: { method: 'POST', on: 'object', query: ['uploads'] },
  action: 's3:PutObject',
  actionsByHeader: lockActions,
  async run(call) {
    const { bucket, key, headers, namespace, s3 } = call
    refuseUnsupportedHeaders(headers, s3)
    const checksum = uploadChecksum(headers) // P-083
    const description = { ...descriptionFrom(headers), ...(await newObjectAccess(call)), ...(await askedLock(call)) }
    const { uploadId } = await namespace.uploads.begin({ bucket, key }, description, checksum)
    return xmlReply(
      'InitiateMultipartUploadResult',
      InitiateMultipartUploadResult,
      { Bucket: bucket, Key: key, UploadId: uploadId },
      {
        'x-amz-checksum-algorithm': checksum?.algorithm,
        'x-amz-checksum-type': checksum?.type,
        ...encryptionHeader(s3),
      },
    )
  },
})
