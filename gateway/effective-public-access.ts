import type { PublicAccessBlock } from '#auth'
import type { BucketDocuments } from './bucket-documents.ts'
import type { S3Config } from './config.ts'

export const allBlocked: PublicAccessBlock = {
  blockPublicAcls: true,
  ignorePublicAcls: true,
  blockPublicPolicy: true,
  restrictPublicBuckets: true,
}

const nothingBlocked: PublicAccessBlock = {
  blockPublicAcls: false,
  ignorePublicAcls: false,
  blockPublicPolicy: false,
  restrictPublicBuckets: false,
}

/**
 * The stricter of bucket and account: "the most restrictive combination",
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html. The account is this gateway.
 */
export function publicAccessOf(
  document: BucketDocuments['public-access'] | undefined,
  { accountPublicAccessBlock }: Pick<S3Config, 'accountPublicAccessBlock'>,
): PublicAccessBlock {
  return accountPublicAccessBlock ? allBlocked : (document ?? nothingBlocked)
}
