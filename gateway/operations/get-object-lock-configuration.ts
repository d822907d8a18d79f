import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { ObjectLockConfiguration } from '../shapes.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html (P-194) */
export const getObjectLockConfiguration = defineOperation({
  name: 'GetObjectLockConfiguration',
  match: { method: 'GET', on: 'bucket', query: ['object-lock'] },
  action: 's3:GetBucketObjectLockConfiguration',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'object-lock')
    if (document === undefined) throw new GatewayError('ObjectLockConfigurationNotFoundError', { BucketName: bucket })
    const { rule } = document
    return xmlReply('ObjectLockConfiguration', ObjectLockConfiguration, {
      ObjectLockEnabled: 'Enabled',
      Rule: rule && { DefaultRetention: { Mode: rule.mode, Days: rule.days, Years: rule.years } },
    })
  },
})
