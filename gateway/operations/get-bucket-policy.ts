import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html: byte for byte as it was put. */
export const getBucketPolicy = defineOperation({
  name: 'GetBucketPolicy',
  match: { method: 'GET', on: 'bucket', query: ['policy'] },
  action: 's3:GetBucketPolicy',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'policy')
    if (document === undefined) throw new GatewayError('NoSuchBucketPolicy', { BucketName: bucket })
    return { status: 200, content: { kind: 'text', type: 'application/json', text: document.text } }
  },
})
