import Type from 'typebox'
import { principalArn } from '#auth'
import { GatewayError } from '../gateway-error.ts'
import { defineOperation } from '../operation.ts'
import { stsReply } from './sts-reply.ts'

const Result = Type.Object({ Arn: Type.String(), UserId: Type.String(), Account: Type.String() })

/**
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: of a session, its user, and no policy can forbid it. Every user is
 * an account of their own, so both ids are the canonical id.
 */
export const getCallerIdentity = defineOperation({
  name: 'GetCallerIdentity',
  service: 'sts',
  match: { method: 'POST', on: 'service', query: ['Action=GetCallerIdentity', 'Version=2011-06-15'] },
  action: undefined,
  async run({ identity, requestId }) {
    if (identity === undefined) throw new GatewayError('MissingAuthenticationToken')
    const { canonicalId } = identity
    const result = { Arn: principalArn(identity), UserId: canonicalId, Account: canonicalId }
    return stsReply('GetCallerIdentity', Result, result, requestId)
  },
})
