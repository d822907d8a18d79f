import { writeBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { ServerSideEncryptionConfiguration } from './bucket-encryption-shape.ts'
import { notEncrypted } from './unsupported-headers.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html: SSE-S3 where the tree is encrypted; keys of a key service are
 * 501 everywhere.
 */
export const putBucketEncryption = defineOperation({
  name: 'PutBucketEncryption',
  match: { method: 'PUT', on: 'bucket', query: ['encryption'] },
  action: 's3:PutEncryptionConfiguration',
  body: { root: 'ServerSideEncryptionConfiguration', shape: ServerSideEncryptionConfiguration },
  async run({ bucket, body, namespace, s3 }) {
    await namespace.buckets.read(bucket)
    const { ApplyServerSideEncryptionByDefault: asked, BucketKeyEnabled } = body.Rule[0] ?? {}
    if (asked === undefined) throw new GatewayError('MalformedXML')
    if (!s3.encryptedAtRest || asked.SSEAlgorithm !== 'AES256')
      throw new GatewayError('NotImplemented', { message: notEncrypted })
    if (asked.KMSMasterKeyID !== undefined)
      throw new GatewayError('InvalidArgument', {
        message: 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms',
      })
    await writeBucketDocument(namespace, bucket, 'encryption', { bucketKeyEnabled: BucketKeyEnabled ?? false })
    return { status: 200 }
  },
})
