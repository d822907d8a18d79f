import { writeBucketDocument } from '../bucket-documents.ts'
import { defineOperation } from '../operation.ts'
import { PublicAccessBlockConfiguration } from '../shapes.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html: what is left out is off (P-191). */
export const putPublicAccessBlock = defineOperation({
  name: 'PutPublicAccessBlock',
  match: { method: 'PUT', on: 'bucket', query: ['publicAccessBlock'] },
  action: 's3:PutBucketPublicAccessBlock',
  body: { root: 'PublicAccessBlockConfiguration', shape: PublicAccessBlockConfiguration },
  async run({ bucket, body, namespace }) {
    await writeBucketDocument(namespace, bucket, 'public-access', {
      blockPublicAcls: body.BlockPublicAcls ?? false,
      ignorePublicAcls: body.IgnorePublicAcls ?? false,
      blockPublicPolicy: body.BlockPublicPolicy ?? false,
      restrictPublicBuckets: body.RestrictPublicBuckets ?? false,
    })
    return { status: 200 }
  },
})
