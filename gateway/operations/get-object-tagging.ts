import Type from 'typebox'
import { defineOperation } from '../operation.ts'
import { TagSet } from '../shapes.ts'
import { requestedVersion } from './version-id.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html (P-192, P-193) */
export const getObjectTagging = defineOperation({
  name: 'GetObjectTagging',
  match: { method: 'GET', on: 'object', query: ['tagging'] },
  action: 's3:GetObjectTagging',
  async run({ bucket, key, query, namespace }) {
    const target = { bucket, key, versionId: requestedVersion(query) }
    const { tags = [], versionId } = await namespace.objects.stat(target)
    const Tag = tags.map((tag) => ({ Key: tag.key, Value: tag.value }))
    return xmlReply('Tagging', Type.Object({ TagSet }), { TagSet: { Tag } }, { 'x-amz-version-id': versionId })
  },
})
