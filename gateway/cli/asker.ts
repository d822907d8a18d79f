import type { AccessKey, KeyStore, OpenDirectory, User } from '#auth'
import { CommandError } from './command-error.ts'
import { keyLine, keysLine, whyKeyFails } from './key-lines.ts'

/** Who asks, and by which key. */
export type Asker = {
  /** With the policies of their groups. undefined: an anonymous caller, or, with `whyRefused`, nobody any more. */
  readonly user: User | undefined
  /** About the keys. */
  readonly lines: readonly string[]
  /** Whatever they ask: a key that does not work, a user who is disabled or gone. */
  readonly whyRefused: string | undefined
}

export type AskerOptions = { readonly as?: string | undefined; readonly accessKey?: string | undefined }

/** What of the operator is asked. */
type From = {
  readonly directory: Pick<OpenDirectory, 'withPolicies'> & {
    readonly keys: Pick<KeyStore, 'listKeys' | 'readKey'>
    readonly users: Pick<OpenDirectory['users'], 'findUser' | 'findByName'>
  }
}

/** With neither option: anonymous. Throws CommandError for a user or key that is not there. */
export async function findAsker({ directory }: From, { as, accessKey }: AskerOptions, now: Date): Promise<Asker> {
  if (accessKey !== undefined) return askerOfKey(directory, accessKey, now)
  if (as === undefined) return { user: undefined, lines: [], whyRefused: undefined }
  const user = await directory.users.findByName(as)
  if (user === undefined) throw new CommandError(`There is no user ${as}; check the spelling.`)
  const keys = (await directory.keys.listKeys()).filter((key) => key.user === user.id)
  return { user: directory.withPolicies(user), lines: [keysLine(keys, now)], whyRefused: whyDisabled(user) }
}

async function askerOfKey({ keys, users, withPolicies }: From['directory'], id: string, now: Date): Promise<Asker> {
  const key = await keys.readKey(id)
  if (key === undefined) {
    throw new CommandError(
      `There is no access key ${id}; \`causeway keys list\` shows those there are. A temporary key is in no list: give its user with --as.`,
    )
  }
  const user = await users.findUser(key.user)
  const lines = [keyLine(key, now)]
  const whyRefused = whyKeyIsRefused(key, now)
  if (user === undefined) {
    const whyGone = `the directory has nobody with the id ${key.user}, whose key it is`
    return { user: undefined, lines, whyRefused: whyRefused ?? whyGone }
  }
  return { user: withPolicies(user), lines, whyRefused: whyRefused ?? whyDisabled(user) }
}

function whyKeyIsRefused(key: AccessKey, now: Date): string | undefined {
  const why = whyKeyFails(key, now)
  return why && `the access key ${key.accessKeyId} is ${why}`
}

const whyDisabled = ({ userName, disabled }: User): string | undefined =>
  disabled ? `the user ${userName} is disabled` : undefined
