import type { OpenObject } from '#namespace'
import { findBucketDocument } from '../bucket-documents.ts'
import { defineOperation } from '../operation.ts'
import type { Reply } from '../reply.ts'
import { objectSelection } from './object-selection.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
export const getObject = defineOperation({
  name: 'GetObject',
  match: { method: 'GET', on: 'object' },
  action: 's3:GetObject',
  async run(call) {
    const { target, select } = objectSelection(call)
    const lifecycle = await findBucketDocument(call.namespace, call.bucket, 'lifecycle')
    const object = await call.namespace.objects.open(target)
    return closingOnError(object, () => {
      const { status, range, headers } = select(object.stat, lifecycle)
      return { status, headers, content: { kind: 'object', object, ...range } }
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
