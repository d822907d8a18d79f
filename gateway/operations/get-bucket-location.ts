import Type from 'typebox'
import { defineOperation } from '../operation.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html */
export const getBucketLocation = defineOperation({
  name: 'GetBucketLocation',
  match: { method: 'GET', on: 'bucket', query: ['location'] },
  action: 's3:GetBucketLocation',
  async run({ bucket, namespace, s3 }) {
    await namespace.buckets.read(bucket)
    // P-099: us-east-1 is the empty element.
    return xmlReply('LocationConstraint', Type.String(), s3.region === 'us-east-1' ? '' : s3.region)
  },
})
