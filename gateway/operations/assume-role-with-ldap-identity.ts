import Type from 'typebox'
import { SESSION_POLICY_MAX_CHARACTERS } from '#auth'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import type { S3Query } from '../s3-request.ts'
import { timestamp } from '../shapes.ts'
import { stsReply } from './sts-reply.ts'

const Result = Type.Object({
  Credentials: Type.Object({
    AccessKeyId: Type.String(),
    SecretAccessKey: Type.String(),
    SessionToken: Type.String(),
    Expiration: Type.String(),
  }),
})

const SECONDS_DEFAULT = 3600
const SECONDS_MIN = 900

/**
 * MinIO's extension of STS, which its SDKs know: a name and a password of the directory for temporary credentials. Unsigned. Parameters and limits are
 * those of https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html. Other differences from MinIO: one answer for
 * whatever is wrong with name or password, and the credentials end with their user.
 */
export const assumeRoleWithLdapIdentity = defineOperation({
  name: 'AssumeRoleWithLDAPIdentity',
  service: 'sts',
  match: { method: 'POST', on: 'service', query: ['Action=AssumeRoleWithLDAPIdentity', 'Version=2011-06-15'] },
  action: undefined,
  async run({ query, s3, now, requestId, startSession }) {
    const userName = required(query, 'LDAPUsername')
    const password = required(query, 'LDAPPassword')
    const seconds = durationSeconds(query, s3.sessionSecondsMax)
    const policy = sessionPolicy(query)
    const expires = new Date((Math.floor(now.getTime() / 1000) + seconds) * 1000)
    const { accessKeyId, secret, token } = await startSession({ userName, password, expires, policy })
    const credentials = { AccessKeyId: accessKeyId, SecretAccessKey: secret, SessionToken: token }
    const result = { Credentials: { ...credentials, Expiration: timestamp(expires).replace('.000', '') } }
    return stsReply('AssumeRoleWithLDAPIdentity', Result, result, requestId)
  },
})

/** Empty is as good as missing: a directory service takes a name without a password for an anonymous caller. */
function required(query: S3Query, name: string): string {
  const value = query.get(name)
  if (value) return value
  throw new GatewayError('MissingParameter', { message: `The request must contain the parameter ${name}` })
}

function durationSeconds(query: S3Query, max: number): number {
  const text = query.get('DurationSeconds')
  if (text === undefined) return Math.min(SECONDS_DEFAULT, max)
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (seconds >= SECONDS_MIN && seconds <= max) return seconds
  throw new GatewayError('ValidationError', {
    message: `DurationSeconds must be a whole number from ${SECONDS_MIN} to ${max}`,
  })
}

/** AWS allows Latin-1 only, and the token's room is counted on it; in JSON everything else is written \\u…. */
function sessionPolicy(query: S3Query): string | undefined {
  const text = query.get('Policy')
  if (text === undefined || text === '') return undefined
  if (text.length > SESSION_POLICY_MAX_CHARACTERS) {
    throw new GatewayError('ValidationError', {
      message: `Policy must have at most ${SESSION_POLICY_MAX_CHARACTERS} characters`,
    })
  }
  if (/^[\t\n\r -\u00ff]+$/.test(text)) return text
  throw new GatewayError('ValidationError', { message: 'Policy must have characters of Latin-1 only' })
}
