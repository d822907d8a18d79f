import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { OwnershipControls } from '../shapes.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html */
export const getBucketOwnershipControls = defineOperation({
  name: 'GetBucketOwnershipControls',
  match: { method: 'GET', on: 'bucket', query: ['ownershipControls'] },
  action: 's3:GetBucketOwnershipControls',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'ownership')
    if (document === undefined) throw new GatewayError('OwnershipControlsNotFoundError', { BucketName: bucket })
    return xmlReply('OwnershipControls', OwnershipControls, { Rule: [{ ObjectOwnership: document.rule }] })
  },
})
