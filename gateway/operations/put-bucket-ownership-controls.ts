import { grantsOthers } from '../acl.ts'
import { findBucketDocument, writeBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { OwnershipControls } from '../shapes.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html
 * ACLs cannot be turned off while the bucket's own gives anything to anybody else: what clients rely on would silently end.
 */
export const putBucketOwnershipControls = defineOperation({
  name: 'PutBucketOwnershipControls',
  match: { method: 'PUT', on: 'bucket', query: ['ownershipControls'] },
  action: 's3:PutBucketOwnershipControls',
  body: { root: 'OwnershipControls', shape: OwnershipControls },
  async run({ bucket, body, namespace }) {
    const rule = body.Rule[0]?.ObjectOwnership
    if (rule === undefined) throw new GatewayError('MalformedXML')
    if (rule === 'BucketOwnerEnforced') {
      const { owner } = await namespace.buckets.read(bucket)
      const acl = await findBucketDocument(namespace, bucket, 'acl')
      if (grantsOthers(acl?.grants ?? [], owner)) throw new GatewayError('InvalidBucketAclWithObjectOwnership')
    }
    await writeBucketDocument(namespace, bucket, 'ownership', { rule })
    return { status: 200 }
  },
})
