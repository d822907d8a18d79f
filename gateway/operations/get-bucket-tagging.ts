import Type from 'typebox'
import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { TagSet } from '../shapes.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html (P-192) */
export const getBucketTagging = defineOperation({
  name: 'GetBucketTagging',
  match: { method: 'GET', on: 'bucket', query: ['tagging'] },
  action: 's3:GetBucketTagging',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'tagging')
    if (document === undefined) throw new GatewayError('NoSuchTagSet', { BucketName: bucket })
    const Tag = document.tags.map(({ key, value }) => ({ Key: key, Value: value }))
    return xmlReply('Tagging', Type.Object({ TagSet }), { TagSet: { Tag } })
  },
})
