/** What headers, URLs and forms have in common once they have named a key. */

import type { Directory, SecretAndIdentity } from './directory/directory.ts'
import { AuthError } from './errors.ts'
import { isSessionKeyId, type Sessions } from './keys/sessions.ts'

export type KeyOptions = {
  readonly directory: Pick<Directory, 'findByAccessKey' | 'findByUserId'>
  readonly sessions: Pick<Sessions, 'open'>
  readonly now: Date
}

/** @param token that came with the key, if any. Throws InvalidAccessKeyId, InvalidToken, ExpiredToken. */
export async function findKey(
  accessKeyId: string,
  token: string | undefined,
  options: KeyOptions,
): Promise<SecretAndIdentity> {
  if (isSessionKeyId(accessKeyId)) return findSession(accessKeyId, token, options)
  const found = await options.directory.findByAccessKey(accessKeyId)
  if (found === undefined) throw unknownKey(accessKeyId)
  // A session token belongs to temporary keys; with a plain key it is a mistake that must not be overlooked (P-045).
  if (token) throw invalidToken(token)
  return found
}

/**
 * The user is asked for with every request, so that a session ends with its user. One who was removed and made anew under the same name is another
 * one.
 */
async function findSession(
  accessKeyId: string,
  token: string | undefined,
  { directory, sessions, now }: KeyOptions,
): Promise<SecretAndIdentity> {
  if (!token) throw unknownKey(accessKeyId)
  const session = sessions.open(token)
  if (session === undefined || session.accessKeyId !== accessKeyId) throw invalidToken(token)
  if (now >= session.expires) {
    throw new AuthError('ExpiredToken', { message: 'The provided token has expired.', 'Token-0': token })
  }
  const identity = await directory.findByUserId(session.userId)
  if (identity?.canonicalId !== session.canonicalId) throw unknownKey(accessKeyId)
  return { secret: session.secret, identity: { ...identity, accessKeyId, sessionPolicy: session.policy } }
}

function unknownKey(accessKeyId: string): AuthError {
  return new AuthError('InvalidAccessKeyId', {
    message: 'The AWS Access Key Id you provided does not exist in our records.',
    AWSAccessKeyId: accessKeyId,
  })
}

function invalidToken(token: string): AuthError {
  return new AuthError('InvalidToken', {
    message: 'The provided token is malformed or otherwise invalid.',
    'Token-0': token,
  })
}
