import { Command } from 'commander'
import { type AccessKey, AuthError, createLocalUser, type User } from '#auth'
import { CommandError } from './command-error.ts'
import { expected } from './expected.ts'
import { type Operator, withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'
import { printTable } from './table.ts'

export const keysCommand = new Command('keys').description('access keys of users')

withPlace(keysCommand.command('create'))
  .argument('<user>', 'name of the user the key belongs to')
  .description(
    'make a key for a user and show its secret, this once; adds the user where the gateway keeps the users itself',
  )
  .option('--access-key-id <id>', 'take over a key made elsewhere; its secret is read from CAUSEWAY_SECRET_ACCESS_KEY')
  .action(async (user: string, options: PlaceOptions & { readonly accessKeyId?: string }) => {
    await withOperator(options, async (operator) => {
      const { id } = await ensureUser(operator, user)
      const key = await expected(() => makeKey(operator, id, options.accessKeyId))
      process.stdout.write(`AWS_ACCESS_KEY_ID=${key.accessKeyId}\nAWS_SECRET_ACCESS_KEY=${key.secret}\n`)
    })
  })

withPlace(keysCommand.command('list'))
  .description('all keys, without their secrets')
  .option('--user <user>', 'only those of this user')
  .action(async (options: PlaceOptions & { readonly user?: string }) => {
    await withOperator(options, async ({ directory }) => {
      const wanted = options.user === undefined ? undefined : await idOf(directory, options.user)
      const keys = (await directory.keys.listKeys()).filter(({ user }) => user === (wanted ?? user))
      const names = await namesOf(directory, keys)
      printTable(
        ['ACCESS KEY ID', 'USER', 'STATE', 'CREATED'],
        keys.map((key) => [
          key.accessKeyId,
          names.get(key.user) ?? key.user,
          key.disabled ? 'disabled' : 'enabled',
          key.created.toISOString(),
        ]),
      )
    })
  })

withPlace(keysCommand.command('disable'))
  .argument('<access key id>')
  .description('refuse requests made with a key; --undo lets them in again')
  .option('--undo', 'enable the key again')
  .action(async (accessKeyId: string, options: PlaceOptions & { readonly undo?: boolean }) => {
    await withOperator(options, async ({ directory: { keys } }) => {
      requireKey(accessKeyId, await (options.undo ? keys.enableKey(accessKeyId) : keys.disableKey(accessKeyId)))
    })
  })

withPlace(keysCommand.command('remove'))
  .argument('<access key id>')
  .description('remove a key for good')
  .action(async (accessKeyId: string, options: PlaceOptions) => {
    await withOperator(options, async ({ directory: { keys } }) => {
      requireKey(accessKeyId, await keys.removeKey(accessKeyId))
    })
  })

/** Where users are kept in a file of the gateway's own, a name that is not in it is added. Throws CommandError. */
export async function ensureUser({ config, directory }: Operator, name: string): Promise<User> {
  const known = await directory.users.findByName(name)
  if (known === undefined && config.identity.provider !== 'local') {
    throw new CommandError(`The directory has no user ${name}; check the spelling.`)
  }
  return known ?? expected(() => createLocalUser(config.identity.usersFile, { name }))
}

/** An id stays what it is: so the keys of somebody who is gone can be asked for. */
async function idOf({ users }: Operator['directory'], name: string): Promise<string> {
  return (await users.findByName(name))?.id ?? name
}

/** What the users of keys are called now. Without the directory, and for those who are gone, it is the id that is shown. */
async function namesOf(
  { users }: Operator['directory'],
  keys: readonly AccessKey[],
): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(keys.map(({ user }) => user))]
  const found = await Promise.all(
    ids.map(async (id): Promise<[string, string]> => [id, (await findUser(users, id))?.userName ?? id]),
  )
  return new Map(found)
}

async function findUser(users: Operator['directory']['users'], id: string): Promise<User | undefined> {
  try {
    return await users.findUser(id)
  } catch (error) {
    if (error instanceof AuthError && error.code === 'ServiceUnavailable') return undefined
    throw error
  }
}

async function makeKey({ directory: { keys } }: Operator, user: string, accessKeyId: string | undefined) {
  if (accessKeyId === undefined) return keys.createKey(user)
  // Not an option: everybody on the machine can read the command line of a process.
  const secret = process.env.CAUSEWAY_SECRET_ACCESS_KEY
  if (secret === undefined) {
    throw new CommandError(
      'The secret of a key made elsewhere is missing; set CAUSEWAY_SECRET_ACCESS_KEY in the environment.',
    )
  }
  return keys.importKey(user, { accessKeyId, secret })
}

function requireKey(accessKeyId: string, found: boolean): void {
  if (!found)
    throw new CommandError(`There is no access key ${accessKeyId}; \`causeway keys list\` shows those there are.`)
}
