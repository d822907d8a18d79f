import Type from 'typebox'
import { defineOperation } from '../operation.ts'
import { xmlReply } from './xml-reply.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
 * A bucket that never was versioned has neither Status nor MfaDelete (P-166).
 */
export const getBucketVersioning = defineOperation({
  name: 'GetBucketVersioning',
  match: { method: 'GET', on: 'bucket', query: ['versioning'] },
  action: 's3:GetBucketVersioning',
  async run({ bucket, namespace }) {
    await namespace.buckets.read(bucket)
    return xmlReply('VersioningConfiguration', Type.Object({}), {})
  },
})
