import { defineOperation } from '../operation.ts'
import { uploadTarget } from './upload-target.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html */
export const abortMultipartUpload = defineOperation({
  name: 'AbortMultipartUpload',
  match: { method: 'DELETE', on: 'object', query: ['uploadId'] },
  action: 's3:AbortMultipartUpload',
  async run(call) {
    await call.namespace.uploads.abort(uploadTarget(call))
    return { status: 204 }
  },
})
