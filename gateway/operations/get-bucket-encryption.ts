import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { ServerSideEncryptionConfiguration } from './bucket-encryption-shape.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html: of an encrypted tree SSE-S3, also where nobody asked for it. */
export const getBucketEncryption = defineOperation({
  name: 'GetBucketEncryption',
  match: { method: 'GET', on: 'bucket', query: ['encryption'] },
  action: 's3:GetEncryptionConfiguration',
  async run({ bucket, namespace, s3 }) {
    const document = await findBucketDocument(namespace, bucket, 'encryption')
    if (!s3.encryptedAtRest)
      throw new GatewayError('ServerSideEncryptionConfigurationNotFoundError', { BucketName: bucket })
    const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: 'AES256', KMSMasterKeyID: undefined }
    const BucketKeyEnabled = document?.bucketKeyEnabled ?? false
    return xmlReply('ServerSideEncryptionConfiguration', ServerSideEncryptionConfiguration, {
      Rule: [{ ApplyServerSideEncryptionByDefault, BucketKeyEnabled }],
    })
  },
})
