import Type from 'typebox'
import { checkTags, OBJECT_TAGS_MAX } from '../headers.ts'
import { defineOperation } from '../operation.ts'
import { TagSet } from '../shapes.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html: replaces all tags, in the order given (P-192, P-193). */
export const putObjectTagging = defineOperation({
  name: 'PutObjectTagging',
  match: { method: 'PUT', on: 'object', query: ['tagging'] },
  action: 's3:PutObjectTagging',
  body: { root: 'Tagging', shape: Type.Object({ TagSet }) },
  async run({ bucket, key, query, body, namespace }) {
    const versionId = requestedVersion(query)
    const tags = body.TagSet.Tag.map((tag) => ({ key: tag.Key, value: tag.Value }))
    checkTags(tags, OBJECT_TAGS_MAX)
    const stat = await namespace.objects.amend({ bucket, key, versionId }, (now) => ({ ...now, tags }))
    return { status: 200, headers: { 'x-amz-version-id': stat.versionId } }
  },
})
