import Type from 'typebox'
import { isPublicAcl, isPublicPolicy } from '#auth'
import { readBucketAccess } from '../bucket-access.ts'
import { defineOperation } from '../operation.ts'
import { xmlReply } from './xml-reply.ts'

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html (P-190): public by its policy or its ACL, as the page on "the
 * meaning of public" has it. A bucket without a policy is answered all the same, as the public suite expects; AWS may say NoSuchBucketPolicy.
 */
export const getBucketPolicyStatus = defineOperation({
  name: 'GetBucketPolicyStatus',
  match: { method: 'GET', on: 'bucket', query: ['policyStatus'] },
  action: 's3:GetBucketPolicyStatus',
  async run({ bucket, namespace, s3 }) {
    const { policy, acl, ownership } = await readBucketAccess(namespace, bucket, s3)
    const isOpen = ownership !== 'BucketOwnerEnforced' && acl !== undefined && isPublicAcl(acl)
    const IsPublic = isOpen || (policy !== undefined && isPublicPolicy(policy))
    return xmlReply('PolicyStatus', Type.Object({ IsPublic: Type.Boolean() }), { IsPublic })
  },
})
