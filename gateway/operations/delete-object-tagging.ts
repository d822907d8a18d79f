import { defineOperation } from '../operation.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html: also where there are none. */
export const deleteObjectTagging = defineOperation({
  name: 'DeleteObjectTagging',
  match: { method: 'DELETE', on: 'object', query: ['tagging'] },
  action: 's3:DeleteObjectTagging',
  async run({ bucket, key, query, namespace }) {
    const target = { bucket, key, versionId: requestedVersion(query) }
    const stat = await namespace.objects.amend(target, (now) => ({ ...now, tags: undefined }))
    return { status: 204, headers: { 'x-amz-version-id': stat.versionId } }
  },
})
