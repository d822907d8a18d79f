import { type KeyStore, worksAt } from '../keys/key-store.ts'
import type { Directory } from './directory.ts'
import type { User, Users } from './users.ts'

/** Users and their keys as one directory. Nothing is remembered here. */
export function joinedDirectory(users: Users, keys: Pick<KeyStore, 'readKey'>): Directory {
  return {
    async findByAccessKey(accessKeyId) {
      const key = await keys.readKey(accessKeyId)
      if (key === undefined || !worksAt(key, new Date())) return undefined
      const user = await users.findUser(key.user)
      if (user === undefined || user.disabled) return undefined
      return { secret: key.secret, identity: identityOf(user, accessKeyId) }
    },
    async findByUserId(userId) {
      const user = await users.findUser(userId)
      return user === undefined || user.disabled ? undefined : identityOf(user, '')
    },
    async authenticate(name, password) {
      // A directory service takes a name without a password for an anonymous caller, who is welcome (RFC 4513, 5.1.2).
      if (name === '' || password === '') return undefined
      const user = await users.checkPassword(name, password)
      return typeof user === 'object' ? { userId: user.id, identity: identityOf(user, '') } : user
    },
    async findByCanonicalId(canonicalId) {
      const user = await users.findByCanonicalId(canonicalId)
      return user && identityOf(user, '')
    },
    async findByEmail(address) {
      const user = await users.findByEmail(address)
      return user && identityOf(user, '')
    },
    async findByUid(uid) {
      const user = await users.findByUid(uid)
      return user && identityOf(user, '')
    },
    close: () => users.close(),
  }
}

function identityOf({ disabled: _, id: __, whyNoPosix: ___, ...user }: User, accessKeyId: string) {
  return { ...user, accessKeyId }
}
