import type { Static } from 'typebox'
import type { Owner } from '#namespace'
import { type AskedAcl, aclOfDocument, aclOfHeaders, knowingOwner } from '../acl.ts'
import { GatewayError } from '../gateway-error.ts'
import type { Call } from '../operation.ts'
import type { AccessControlPolicy } from '../shapes.ts'

/**
 * What PutBucketAcl and PutObjectAcl are asked for: by headers, or by a document.
 * Throws UnexpectedContent for both and MissingSecurityHeader for neither, as AWS does, and what is wrong with either.
 */
export async function askedAcl(
  {
    headers,
    body,
    directory,
  }: Pick<Call<Static<typeof AccessControlPolicy> | undefined>, 'headers' | 'body' | 'directory'>,
  bucketOwner: Owner,
): Promise<AskedAcl> {
  const users = knowingOwner(directory, bucketOwner)
  const asked = await aclOfHeaders(headers, users)
  if (body === undefined) {
    if (asked === undefined) throw new GatewayError('MissingSecurityHeader', { MissingHeaderName: 'x-amz-acl' })
    return asked
  }
  if (asked !== undefined) throw new GatewayError('UnexpectedContent')
  return aclOfDocument(body, users)
}
