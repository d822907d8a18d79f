import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { masterKeyOf } from '../testing/signers.ts'
import { openKeyStore } from './key-store.ts'
import { sealedTokens } from './sealed-token.ts'
import { isSessionKeyId, openSessions, SESSION_POLICY_MAX_CHARACTERS } from './sessions.ts'

const sessions = openSessions(masterKeyOf(1))
const whose = { userId: 'alice', canonicalId: 'a'.repeat(64), expires: new Date('2026-11-20T12:00:00Z') }
const policy = JSON.stringify({ Statement: { Effect: 'Allow', Action: 's3:Get*', Resource: '*' } }, undefined, 2)

describe('a session', () => {
  it('is all in its token, its policy with line breaks and all', () => {
    const { accessKeyId, secret, token } = sessions.create({ ...whose, policy })
    const opened = openSessions(masterKeyOf(1)).open(token)
    expect(opened).toMatchObject({ ...whose, accessKeyId, secret, policy: { statements: [{ effect: 'Allow' }] } })
    expect(sessions.open(sessions.create({ ...whose, policy: undefined }).token)?.policy).toBeUndefined()
  })

  it('has an id that tells it from a permanent key, a secret that survives shells, and a token fit for a header', () => {
    const { accessKeyId, secret, token } = sessions.create({ ...whose, policy })
    expect(accessKeyId).toMatch(/^CW0[A-Z2-7]{17}$/)
    expect(isSessionKeyId(accessKeyId)).toBe(true)
    expect(isSessionKeyId('CWABCDEFGHIJKLMNOPQR')).toBe(false)
    expect(secret).toMatch(/^[A-Za-z0-9_-]{40}$/)
    expect(token).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  it('has no id that a permanent key may have', async () => {
    const keys = openKeyStore({ directory: '/nowhere', masterKey: masterKeyOf(1) })
    const { accessKeyId, secret } = sessions.create({ ...whose, policy })
    await expect(keys.importKey('alice', { accessKeyId, secret })).rejects.toThrow(
      'has the form of the id of a temporary',
    )
  })

  it('is another one each time', () => {
    const made = Array.from({ length: 3 }, () => sessions.create({ ...whose, policy }))
    expect(new Set(made.flatMap(({ accessKeyId, secret, token }) => [accessKeyId, secret, token])).size).toBe(9)
  })

  it('opens with the longest policy and the longest name, whatever letters they are made of', () => {
    const text = (letter: string) => {
      const [before, after] = ['{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Sid":"', '"}}']
      return before + letter.repeat(SESSION_POLICY_MAX_CHARACTERS - before.length - after.length) + after
    }
    for (const letter of ['x', 'ÿ']) {
      const { token } = sessions.create({ ...whose, userId: '"'.repeat(128), policy: text(letter) })
      expect(token.length).toBeLessThan(8192)
      expect(sessions.open(token)?.policy?.statements).toHaveLength(1)
    }
  })

  it('is not made with a policy that is none', () => {
    expect(() => sessions.create({ ...whose, policy: '{}' })).toThrow('Missing required field Statement')
  })

  it('is not opened from what else is sealed with the same key', () => {
    const others = sealedTokens(masterKeyOf(1), 'session-tokens')
    const good = { v: 1, k: 'a', s: 'b', u: 'c', c: 'd', e: 1 }
    expect(sessions.open(others.seal(`${JSON.stringify(good)}\n`))).toMatchObject({ accessKeyId: 'a' })
    for (const text of [
      '',
      'text',
      '\n',
      'null\n',
      `${JSON.stringify({ ...good, v: 2 })}\n`,
      `${JSON.stringify({ ...good, e: '1' })}\n`,
      `${JSON.stringify(good)}\n{"Statement":[]}`,
    ])
      expect(sessions.open(others.seal(text)), text).toBeUndefined()
  })

  it('is nothing that somebody made up', () => {
    fc.assert(fc.property(fc.string(), (text) => sessions.open(text) === undefined))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(sessions.open(Buffer.from(bytes).toString('base64url'))).toBeUndefined()
      }),
    )
  })
})
