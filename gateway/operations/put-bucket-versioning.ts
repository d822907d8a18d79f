import Type from 'typebox'
import { findBucketDocument, writeBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html (P-166)
 * A bucket with object lock keeps its versions for good. MFA delete there is none of.
 */
export const putBucketVersioning = defineOperation({
  name: 'PutBucketVersioning',
  match: { method: 'PUT', on: 'bucket', query: ['versioning'] },
  action: 's3:PutBucketVersioning',
  body: {
    root: 'VersioningConfiguration',
    shape: Type.Object({ Status: Type.Optional(Type.String()), MfaDelete: Type.Optional(Type.String()) }),
  },
  async run({ bucket, body, namespace }) {
    const status = statusOf(body)
    const isLocked =
      status === 'Suspended' && (await findBucketDocument(namespace, bucket, 'object-lock')) !== undefined
    if (isLocked) {
      const message =
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.'
      throw new GatewayError('InvalidBucketState', { message })
    }
    await writeBucketDocument(namespace, bucket, 'versioning', { status })
    return { status: 200 }
  },
})

function statusOf({ Status, MfaDelete }: { Status?: string; MfaDelete?: string }): 'Enabled' | 'Suspended' {
  if (Status === undefined) throw new GatewayError('IllegalVersioningConfigurationException')
  if (Status !== 'Enabled' && Status !== 'Suspended') throw new GatewayError('MalformedXML')
  if (MfaDelete === 'Enabled') throw new GatewayError('NotImplemented', { Header: 'MfaDelete' })
  return Status
}
