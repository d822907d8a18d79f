import { defineOperation } from '../operation.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html */
export const headBucket = defineOperation({
  name: 'HeadBucket',
  match: { method: 'HEAD', on: 'bucket' },
  action: 's3:ListBucket',
  async run({ bucket, namespace, s3 }) {
    await namespace.buckets.read(bucket)
    return { status: 200, headers: { 'x-amz-bucket-region': s3.region, 'x-amz-access-point-alias': 'false' } }
  },
})
