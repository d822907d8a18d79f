import type { LifecycleFilter, LifecycleRule } from '#namespace'
import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { LifecycleConfiguration } from './lifecycle-shape.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html */
export const getBucketLifecycleConfiguration = defineOperation({
  name: 'GetBucketLifecycleConfiguration',
  match: { method: 'GET', on: 'bucket', query: ['lifecycle'] },
  action: 's3:GetLifecycleConfiguration',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'lifecycle')
    if (document === undefined) throw new GatewayError('NoSuchLifecycleConfiguration', { BucketName: bucket })
    return xmlReply('LifecycleConfiguration', LifecycleConfiguration, { Rule: document.rules.map(elementOf) })
  },
})

function elementOf({ filter, expiration, noncurrentExpiration, abortUploadDays, ...rule }: LifecycleRule) {
  return {
    ID: rule.id,
    Prefix: rule.prefix,
    Filter: filter && {
      ...conditionsOf(filter),
      Tag: tagsOf(filter)[0],
      And: filter.and && { ...conditionsOf(filter.and), Tag: tagsOf(filter.and) },
    },
    Status: rule.enabled ? ('Enabled' as const) : ('Disabled' as const),
    Expiration: expiration && {
      Date: expiration.date,
      Days: expiration.days,
      ExpiredObjectDeleteMarker: expiration.expiredObjectDeleteMarker,
    },
    Transition: [],
    NoncurrentVersionTransition: [],
    NoncurrentVersionExpiration: noncurrentExpiration && {
      NoncurrentDays: noncurrentExpiration.days,
      NewerNoncurrentVersions: noncurrentExpiration.newerVersions,
    },
    AbortIncompleteMultipartUpload:
      abortUploadDays === undefined ? undefined : { DaysAfterInitiation: abortUploadDays },
  }
}

function conditionsOf({ prefix, sizeGreaterThanBytes, sizeLessThanBytes }: LifecycleFilter) {
  return { Prefix: prefix, ObjectSizeGreaterThan: sizeGreaterThanBytes, ObjectSizeLessThan: sizeLessThanBytes }
}

function tagsOf({ tags = [] }: LifecycleFilter) {
  return tags.map(({ key, value }) => ({ Key: key, Value: value }))
}
