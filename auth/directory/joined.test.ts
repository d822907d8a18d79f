import { expect, it } from 'vitest'
import { alice } from '../testing/signers.ts'
import { joinedDirectory } from './joined.ts'
import type { User, Users } from './users.ts'

const { accessKeyId: _, ...named } = alice
const user: User = { ...named, id: '7', disabled: false }

function directoryOf(answer: Awaited<ReturnType<Users['checkPassword']>>, found: User | undefined = user) {
  const asked: string[] = []
  const users: Users = {
    findUser: async () => found,
    findByName: async () => found,
    findByCanonicalId: async () => found,
    findGroup: async () => undefined,
    findByEmail: async () => found,
    findByUid: async () => found,
    checkPassword: async (name) => {
      asked.push(name)
      return answer
    },
    close: async () => {},
  }
  return { asked, directory: joinedDirectory(users, { readKey: async () => undefined }) }
}

it('a directory is never asked with an empty name or password, which it might take for an anonymous caller', async () => {
  const { asked, directory } = directoryOf(user)
  expect(await directory.authenticate('alice', '')).toBeUndefined()
  expect(await directory.authenticate('', 'open sesame')).toBeUndefined()
  expect(asked).toEqual([])
  expect(await directory.authenticate('alice', 'open sesame')).toEqual({
    userId: '7',
    identity: { ...alice, accessKeyId: '' },
  })
  expect(asked).toEqual(['alice'])
})

it('whose files those of a uid are is known without a key, and of a disabled user too', async () => {
  const { directory } = directoryOf(user, { ...user, disabled: true })
  expect(await directory.findByUid(1000)).toEqual({ ...alice, accessKeyId: '' })
})

it('a wrong password and one that was not tried are told apart', async () => {
  expect(await directoryOf(undefined).directory.authenticate('alice', 'x')).toBeUndefined()
  expect(await directoryOf('throttled').directory.authenticate('alice', 'x')).toBe('throttled')
})

it('a session has a user as long as there is one who is not disabled', async () => {
  expect(await directoryOf(user).directory.findByUserId('7')).toEqual({ ...alice, accessKeyId: '' })
  expect(await directoryOf(user, { ...user, disabled: true }).directory.findByUserId('7')).toBeUndefined()
})
