/** What every provider of users keeps: one file of cases, a runner beside each provider. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { User, Users } from '../directory/users.ts'

export type People = {
  /** In `groups`, may do everything. */
  readonly alice: { readonly name: string; readonly password: string; readonly email: string; readonly uid: number }
  readonly groups: readonly string[]
  readonly disabled: { readonly name: string; readonly password: string; readonly uid: number }
  /** Two users have it. */
  readonly sharedEmail: string
  /** Two users have it; undefined where that cannot be. */
  readonly sharedUid: number | undefined
  /** Another instance, as another worker has it. */
  open(): Promise<Users>
  close(): Promise<void>
}

/** What a client may send where a name, an id, an address or a password belongs. */
const HOSTILE: readonly string[] = [
  ...['', ' ', '*', '*)(uid=*', 'alice)(objectClass=*', '(', ')', '\\', '\\5c', '\\2a', '\\00', 'a\0', '\0', 'é'],
  ...['alice\0', '<GUID=00000000-0000-0000-0000-000000000000>', 'CN=alice', '../alice', '__proto__', 'constructor'],
  ...['\ud800', 'x'.repeat(65_536), '*'.repeat(65_536), '@', 'alice@', '\\alice'],
]

export function itKeepsTheContractOfUsers(provider: string, start: () => Promise<People>): void {
  describe(`${provider} as a provider of users`, () => {
    let people: People
    let users: Users
    let alice: User

    beforeAll(async () => {
      people = await start()
      users = await people.open()
      const found = await users.findByName(people.alice.name)
      if (found === undefined) throw new Error('alice is not there')
      alice = found
    })
    afterAll(async () => {
      await users?.close()
      await people?.close()
    })

    it('finds one and the same user by name, id, canonical id and address', async () => {
      expect(alice).toMatchObject({ disabled: false, email: people.alice.email })
      expect(alice.canonicalId).toMatch(/^[0-9a-f]{64}$/)
      expect([...alice.groups].sort()).toEqual(expect.arrayContaining([...people.groups]))
      expect(await users.findUser(alice.id)).toEqual(alice)
      expect(await users.findByCanonicalId(alice.canonicalId)).toEqual(alice)
      expect(await users.findByEmail(people.alice.email)).toEqual(alice)
      expect(await users.findByEmail(people.alice.email.toUpperCase())).toEqual(alice)
    })

    it('finds a group that a user is in, and no group by what is none', async () => {
      const [name = ''] = people.groups
      const group = await users.findGroup(name)
      expect(group?.name).toBe(name)
      if (group?.sid !== undefined) {
        expect(alice.groupSids).toContain(group.sid)
        expect(await users.findGroup(group.sid)).toEqual(group)
      }
      for (const text of [...HOSTILE, people.alice.name, 'S-1-5-21-1-2-3-4'])
        expect(await users.findGroup(text)).toBeUndefined()
    })

    it('answers the same in every process, and to many at once who are the first to ask', async () => {
      const other = await people.open()
      const answers = await Promise.all(Array.from({ length: 16 }, () => other.findUser(alice.id)))
      expect(answers).toEqual(Array(16).fill(alice))
      await other.close()
    })

    it('answers disabled users as such', async () => {
      const found = await users.findByName(people.disabled.name)
      expect(found).toMatchObject({ disabled: true })
      expect(await users.findUser(found?.id ?? '')).toEqual(found)
      expect(await users.findByCanonicalId(found?.canonicalId ?? '')).toEqual(found)
    })

    it('finds whose the files of a uid are, a disabled user too, and of many files at once', async () => {
      const { alice: known, disabled } = people
      expect(alice.posix?.uid).toBe(known.uid)
      expect(await Promise.all(Array(16).fill(known.uid).map(users.findByUid))).toEqual(Array(16).fill(alice))
      expect(await users.findByUid(disabled.uid)).toEqual(await users.findByName(disabled.name))
    })

    it('knows nobody of a uid that is nobody’s, or that two have', async () => {
      for (const uid of [0, -1, 0.5, Number.NaN, 65_534, 2 ** 32 - 2, 2 ** 32, people.sharedUid ?? 0])
        expect(await users.findByUid(uid)).toBeUndefined()
    })

    it('takes nobody for somebody else: an address that two have is nobody’s', async () => {
      expect(await users.findByEmail(people.sharedEmail)).toBeUndefined()
    })

    it('knows a user by the password', async () => {
      const { name, password } = people.alice
      expect(await users.checkPassword(name, password)).toEqual(alice)
      for (const wrong of ['', ' ', `${password} `, password.toLowerCase(), `${password}\0`])
        expect(await users.checkPassword(name, wrong)).toBeUndefined()
    })

    it('knows neither a disabled user nor an unknown one by a password', async () => {
      const { name, password } = people.disabled
      expect(await users.checkPassword(name, password)).toBeUndefined()
      expect(await users.checkPassword('nobody-of-this-name', people.alice.password)).toBeUndefined()
      expect(await users.checkPassword('', people.alice.password)).toBeUndefined()
    })

    it('knows nobody of a name that is a trick', async () => {
      for (const text of HOSTILE) {
        expect(await users.findUser(text)).toBeUndefined()
        expect(await users.findByName(text)).toBeUndefined()
        expect(await users.findByCanonicalId(text)).toBeUndefined()
        expect(await users.findByEmail(text)).toBeUndefined()
      }
      expect(await users.findByCanonicalId('f'.repeat(64))).toBeUndefined()
      expect(await users.findByName(people.alice.name)).toEqual(alice)
    })
  })
}
