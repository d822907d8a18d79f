import { findBucketDocument } from '../bucket-documents.ts'
import { defineOperation } from '../operation.ts'
import { objectSelection } from './object-selection.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
export const headObject = defineOperation({
  name: 'HeadObject',
  match: { method: 'HEAD', on: 'object' },
  action: 's3:GetObject',
  async run(call) {
    const { target, select } = objectSelection(call)
    const lifecycle = await findBucketDocument(call.namespace, call.bucket, 'lifecycle')
    const { status, range, headers } = select(await call.namespace.objects.stat(target), lifecycle)
    // P-015: the length a GET would have, though there is no body.
    return { status, headers: { ...headers, 'content-length': range.lengthBytes } }
  },
})
