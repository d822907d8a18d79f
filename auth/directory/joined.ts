import type { KeyStore } from '../keys/key-store.ts'
import type { Directory } from './directory.ts'
import type { User, Users } from './users.ts'

/** Users and their keys as one directory. Nothing is remembered here. */
export function joinedDirectory(users: Users, keys: Pick<KeyStore, 'readKey'>): Directory {
  return {
    async findByAccessKey(accessKeyId) {
      const key = await keys.readKey(accessKeyId)
      if (key === undefined || key.disabled) return undefined
      const user = await users.findUser(key.user)
      if (user === undefined || user.disabled) return undefined
      return { secret: key.secret, identity: identityOf(user, accessKeyId) }
    },
    async authenticate(name, password) {
      const user = await users.checkPassword(name, password)
      return user && identityOf(user, '')
    },
    async findByCanonicalId(canonicalId) {
      const user = await users.findByCanonicalId(canonicalId)
      return user && identityOf(user, '')
    },
    async findByEmail(address) {
      const user = await users.findByEmail(address)
      return user && identityOf(user, '')
    },
    close: () => users.close(),
  }
}

function identityOf({ disabled: _, id: __, whyNoPosix: ___, ...user }: User, accessKeyId: string) {
  return { ...user, accessKeyId }
}
