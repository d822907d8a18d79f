import { AuthError, decide, isPublicPolicy, type Policy, parsePolicy } from '#auth'
import { findBucketDocument, writeBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { type Call, defineOperation } from '../operation.ts'

/** Of AWS's limit of 20 KB speaks parsePolicy, as MalformedPolicy; this much is read to say so. */
const READ_MAX_BYTES = 1024 * 1024

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html: JSON as it is; 204 (P-207). */
export const putBucketPolicy = defineOperation({
  name: 'PutBucketPolicy',
  match: { method: 'PUT', on: 'bucket', query: ['policy'] },
  action: 's3:PutBucketPolicy',
  text: { maxBytes: READ_MAX_BYTES, malformed: 'MalformedPolicy' },
  async run(call) {
    const { bucket, text, namespace } = call
    if (text === '') throw new GatewayError('MissingRequestBodyError')
    const policy = parsePolicy(text, bucket)
    await refusePublic(call, policy)
    await refuseLockingOut(call, policy)
    await writeBucketDocument(namespace, bucket, 'policy', { text })
    return { status: 204 }
  },
})

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html: BlockPublicPolicy (P-191). */
async function refusePublic({ bucket, namespace }: Call, policy: Policy): Promise<void> {
  const access = await findBucketDocument(namespace, bucket, 'public-access')
  if (access?.blockPublicPolicy === true && isPublicPolicy(policy)) throw new AuthError('AccessDenied')
}

/**
 * Whoever would not be let change the policy again by this very policy says that they mean it (P-190). The bucket's owner may always, so
 * this protects those to whom the owner gave the right.
 */
async function refuseLockingOut({ bucket, headers, identity, namespace }: Call, policy: Policy): Promise<void> {
  if (headers.get('x-amz-confirm-remove-self-bucket-access')?.toLowerCase() === 'true') return
  const { owner } = await namespace.buckets.read(bucket)
  const question = { identity, action: 's3:PutBucketPolicy', resource: { bucket }, bucketOwnerId: owner.canonicalId }
  if (decide({ ...question, policy }).allow) return
  throw new GatewayError('InvalidRequest', {
    message:
      'This policy would take your own right to change it. Send x-amz-confirm-remove-self-bucket-access: true if that is what you want.',
  })
}
