import type { Group } from '../group.ts'
import type { Identity } from '../identity.ts'

/** A user without the key of a request. */
export type User = Omit<Identity, 'accessKeyId'> & {
  /** What the records of the user's keys name: the name in a file of users, the objectGUID in a directory service, where names change. */
  readonly id: string
  readonly disabled: boolean
  /** Where there is no `posix`: a sentence about the reason, where the provider knows one. */
  readonly whyNoPosix?: string | undefined
}

/** Who there is, without keys. Every provider has this shape and passes the same tests; directory.ts joins it with the keys. */
export type Users = {
  /** Disabled users are answered as such, here and below. */
  findUser(id: string): Promise<User | undefined>
  /** By any of the names a person knows the user by. */
  findByName(name: string): Promise<User | undefined>
  findByCanonicalId(canonicalId: string): Promise<User | undefined>
  /** In any case of letters. undefined also where two users have the address. */
  findByEmail(address: string): Promise<User | undefined>
  /** Whose files over NFS those of this uid are: whose `posix` has it. undefined also where two users have it. */
  findByUid(uid: number): Promise<User | undefined>
  /** By name, or in a Windows domain by name or SID. A provider that has only users knows the groups that a user is in. */
  findGroup(name: string): Promise<Group | undefined>
  /**
   * undefined for an unknown or disabled user and for a wrong password, in about the same time. 'throttled': so many wrong ones were tried that
   * this one, right or wrong, was not: another would bring the account near the lockout of its domain. Never asked with an empty
   * name or password.
   */
  checkPassword(name: string, password: string): Promise<User | 'throttled' | undefined>
  close(): Promise<void>
}
