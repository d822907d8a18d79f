/**
 * Temporary credentials without a table: the session token is everything that is known of them, sealed, so any gateway of the tree opens it
 * and nobody else can make or read one. They end with their time or their user, whichever is sooner, and can not be taken back alone.
 */

import { randomBytes, randomInt } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { parseIdentityPolicy } from '../policy/parse-identity-policy.ts'
import type { Policy } from '../policy/policy.ts'
import type { MasterKey } from './master-key.ts'
import { sealedTokens } from './sealed-token.ts'

export type NewSession = {
  /** As the directory calls the user (User.id), and who it was then: another user may come by the same id. */
  readonly userId: string
  readonly canonicalId: string
  readonly expires: Date
  /** Text of an identity policy, at most SESSION_POLICY_MAX_CHARACTERS. */
  readonly policy: string | undefined
}

export type SessionCredentials = {
  readonly accessKeyId: string
  readonly secret: string
  readonly token: string
}

export type Session = Omit<NewSession, 'policy'> & {
  readonly accessKeyId: string
  readonly secret: string
  readonly policy: Policy | undefined
}

export type Sessions = {
  /** Throws MalformedPolicy. */
  create(session: NewSession): SessionCredentials
  /** undefined for what was not made by a gateway of this tree. Whether it is over is the caller's to see. */
  open(token: string): Session | undefined
}

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html; the token stays below the 8,192 characters that are opened. */
export const SESSION_POLICY_MAX_CHARACTERS = 2048

/** Permanent ids that are made here have no 0 (key-store.ts). */
const SESSION_KEY_ID = /^CW0[A-Z2-7]{17}$/

/** An access key id that is worth nothing without its session token. */
export function isSessionKeyId(accessKeyId: string): boolean {
  return SESSION_KEY_ID.test(accessKeyId)
}

const Sealed = Type.Object({
  v: Type.Literal(1),
  /** Access key id and secret. */
  k: Type.String(),
  s: Type.String(),
  /** User id and canonical id. */
  u: Type.String(),
  c: Type.String(),
  /** Milliseconds since 1970. */
  e: Type.Integer(),
})
type Sealed = Static<typeof Sealed>

/** Not drawn into the JSON, where its quotation marks would double. */
const SEPARATOR = '\n'

export function openSessions(masterKey: MasterKey): Sessions {
  const tokens = sealedTokens(masterKey, 'session-tokens')
  const policies = new LRUCache<string, Policy>({ max: 1000 })

  /** Every request of a session reads it; the same text is the same policy. */
  function policyOf(text: string): Policy | undefined {
    if (text === '') return undefined
    const policy = policies.get(text) ?? parseIdentityPolicy(text)
    policies.set(text, policy)
    return policy
  }

  return {
    create({ userId, canonicalId, expires, policy = '' }) {
      policyOf(policy)
      const [accessKeyId, secret] = [newSessionKeyId(), randomBytes(30).toString('base64url')]
      const sealed: Sealed = { v: 1, k: accessKeyId, s: secret, u: userId, c: canonicalId, e: expires.getTime() }
      return { accessKeyId, secret, token: tokens.seal(`${JSON.stringify(sealed)}${SEPARATOR}${policy}`) }
    },
    open(token) {
      const text = tokens.open(token)
      if (text === undefined) return undefined
      const end = text.indexOf(SEPARATOR)
      try {
        const sealed: unknown = JSON.parse(text.slice(0, end))
        if (!Value.Check(Sealed, sealed)) return undefined
        const { k: accessKeyId, s: secret, u: userId, c: canonicalId, e } = sealed
        return { accessKeyId, secret, userId, canonicalId, expires: new Date(e), policy: policyOf(text.slice(end + 1)) }
      } catch {
        // Of another version of this program, whose policies say more than we understand.
        return undefined
      }
    },
  }
}

/** 20 characters, 85 random bits. */
function newSessionKeyId(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  return `CW0${Array.from({ length: 17 }, () => alphabet[randomInt(alphabet.length)]).join('')}`
}
