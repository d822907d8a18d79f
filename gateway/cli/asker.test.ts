import { expect, test } from 'vitest'
import type { AccessKey, User } from '#auth'
import { findAsker } from './asker.ts'

const now = new Date('2026-11-28T12:00:00Z')
const user = (name: string, disabled = false): User => ({
  ...{ id: `#${name}`, userName: name, displayName: name, canonicalId: name.padEnd(64, '0') },
  ...{ groups: [], disabled },
})
const users = [user('alice'), user('dora', true)]
const key = (accessKeyId: string, of: string, more: Partial<AccessKey> = {}): AccessKey => ({
  ...{ accessKeyId, user: `#${of}`, created: new Date(0), disabled: false },
  ...more,
})
const all = [key('CWA', 'alice'), key('CWB', 'alice', { expires: now }), key('CWD', 'dora'), key('CWX', 'nobody')]
const groupPolicies: User['groupPolicies'] = []

type From = Parameters<typeof findAsker>[0]
const operator = {
  directory: {
    keys: {
      listKeys: async () => all,
      readKey: async (id: string) => {
        const found = all.find(({ accessKeyId }) => accessKeyId === id)
        return found && { ...found, secret: 'SECRET' }
      },
    },
    users: {
      findByName: async (name: string) => users.find(({ userName }) => userName === name),
      findUser: async (id: string) => users.find((each) => each.id === id),
    },
    withPolicies: (who) => ({ ...who, groupPolicies }),
  },
} satisfies From

const asker = (options: Parameters<typeof findAsker>[1]) => findAsker(operator, options, now)

test('a user by name has the keys that work, and comes with the policies of their groups', async () => {
  expect(await asker({ as: 'alice' })).toEqual({
    user: { ...users[0], groupPolicies },
    lines: ['access keys: CWA'],
    whyRefused: undefined,
  })
  await expect(asker({ as: 'nobody' })).rejects.toThrow('There is no user nobody; check the spelling.')
})

test('a key stands for its user, and is shown without its secret', async () => {
  const found = await asker({ accessKey: 'CWA' })
  expect(found).toMatchObject({ user: { userName: 'alice' }, lines: ['access key: CWA, enabled'] })
  expect(found.whyRefused).toBeUndefined()
  expect(JSON.stringify(found)).not.toContain('SECRET')
  await expect(asker({ accessKey: 'CWNONE' })).rejects.toThrow(/^There is no access key CWNONE; /)
})

test('a key that is over, a disabled user and one who is gone are refused with the reason', async () => {
  expect(await asker({ accessKey: 'CWB' })).toMatchObject({
    user: { userName: 'alice' },
    whyRefused: 'the access key CWB is over since 2026-11-28T12:00:00.000Z',
  })
  expect((await asker({ accessKey: 'CWD' })).whyRefused).toBe('the user dora is disabled')
  expect((await asker({ as: 'dora' })).whyRefused).toBe('the user dora is disabled')
  expect(await asker({ accessKey: 'CWX' })).toMatchObject({
    user: undefined,
    whyRefused: 'the directory has nobody with the id #nobody, whose key it is',
  })
})

test('with neither it is an anonymous caller', async () => {
  expect(await asker({})).toEqual({ user: undefined, lines: [], whyRefused: undefined })
})
