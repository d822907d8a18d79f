import Type from 'typebox'
import { isPublicPolicy, parsePolicy } from '#auth'
import { findBucketDocument } from '../bucket-documents.ts'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { xmlReply } from './xml-reply.ts'

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html (P-190): of the policy alone, never of an ACL. */
export const getBucketPolicyStatus = defineOperation({
  name: 'GetBucketPolicyStatus',
  match: { method: 'GET', on: 'bucket', query: ['policyStatus'] },
  action: 's3:GetBucketPolicyStatus',
  async run({ bucket, namespace }) {
    const document = await findBucketDocument(namespace, bucket, 'policy')
    if (document === undefined) throw new GatewayError('NoSuchBucketPolicy', { BucketName: bucket })
    const IsPublic = isPublicPolicy(parsePolicy(document.text, bucket))
    return xmlReply('PolicyStatus', Type.Object({ IsPublic: Type.Boolean() }), { IsPublic })
  },
})
