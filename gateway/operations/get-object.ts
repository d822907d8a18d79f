import type { OpenObject } from '#namespace'
import { defineOperation } from '../operation.ts'
import { checkRead } from '../preconditions.ts'
import type { Reply } from '../reply.ts'
import { objectSelection } from './object-selection.ts'
import { refuseUnsupportedHeaders } from './unsupported-headers.ts'
import { requestedVersion } from './version-id.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
export const getObject = defineOperation({
  name: 'GetObject',
  match: { method: 'GET', on: 'object' },
  action: 's3:GetObject',
  async run(call) {
    const { bucket, key, query, headers, namespace } = call
    refuseUnsupportedHeaders(headers)
    const versionId = requestedVersion(query)
    const select = objectSelection(call)
    const object = await namespace.objects.open({ bucket, key, versionId })
    return closingOnError(object, () => {
      checkRead(headers, object.stat) // P-125 … P-127
      const { status, range, headers: answer } = select(object.stat)
      return { status, headers: answer, content: { kind: 'object', object, ...range } }
    })
  },
})

/** s3-response.ts closes what is replied; what is refused with 304, 412 or 416 never gets there. */
async function closingOnError(object: OpenObject, answer: () => Reply): Promise<Reply> {
  try {
    return answer()
  } catch (error) {
    await object.close()
    throw error
  }
}
