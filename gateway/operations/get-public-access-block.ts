import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { PublicAccessBlockConfiguration } from '../shapes.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html: the bucket's own, whatever the account's is (P-191). */
export const getPublicAccessBlock = defineOperation({
  name: 'GetPublicAccessBlock',
  match: { method: 'GET', on: 'bucket', query: ['publicAccessBlock'] },
  action: 's3:GetBucketPublicAccessBlock',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'public-access')
    if (document === undefined) throw new GatewayError('NoSuchPublicAccessBlockConfiguration', { BucketName: bucket })
    return xmlReply('PublicAccessBlockConfiguration', PublicAccessBlockConfiguration, {
      BlockPublicAcls: document.blockPublicAcls,
      IgnorePublicAcls: document.ignorePublicAcls,
      BlockPublicPolicy: document.blockPublicPolicy,
      RestrictPublicBuckets: document.restrictPublicBuckets,
    })
  },
})
