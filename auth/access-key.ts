/** What headers, URLs and forms have in common once they have named a key. */

import type { Directory, SecretAndIdentity } from './directory/directory.ts'
import { AuthError } from './errors.ts'

/** Throws InvalidAccessKeyId. */
export async function findKey(directory: Directory, accessKeyId: string): Promise<SecretAndIdentity> {
  const found = await directory.findByAccessKey(accessKeyId)
  if (found !== undefined) return found
  throw new AuthError('InvalidAccessKeyId', {
    message: 'The AWS Access Key Id you provided does not exist in our records.',
    AWSAccessKeyId: accessKeyId,
  })
}

/** A session token belongs to temporary keys; with a plain key it is a mistake that must not be overlooked (P-045). */
export function refuseToken(token: string | undefined): void {
  if (!token) return
  throw new AuthError('InvalidToken', {
    message: 'The provided token is malformed or otherwise invalid.',
    'Token-0': token,
  })
}
