/** A name and a password for temporary credentials. What is wrong with the request itself is said before a password is tried. */
import {
  AuthError,
  type Directory,
  type NamedUser,
  parseIdentityPolicy,
  type SessionCredentials,
  type Sessions,
} from '#auth'
import { GatewayError } from './gateway-error.ts'
import type { PasswordTrials } from './password-trials.ts'

export type AskedSession = {
  readonly userName: string
  readonly password: string
  readonly expires: Date
  /** Text of an identity policy. */
  readonly policy: string | undefined
}

/** What became of a password: right, wrong, or not tried because of who sent it (client) or whose it would be (user). */
export type TrialOutcome = 'right' | 'wrong' | 'throttled client' | 'throttled user'

export type StartSessionOptions = {
  readonly directory: Pick<Directory, 'authenticate'>
  readonly sessions: Pick<Sessions, 'create'>
  readonly trials: PasswordTrials
  /** Address of who asks. */
  readonly client: string
  /** Told once for each password. */
  readonly tried: (outcome: TrialOutcome) => void
  /** Told whose session it is before it is handed out. */
  readonly started: (identity: NamedUser['identity']) => void
}

/** Throws MalformedPolicyDocument, Throttling, AccessDenied. */
export async function startSession(asked: AskedSession, options: StartSessionOptions): Promise<SessionCredentials> {
  const { expires, policy } = asked
  if (policy !== undefined) checkPolicy(policy)
  const { userId, identity } = await checkPassword(asked, options)
  const credentials = options.sessions.create({ userId, canonicalId: identity.canonicalId, expires, policy })
  options.started({ ...identity, accessKeyId: credentials.accessKeyId })
  return credentials
}

function checkPolicy(text: string): void {
  try {
    parseIdentityPolicy(text)
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    throw new GatewayError('MalformedPolicyDocument', { message: error.message })
  }
}

async function checkPassword({ userName, password }: AskedSession, options: StartSessionOptions): Promise<NamedUser> {
  const { directory, trials, client, tried } = options
  if (!trials.take(client)) {
    tried('throttled client')
    throw new GatewayError('Throttling')
  }
  const found = await directory.authenticate(userName, password).catch((error: unknown) => {
    trials.giveBack(client)
    throw error
  })
  if (typeof found === 'object') {
    trials.giveBack(client)
    tried('right')
    return found
  }
  tried(found === 'throttled' ? 'throttled user' : 'wrong')
  // One answer for all: only a name that is known can have been tried too often.
  throw new GatewayError('AccessDenied', {
    message: 'The user name or the password is wrong, or it was tried too often.',
  })
}
