import { bypassesGovernance } from '../bypasses-governance.ts'
import { defineOperation } from '../operation.ts'
import { deletePrecondition } from '../preconditions.ts'
import { requestedVersion } from './version-id.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
 * What is not there is deleted just as well (P-147). Where AWS answers 501 to size and time conditions, they hold here (P-149).
 */
export const deleteObject = defineOperation({
  name: 'DeleteObject',
  match: { method: 'DELETE', on: 'object' },
  action: 's3:DeleteObject',
  async run({ bucket, key, query, headers, namespace }) {
    const versionId = requestedVersion(query)
    const precondition = deletePrecondition(headers, key)
    const bypassGovernance = bypassesGovernance(headers)
    const removed = await namespace.objects.remove({ bucket, key, versionId }, { precondition, bypassGovernance })
    return {
      status: 204,
      headers: {
        'x-amz-version-id': removed.versionId,
        'x-amz-delete-marker': removed.deleteMarker ? 'true' : undefined, // P-170, P-172
      },
    }
  },
})
