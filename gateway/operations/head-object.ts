import { defineOperation } from '../operation.ts'
import { checkRead } from '../preconditions.ts'
import { objectSelection } from './object-selection.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
export const headObject = defineOperation({
  name: 'HeadObject',
  match: { method: 'HEAD', on: 'object' },
  action: 's3:GetObject',
  async run(call) {
    const { bucket, key, query, headers, namespace } = call
    refuseUnsupportedHeaders(headers)
    const versionId = requestedVersion(query)
    const select = objectSelection(call)
    const stat = await namespace.objects.stat({ bucket, key, versionId })
    checkRead(headers, stat)
    const { status, range, headers: answer } = select(stat)
    // P-015: the length a GET would have, though there is no body.
    return { status, headers: { ...answer, 'content-length': range.lengthBytes } }
  },
})
