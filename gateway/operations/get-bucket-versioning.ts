import Type from 'typebox'
import { findBucketDocument } from '../bucket-documents.ts'
import { defineOperation } from '../operation.ts'
import { xmlReply } from './xml-reply.ts'

const VersioningConfiguration = Type.Object({ Status: Type.Optional(Type.String()) })

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
 * A bucket that never was versioned has neither Status nor MfaDelete (P-166).
 */
export const getBucketVersioning = defineOperation({
  name: 'GetBucketVersioning',
  match: { method: 'GET', on: 'bucket', query: ['versioning'] },
  action: 's3:GetBucketVersioning',
  async run({ bucket, namespace }) {
    const versioning = await findBucketDocument(namespace, bucket, 'versioning')
    return xmlReply('VersioningConfiguration', VersioningConfiguration, { Status: versioning?.status })
  },
})
