import { realpath } from 'node:fs/promises'
import { Command } from 'commander'
import { groupOwner } from '#auth'
import type { Owner } from '#namespace'
import { documentsOfNewBucket } from '../new-bucket.ts'
import { CommandError } from './command-error.ts'
import { type Operator, withOperator } from './operator.ts'
import { type PlaceOptions, withPlace } from './place.ts'
import { printTable } from './table.ts'

type OwnerOption = PlaceOptions & { readonly owner: string }

const OWNER = 'whose it is: a user, or group:NAME (or group:SID) for all who are in a group of the directory'
const GROUP = 'group:'

export const bucketsCommand = new Command('buckets').description('buckets, and directories served as buckets')

withPlace(bucketsCommand.command('list'))
  .description('all buckets and where they lie')
  .action(async (options: PlaceOptions) => {
    await withOperator(options, async ({ config, namespace }) => {
      const buckets = await namespace.as(undefined).buckets.list()
      printTable(
        ['BUCKET', 'OWNER', 'CREATED', 'DIRECTORY'],
        buckets.map(({ name, owner, created, mappedPath }) => [
          name,
          owner.displayName,
          created.toISOString(),
          mappedPath ?? `${config.namespace.root}/${name}`,
        ]),
      )
    })
  })

withPlace(bucketsCommand.command('create'))
  .argument('<name>')
  .requiredOption('--owner <owner>', OWNER)
  .description('make a bucket, a new directory in the tree')
  .action(async (name: string, options: OwnerOption) => {
    await withOperator(options, async (operator) => {
      if (operator.config.identity.enforcement === 'kernel')
        throw new CommandError(
          'With identity.enforcement "kernel" a bucket is a directory of its user: let them make it over S3, or make the directory and map it (buckets map).',
        )
      const owner = await readOwner(operator, options.owner)
      await operator.namespace.as(owner).buckets.create(name, documentsOfNewBucket(operator.config.s3))
    })
  })

withPlace(bucketsCommand.command('map'))
  .argument('<name>')
  .argument('<directory>')
  .requiredOption('--owner <owner>', OWNER)
  .description('serve an existing directory as a bucket, in place: nothing is copied or moved')
  .action(async (name: string, directory: string, options: OwnerOption) => {
    await withOperator(options, async (operator) => {
      const owner = await readOwner(operator, options.owner)
      const documents = documentsOfNewBucket(operator.config.s3)
      await operator.namespace.as(undefined).buckets.map(name, await realpath(directory), owner, documents)
    })
  })

withPlace(bucketsCommand.command('unmap'))
  .argument('<name>')
  .description('stop serving a mapped directory; its files stay as they are')
  .action(async (name: string, options: PlaceOptions) => {
    await withOperator(options, async ({ namespace }) => namespace.as(undefined).buckets.unmap(name))
  })

/** No user of either provider can have a name with a colon. */
async function readOwner(operator: Operator, name: string): Promise<Owner> {
  const { findByName, findGroup } = operator.directory.users
  if (name.startsWith(GROUP)) {
    const group = await findGroup(name.slice(GROUP.length))
    if (group === undefined)
      throw new CommandError(`There is no group ${name.slice(GROUP.length)}; check the spelling.`)
    return groupOwner(group)
  }
  const user = await findByName(name)
  if (user === undefined) throw new CommandError(`There is no user ${name}; ${await remedyFor(operator, name)}.`)
  return { canonicalId: user.canonicalId, displayName: user.displayName }
}

async function remedyFor({ config, directory }: Operator, name: string): Promise<string> {
  if ((await directory.users.findGroup(name)) !== undefined) return `the group of that name is ${GROUP}${name}`
  return `${config.identity.provider === 'local' ? `\`causeway keys create ${name}\` adds one, or ` : ''}check the spelling`
}
