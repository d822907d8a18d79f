/**
 * The text of a policy that belongs to who asks (of a session, of a group) → what evaluate.ts asks. It has no Principal, may speak of every bucket,
 * and of other services, which gives nothing here. What AWS takes without a word though it can never work is refused as in a bucket policy:
 * actions of S3 that are none, condition keys of S3 that are none.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_identity-vs-resource.html
 */
import { malformed } from './malformed.ts'
import { BUCKET_ARN, type Grammar, parsePolicyDocument } from './parse-policy.ts'
import { type Pattern, parsePattern } from './pattern.ts'
import type { Policy } from './policy.ts'

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: a group's policies; a session's are shorter still. */
const POLICY_BYTES_MAX = 10 * 1024

const grammar: Grammar = {
  maxBytes: POLICY_BYTES_MAX,
  // Known, so that the sentence about them can be AWS's.
  principalElements: ['Principal', 'NotPrincipal'],
  principals({ Principal, NotPrincipal }) {
    if (Principal !== undefined || NotPrincipal !== undefined) {
      throw malformed('Policy document should not specify a principal.')
    }
    return { negated: false, any: [{ kind: 'everyone' }] }
  },
  anyService: true,
  resource: parseResource,
}

/** Throws MalformedPolicy. */
export function parseIdentityPolicy(text: string): Policy {
  return parsePolicyDocument(text, grammar)
}

/** `*`, `arn:aws:s3:::bucket/key`, `arn:aws:sns:us-east-1:123456789012:topic`. A colon too few or too many would make a Deny useless. */
function parseResource(text: string, variables: boolean): Pattern | undefined {
  const isOfS3 = text.startsWith(BUCKET_ARN) && /^[^:]/.test(text.slice(BUCKET_ARN.length))
  const isOther = /^arn:(?:aws|\*):(?!s3:)[^:]+:[^:]*:[^:]*:.+$/s.test(text)
  return text === '*' || isOfS3 || isOther ? parsePattern(text, { wildcards: true, variables }) : undefined
}
