import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { requestedVersion } from './version-id.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html
 * Tags can be given with a PUT but not changed yet, so only what is so already is answered with success.
 */
export const deleteObjectTagging = defineOperation({
  name: 'DeleteObjectTagging',
  match: { method: 'DELETE', on: 'object', query: ['tagging'] },
  action: 's3:DeleteObjectTagging',
  async run({ bucket, key, query, namespace }) {
    const { tags = [] } = await namespace.objects.stat({ bucket, key, versionId: requestedVersion(query) })
    if (tags.length > 0) throw new GatewayError('NotImplemented')
    return { status: 204 }
  },
})
