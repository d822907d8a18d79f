import { describe, expect, it } from 'vitest'
import type { AskedSession } from '../start-session.ts'
import { assumeRoleWithLdapIdentity } from './assume-role-with-ldap-identity.ts'
import { createHarness, type Request, textsOf, xmlOf } from './testing/call-operation.ts'

const who = { LDAPUsername: 'alice', LDAPPassword: 'open sesame' }

async function assume(query: Readonly<Record<string, string>>, changes: Request = {}) {
  const asked: AskedSession[] = []
  const startSession = async (session: AskedSession) => {
    asked.push(session)
    return { accessKeyId: 'CW0AAA', secret: 'sec&ret', token: 'tok' }
  }
  const reply = createHarness().call(assumeRoleWithLdapIdentity, { query, identity: null, startSession, ...changes })
  return { reply: await reply.catch((error: unknown) => ({ error })), asked }
}

async function answered(query: Readonly<Record<string, string>>, changes?: Request) {
  const { reply, asked } = await assume({ ...who, ...query }, changes)
  if ('error' in reply) throw reply.error
  return { reply, session: asked[0] }
}

describe('temporary credentials for a password', () => {
  it('are answered as AWS answers those of other identity providers', async () => {
    const { reply } = await answered({})
    expect(xmlOf(reply)).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<AssumeRoleWithLDAPIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' +
        '<AssumeRoleWithLDAPIdentityResult><Credentials>' +
        '<AccessKeyId>CW0AAA</AccessKeyId><SecretAccessKey>sec&amp;ret</SecretAccessKey>' +
        '<SessionToken>tok</SessionToken><Expiration>2026-11-20T13:00:00Z</Expiration>' +
        '</Credentials></AssumeRoleWithLDAPIdentityResult>' +
        '<ResponseMetadata><RequestId>TEST</RequestId></ResponseMetadata></AssumeRoleWithLDAPIdentityResponse>',
    )
    expect(reply.headers).toEqual({ 'cache-control': 'no-store' })
  })

  it('hold an hour, or as long as was asked for', async () => {
    const { reply, session } = await answered({ DurationSeconds: '900' })
    expect(textsOf(reply, 'Expiration')).toEqual(['2026-11-20T12:15:00Z'])
    expect(session?.expires).toEqual(new Date('2026-11-20T12:15:00Z'))
    expect((await answered({ DurationSeconds: '43200' })).session?.expires).toEqual(new Date('2026-11-21T00:00:00Z'))
    const short = await answered({}, { s3: { sessionSecondsMax: 1800 } })
    expect(short.session?.expires).toEqual(new Date('2026-11-20T12:30:00Z'))
  })

  it.each(['899', '43201', '0', '-900', '1e4', '', '3600.5', 'an hour', '9'.repeat(30)])(
    'not for %s seconds',
    async (DurationSeconds) => {
      const { reply, asked } = await assume({ ...who, DurationSeconds })
      expect(reply).toMatchObject({ error: { code: 'ValidationError' } })
      expect(asked).toEqual([])
    },
  )

  it.each([
    { LDAPPassword: 'x' },
    { LDAPUsername: 'alice' },
    { LDAPUsername: '', LDAPPassword: 'x' },
    { LDAPUsername: 'alice', LDAPPassword: '' },
    {},
  ])('need a name and a password, and no directory is asked without: %j', async (query) => {
    const { reply, asked } = await assume(query)
    expect(reply).toMatchObject({ error: { code: 'MissingParameter' } })
    expect(asked).toEqual([])
  })

  it('take name, password and policy as they are', async () => {
    const policy = '{\t"Statement": []\r\n}'
    const query = { LDAPUsername: 'LAB\\älice*)(uid=*', LDAPPassword: ' pass\u0000word ', Policy: policy }
    const { session } = await answered(query)
    expect(session).toMatchObject({ userName: query.LDAPUsername, password: query.LDAPPassword, policy })
    expect((await answered({ Policy: '' })).session?.policy).toBeUndefined()
  })

  it.each(['x'.repeat(2049), '{"é": "日"}', '\u0000'])(
    'not with a policy that AWS would not take: %s',
    async (Policy) => {
      const { reply, asked } = await assume({ ...who, Policy })
      expect(reply).toMatchObject({ error: { code: 'ValidationError' } })
      expect(asked).toEqual([])
    },
  )
})
