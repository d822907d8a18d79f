import type { Static } from 'typebox'
import type { ObjectLockDocument } from '#namespace'
import { findBucketDocument, writeBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { ObjectLockConfiguration } from '../shapes.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html: 100 years. */
const longest = { days: 36_500, years: 100 }

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html
 * Also turns object lock on, where versioning is; nothing turns it off again (P-194).
 */
export const putObjectLockConfiguration = defineOperation({
  name: 'PutObjectLockConfiguration',
  match: { method: 'PUT', on: 'bucket', query: ['object-lock'] },
  action: 's3:PutBucketObjectLockConfiguration',
  body: { root: 'ObjectLockConfiguration', shape: ObjectLockConfiguration },
  async run({ bucket, body, namespace }) {
    const rule = ruleOf(body.Rule?.DefaultRetention)
    const versioning = await findBucketDocument(namespace, bucket, 'versioning')
    if (versioning?.status !== 'Enabled') {
      const message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
      throw new GatewayError('InvalidBucketState', { message })
    }
    await writeBucketDocument(namespace, bucket, 'object-lock', rule === undefined ? {} : { rule })
    return { status: 200 }
  },
})

type DefaultRetention = NonNullable<Static<typeof ObjectLockConfiguration>['Rule']>['DefaultRetention']

/** Throws MalformedXML, InvalidRetentionPeriod, InvalidArgument (P-195). */
function ruleOf(retention: DefaultRetention | undefined): ObjectLockDocument['rule'] {
  if (retention === undefined) return undefined
  const { Mode: mode, Days: days, Years: years } = retention
  if ((days === undefined) === (years === undefined)) throw new GatewayError('MalformedXML')
  if ((days ?? years ?? 0) <= 0) throw new GatewayError('InvalidRetentionPeriod')
  if ((days ?? 0) > longest.days || (years ?? 0) > longest.years) {
    throw new GatewayError('InvalidArgument', { message: 'Default retention period too large' })
  }
  return { mode, ...(days !== undefined && { days }), ...(years !== undefined && { years }) }
}
