/** The people that the tests of a domain know. */
import type { Administrator, User } from './domain-administrator.ts'

export type Seed = {
  /** Binds and reads, as a gateway does: an ordinary user without groups. */
  readonly svc: User
  /** In data-scientists, and by that in research and staff. */
  readonly alice: User
  /** In staff. */
  readonly bob: User
  /** In no group. */
  readonly carol: User
  /** In staff, disabled. */
  readonly dave: User
  /** In staff, expired in 2019. */
  readonly erin: User
  /** In staff, must change the password. */
  readonly frank: User
}

/** data-scientists in research in staff. */
const gidNumbers = { staff: 21000, research: 21001, 'data-scientists': 21002 } as const
const uidNumbers = { alice: 20001, bob: 20002, carol: 20003, dave: 20004, erin: 20005, frank: 20006 } as const

export async function seedDomain(administrator: Administrator): Promise<Seed> {
  const person = (name: keyof typeof uidNumbers) =>
    administrator.addUser(name, { uidNumber: String(uidNumbers[name]), gidNumber: String(gidNumbers.staff) })
  const group = (name: keyof typeof gidNumbers, members: readonly string[]) =>
    administrator.addGroup(name, members, { gidNumber: String(gidNumbers[name]) })
  const seed = {
    svc: await administrator.addUser('svc'),
    alice: await person('alice'),
    bob: await person('bob'),
    carol: await person('carol'),
    dave: await person('dave'),
    erin: await person('erin'),
    frank: await person('frank'),
  }
  await administrator.disable('dave')
  await administrator.expire('erin')
  await administrator.mustChangePassword('frank')
  await group('data-scientists', ['alice'])
  await group('research', ['data-scientists'])
  await group('staff', ['research', 'bob', 'dave', 'erin', 'frank'])
  return seed
}
